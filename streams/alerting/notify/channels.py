"""Where messages go: Apprise speaks to Slack, mail, PagerDuty, web hooks and a hundred others.

The last step of a message. An address carries secrets, so it comes from the environment or a file,
is read anew for every message (a rotated secret holds at once), and neither it nor a part of it
stands in an error or a log. Apprise takes half a second to import, so that waits for a message.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from urllib.parse import quote, unquote_plus

from streams.errors import PulseError
from streams.policy.routes import Channel

__all__ = ["Deliver", "Letter", "NotDelivered", "deliver", "problem"]

_TYPES: Final = {"high": "failure", "medium": "warning"}
#: What an address is given besides, by its scheme: web hooks and mails carry the message's identity
#: in a header, so that a receiver can drop what it has seen; a pager keeps one page an incident.
_IDENTITY: Final = "+Idempotency-Key={identity}"
_BESIDES: Final = {
    **dict.fromkeys(("json", "jsons", "xml", "xmls", "form", "forms"), _IDENTITY),
    **dict.fromkeys(("mailto", "mailtos"), _IDENTITY),
    "pagerduty": "dedup={incident}&action=map",
}
_SHORTEST_SECRET: Final = 3
#: What the library says in the message under way, in whatever thread it says it.
_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)


class NotDelivered(PulseError):
    """A channel did not take a message; the text names no secret."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What is delivered."""

    identity: str
    incident: str
    title: str
    body: str
    severity: str
    resolved: bool


#: Hands a letter to a channel; raises NotDelivered.
Deliver = Callable[[Channel, Letter], None]


def deliver(channel: Channel, letter: Letter) -> None:
    """Send; returns when the channel has taken it.

    Raises:
        NotDelivered: there is no right address, or the channel did not take it.
    """
    library, address = _library(), _address(channel)
    sender = library.Apprise()
    sender.add(_service(channel, _with_identity(address, letter)))
    kind = "success" if letter.resolved else _TYPES.get(letter.severity, "info")
    said: list[str] = []
    mark = _heard.set(said)
    try:
        taken = sender.notify(
            body=letter.body,
            title=letter.title,
            notify_type=library.NotifyType(kind),
            body_format=library.NotifyFormat.TEXT,  # so that names are escaped where HTML is sent
        )
    except Exception as error:  # noqa: BLE001 - a plugin's surprise, whose text may hold the address
        raise NotDelivered(f"channel {channel.name}: {type(error).__name__} in Apprise") from None
    finally:
        _heard.reset(mark)
    if not taken:
        reason = _without(address, said[-1]) if said else "the message was not taken"
        raise NotDelivered(f"channel {channel.name}: {reason}")


def problem(channel: Channel) -> str:
    """Why nothing could be sent there, without sending anything; empty when nothing is wrong."""
    try:
        _service(channel, _address(channel))
    except NotDelivered as error:
        return str(error)
    return ""


def _address(channel: Channel) -> str:
    if channel.url_env:
        address = os.environ.get(channel.url_env, "")
    else:
        try:
            address = Path(channel.url_file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            said = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise NotDelivered(f"channel {channel.name}: {channel.url_file}: {said}") from None
    if not address.strip():
        raise NotDelivered(f"channel {channel.name}: {channel.whereabouts} is empty")
    return address.strip()


def _service(channel: Channel, address: str) -> Any:
    """Apprise's object for exactly one address: two would be told twice when one of them fails."""
    library = _library()
    asset = library.AppriseAsset(
        app_id="Usage Pulse", app_desc="Usage Pulse", app_url="", service_timeout=0
    )
    mark = _heard.set([])
    try:
        service = library.Apprise.instantiate(address, asset=asset)
    finally:
        _heard.reset(mark)
    if service is None or len(address.split()) > 1:
        expected = "expected one address that Apprise knows, as slack://... or mailto://..."
        raise NotDelivered(f"channel {channel.name}: {channel.whereabouts}: {expected}")
    return service


def _with_identity(address: str, letter: Letter) -> str:
    besides = _BESIDES.get(address.partition("://")[0].lower(), "")
    if not besides or besides.partition("=")[0] in address:
        return address  # its owner knows better
    given = besides.format(identity=quote(letter.identity), incident=quote(letter.incident))
    return f"{address}{'&' if '?' in address else '?'}{given}"


@functools.cache
def _library() -> ModuleType:
    """Apprise, which from now on talks to us and to no log: its words may hold an address."""
    import apprise

    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    logger.addHandler(_Listener(logging.WARNING))
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # below, it names the paths it asks for
    module: ModuleType = apprise
    return module


class _Listener(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Keep what is said for whoever sends."""
        if (heard := _heard.get()) is not None:
            heard.append(record.getMessage())


def _without(address: str, text: str) -> str:
    """A library's words without anything of the address, whose parts may be secrets."""
    for part in sorted(_parts(address), key=len, reverse=True):
        text = text.replace(part, "…")
    return " ".join(text.split())[-300:]


def _parts(address: str) -> set[str]:
    rest = address.partition("://")[2]
    for letter in "/@:?&=,;#+":
        rest = rest.replace(letter, " ")
    parts = {*rest.split(), *(unquote_plus(part) for part in rest.split())}
    return {part for part in parts if len(part) > _SHORTEST_SECRET}
