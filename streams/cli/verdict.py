"""What a check of `pulse doctor` found out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Check", "note", "off", "ok"]


@dataclass(frozen=True, slots=True)
class Check:
    """One line: `off` is needed and missing, `note` is worth knowing and stops nothing."""

    name: str
    state: Literal["ok", "note", "off"]
    found: str
    mend: str = ""


def ok(name: str, found: str) -> Check:
    """As it should be."""
    return Check(name, "ok", found)


def note(name: str, found: str, mend: str = "") -> Check:
    """Not as good as it could be, or not there and not needed."""
    return Check(name, "note", found, mend)


def off(name: str, found: str, mend: str) -> Check:
    """Needed and missing or wrong; `mend` says what to do."""
    return Check(name, "off", found, mend)
