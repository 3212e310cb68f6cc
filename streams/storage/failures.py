"""What ClickHouse said, as one readable line and the right kind of `StoreError`.

Both stores pass their library's exceptions through here, at the edge.
"""

from __future__ import annotations

import re

from streams.errors import StoreError, StoreUnavailable

__all__ = ["failure", "parse"]

#: Codes after which the same statement may pass later (ErrorCodes.cpp): the machine or the
#: network is short of something, nothing is wrong with the statement.
TRANSIENT = frozenset(
    {
        74,  # CANNOT_READ_FROM_FILE_DESCRIPTOR
        75,  # CANNOT_WRITE_TO_FILE_DESCRIPTOR
        87,  # CANNOT_SEEK_THROUGH_FILE
        88,  # CANNOT_TRUNCATE_FILE
        159,  # TIMEOUT_EXCEEDED
        173,  # CANNOT_ALLOCATE_MEMORY
        198,  # DNS_ERROR
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        203,  # NO_FREE_CONNECTION
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        225,  # NO_ZOOKEEPER
        236,  # ABORTED
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY
        243,  # NOT_ENOUGH_SPACE
        252,  # TOO_MANY_PARTS
        279,  # ALL_CONNECTION_TRIES_FAILED
        285,  # TOO_FEW_LIVE_REPLICAS
        286,  # UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
        289,  # REPLICA_IS_NOT_IN_QUORUM
        319,  # UNKNOWN_STATUS_OF_INSERT
        394,  # QUERY_WAS_CANCELLED
        425,  # SYSTEM_ERROR
        439,  # CANNOT_SCHEDULE_TASK
        473,  # DEADLOCK_AVOIDED
        574,  # CANNOT_FSYNC
        999,  # KEEPER_EXCEPTION
    }
)
#: Operating-system failures arrive under several codes; these words tell them apart.
_TRANSIENT_WORDS = ("No space left on device", "Too many open files", "Input/output error")

_CODE = re.compile(r"Code: (\d+)\. ?")
_NOISE = re.compile(
    r"\. Stack trace:|\n|: while executing |: While executing |:? In scope |: \(in query: "
    r"|: while converting |: While processing |\. Maybe you meant system\.one\??"
)
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)")
_LENGTH = 300


def parse(text: str) -> tuple[int, str]:
    """The error code (0 when there is none) and the message without the C++ around it."""
    found = _CODE.search(text)
    code = int(found.group(1)) if found else 0
    body = text[found.end() :] if found else text
    names = _NAME.findall(body)
    body = re.sub(r"^(DB::Exception: )+", "", body.strip())
    body = re.sub(r" ?\(version [^)]*\)$", "", body)
    message = _NOISE.split(body, maxsplit=1)[0].strip()
    if names:
        message = message.removesuffix(f"({names[-1]})").rstrip(" .")
    if len(message) > _LENGTH:
        message = message[:_LENGTH] + "…"
    return code, f"{message or 'no message'} ({names[-1]})" if names else message


def failure(text: str, *, code: int | None = None, what: str = "") -> StoreError:
    """The error to raise for ClickHouse's message `text`; `what` names the statement or table."""
    found, message = parse(text)
    code = found if code is None else code
    line = f"{what}: ClickHouse: {message}" if what else f"ClickHouse: {message}"
    if code in TRANSIENT or any(word in text for word in _TRANSIENT_WORDS):
        return StoreUnavailable(line)
    return StoreError(line)
