"""Read-only SQL across processes: the worker that owns a data directory answers for the others.

Only one process may open an embedded store. It listens on `<data>/worker.sock` (readable by its
own user only); `pulse sql` asks there when the directory is taken.

One question a connection. Request: one line of JSON, `{"sql": ..., "format": ...}`. Response: eight
bytes of length (big endian) and that many bytes, or one line of JSON, `{"error": ...}`; a length
never starts with the byte of `{`, so the first byte tells which. Two things may be written: that
dead letters were sent again, `{"retried": [letter_id, ...], "by": ...}`, and what people decide
about incidents, `{"do": "acknowledge", ...}` (`streams.alerting.people`).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from streams.errors import PulseError, StoreError, StoreUnavailable, UsageError

__all__ = ["SOCKET_NAME", "Answer", "Perform", "Record", "ask", "do", "serve", "tell_retried"]

SOCKET_NAME = "worker.sock"

#: sql, format -> bytes in that format; called in one thread of its own, errors are PulseErrors.
Answer = Callable[[str, str], bytes]

#: identities of dead letters, who sent them again; called in the same thread.
Record = Callable[[list[str], str], None]

#: what people decided, as JSON; its answer. Called in the same thread.
Perform = Callable[[Mapping[str, Any]], str]

_LENGTH = struct.Struct(">Q")
_LONGEST_QUESTION = 1024 * 1024
_LONGEST_PATH = 100


@contextlib.asynccontextmanager
async def serve(
    path: Path, answer: Answer, record: Record | None = None, perform: Perform | None = None
) -> AsyncIterator[None]:
    """Answer questions at `path` while the context is open; a socket left by a dead owner goes.

    Raises:
        StoreUnavailable: the socket cannot be made.
    """
    listener = _listen(path)
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pulse-sql")

    def handle(line: bytes) -> bytes:
        return _handled(line, answer, record, perform)

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await _respond(reader, writer, handle, executor)
        writer.close()

    server = await asyncio.start_unix_server(connection, sock=listener, limit=_LONGEST_QUESTION)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)
        # A question that still runs is ended by whoever answers (`EmbeddedReader.close`).
        executor.shutdown(wait=False, cancel_futures=True)


def ask(path: Path, sql: str, format: str, *, timeout: float | None = None) -> bytes:
    """The answer of the process that listens at `path`.

    Raises:
        StoreUnavailable: nobody listens, or the listener went away in the middle.
        UsageError, StoreError: what the other side said about the question.
    """
    return _exchange(path, {"sql": sql, "format": format}, timeout)


def tell_retried(path: Path, letters: list[str], by: str, *, timeout: float | None = 30.0) -> None:
    """Have the process that listens at `path` record that dead letters were sent again."""
    _exchange(path, {"retried": letters, "by": by}, timeout)


def do(path: Path, message: Mapping[str, Any], *, timeout: float | None = 30.0) -> str:
    """Have the process that listens at `path` do what people decided; its answer."""
    return _exchange(path, {"do": "", **message}, timeout).decode()


def _exchange(path: Path, message: Mapping[str, Any], timeout: float | None) -> bytes:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            with _reachable(path) as address:
                connection.connect(address)
            connection.sendall(json.dumps(dict(message)).encode() + b"\n")
            with connection.makefile("rb") as stream:
                head = stream.read(_LENGTH.size)
                if head.startswith(b"{"):
                    _raise(json.loads(head + stream.readline()))
                if len(head) < _LENGTH.size:
                    raise StoreUnavailable(f"{path}: the worker closed the connection")
                (length,) = _LENGTH.unpack(head)
                body = stream.read(length)
    except TimeoutError:
        raise StoreUnavailable(f"{path}: no answer within {timeout} s") from None
    except OSError as error:
        raise StoreUnavailable(f"{path}: no worker answers: {error.strerror or error}") from None
    if len(body) < length:
        raise StoreUnavailable(f"{path}: the worker closed the connection after {len(body)} bytes")
    return body


async def _respond(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    handle: Callable[[bytes], bytes],
    executor: Executor,
) -> None:
    try:
        line = await reader.readline()
        body = await asyncio.get_running_loop().run_in_executor(executor, handle, line)
    except PulseError as error:
        kind = "usage" if isinstance(error, UsageError) else "store"
        writer.write(json.dumps({"error": str(error), "kind": kind}).encode() + b"\n")
    except Exception as error:  # noqa: BLE001 - one question must not stop the worker
        text = f"{type(error).__name__}: {error}"
        writer.write(json.dumps({"error": text, "kind": "store"}).encode() + b"\n")
    else:
        writer.write(_LENGTH.pack(len(body)))
        writer.write(body)
    await writer.drain()


def _handled(line: bytes, answer: Answer, record: Record | None, perform: Perform | None) -> bytes:
    """The body of the response to one request."""
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    match message:
        case {"sql": str(sql), "format": str(format)}:
            return answer(sql, format)
        case {"retried": [*letters], "by": str(by)} if record is not None:
            record([str(letter) for letter in letters], by)
            return b""
        case {"do": str()} if perform is not None:
            return perform(message).encode()
    raise UsageError('expected one line of JSON, {"sql": "...", "format": "..."}')


def _raise(message: dict[str, str]) -> None:
    kind = UsageError if message.get("kind") == "usage" else StoreError
    raise kind(message["error"])


def _listen(path: Path) -> socket.socket:
    """A bound socket; nobody can connect before its mode keeps other users out."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        with _reachable(path) as address:
            listener.bind(address)
            os.chmod(address, 0o600)
    except OSError as error:
        listener.close()
        raise StoreUnavailable(f"{path}: cannot listen there: {error.strerror or error}") from None
    return listener


@contextlib.contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """A name for `path` that fits into a socket address (108 bytes), however deep it lies."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        short = Path(f"/proc/self/fd/{folder}")
        if not short.exists():
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        yield str(short / path.name)
    finally:
        os.close(folder)
