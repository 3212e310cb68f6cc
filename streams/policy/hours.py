"""Hours of a route: `09:00-17:00` in a time zone, over midnight where the end comes first.

Used when an alert is routed (does now lie within?) and when a policy is checked (do the hours of
two routes share a minute at any time of the year?).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["Hours", "hours_of", "zone"]

_FORM = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|(24):(00))")
_DAY = 1440
#: Offsets of time zones are compared at noon of every day of this year.
_YEAR = 2026


@dataclass(frozen=True, slots=True)
class Hours:
    """Minutes of the day from `start` up to `end`, local time of `zone`."""

    start: int
    end: int
    zone: tzinfo

    def hold(self, at_ms: int) -> bool:
        """They hold at this time (epoch ms)."""
        local = datetime.fromtimestamp(at_ms / 1000.0, self.zone)
        minute = local.hour * 60 + local.minute
        return (minute - self.start) % _DAY < self.length

    @property
    def length(self) -> int:
        """Minutes; both ends the same minute would be none and is refused before."""
        return (self.end - self.start) % _DAY or _DAY

    def meet(self, other: Hours) -> bool:
        """Some minute of the year lies in both.

        Only the difference between the two zones matters, which changes with daylight saving; the
        hours around a change of both zones on one day are not looked at.
        """
        for behind in _differences(self.zone, other.zone):
            # Start of the other one, on this one's clock.
            start = (other.start + behind) % _DAY
            if (start - self.start) % _DAY < self.length:
                return True
            if (self.start - start) % _DAY < other.length:
                return True
        return False


def _differences(one: tzinfo, other: tzinfo) -> set[int]:
    """Minutes that clocks of `one` are ahead of those of `other`, over a year."""
    if one == other:
        return {0}
    first = datetime(_YEAR, 1, 1, 12, tzinfo=UTC)
    noons = [first + timedelta(days=day) for day in range(366)]
    return {_offset(noon, one) - _offset(noon, other) for noon in noons}


def _offset(at: datetime, where: tzinfo) -> int:
    ahead = at.astimezone(where).utcoffset()
    return round(ahead.total_seconds() / 60) if ahead is not None else 0


def hours_of(text: str, where: tzinfo) -> Hours:
    """`09:00-17:00` in a time zone; empty text is the whole day.

    Raises:
        ValueError: another form, or no minute between start and end.
    """
    if not text:
        return Hours(0, _DAY, where)
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError("expected hours as 09:00-17:00 (over midnight: 22:00-06:00)")
    first, second, third, fourth = [int(part) for part in found.groups() if part is not None]
    start, end = first * 60 + second, third * 60 + fourth
    if start == end:
        raise ValueError("start and end are the same minute (00:00-24:00 is the whole day)")
    return Hours(start, end, where)


def zone(name: str) -> tzinfo:
    """A time zone by its IANA name.

    Raises:
        ValueError: there is none of this name.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("expected a time zone as Europe/Berlin or UTC") from None
