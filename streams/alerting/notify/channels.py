"""Where messages go: Apprise speaks to Slack, mail, PagerDuty, web hooks and a hundred others.

An address carries secrets, so it comes from the environment or a file, is read anew for every
message (a rotated secret holds at once), and never stands in an error or a log.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import apprise

from streams.errors import PulseError

__all__ = ["Channel", "Deliver", "Letter", "NotDelivered", "deliver"]

#: Web hooks take headers; the identity lets a receiver drop what it has seen.
_HEADERS: Final = ("json://", "jsons://", "xml://", "xmls://", "form://", "forms://")
_TYPES: Final[Mapping[str, apprise.NotifyType]] = {
    "high": apprise.NotifyType.FAILURE,
    "medium": apprise.NotifyType.WARNING,
}


class Channel(Protocol):
    """What is needed to know of a channel (`streams.policy.model.Channel`)."""

    @property
    def name(self) -> str: ...
    @property
    def url_env(self) -> str: ...
    @property
    def url_file(self) -> str: ...


class NotDelivered(PulseError):
    """A channel did not take a message; the text names no secret."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What is delivered."""

    identity: str
    title: str
    body: str
    severity: str
    resolved: bool


#: Hands a letter to a channel; raises NotDelivered.
Deliver = Callable[[Channel, Letter], None]


def deliver(channel: Channel, letter: Letter) -> None:
    """Send; returns when the channel has taken it."""
    address = _address(channel)
    if address.startswith(_HEADERS):
        address += ("&" if "?" in address else "?") + f"+Idempotency-Key={letter.identity}"
    sender = apprise.Apprise()
    if not sender.add(address):
        raise NotDelivered(f"channel {channel.name}: its address is none that Apprise knows")
    kind = _TYPES.get(letter.severity, apprise.NotifyType.INFO)
    if letter.resolved:
        kind = apprise.NotifyType.SUCCESS
    with apprise.LogCapture(level=logging.WARNING) as log:
        taken = sender.notify(body=letter.body, title=letter.title, notify_type=kind)
        said = log.getvalue() if hasattr(log, "getvalue") else ""
    if not taken:
        reason = _without(address, said.strip().splitlines()[-1] if said.strip() else "")
        raise NotDelivered(f"channel {channel.name}: {reason or 'the message was not taken'}")


def _address(channel: Channel) -> str:
    if channel.url_env:
        address = os.environ.get(channel.url_env, "").strip()
        where = f"the environment's {channel.url_env}"
    else:
        where = channel.url_file
        try:
            address = Path(channel.url_file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise NotDelivered(f"channel {channel.name}: {where}: {error.strerror}") from None
    if not address:
        raise NotDelivered(f"channel {channel.name}: {where} is empty")
    return address


def _without(address: str, text: str) -> str:
    """A library's words without anything of the address, whose parts may be secrets."""
    for part in sorted(_parts(address), key=len, reverse=True):
        text = text.replace(part, "…")
    return " ".join(text.split())[-300:]


def _parts(address: str) -> set[str]:
    rest = address.split("://", 1)[-1]
    for letter in "/@:?&=":
        rest = rest.replace(letter, " ")
    return {part for part in rest.split() if len(part) > 3}
