"""Units of numbers, one list for both outputs: how Grafana calls them and how the console writes
them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["UNITS", "Unit", "unit"]


@dataclass(frozen=True, slots=True)
class Unit:
    """`grafana` is the unit's id there; `suffix` follows the number in the console."""

    name: str
    grafana: str
    suffix: str = ""
    digits: int = 0  # behind the point, in the console


_ALL: Final = (
    Unit("count", "short"),
    Unit("requests", "short"),
    Unit("tokens", "short"),
    Unit("requests/s", "reqps", "/s", 1),
    Unit("tokens/s", "short", "/s"),
    Unit("events/s", "short", "/s"),
    Unit("share", "percentunit", "%", 1),  # 0..1
    Unit("probability", "sci"),
    Unit("score", "short", "", 2),
    Unit("ratio", "short", "x", 2),
    Unit("ms", "ms", "ms"),
    Unit("s", "s", "s", 1),
    Unit("min", "m", "min"),
    Unit("bytes", "bytes", "B"),
    Unit("time", "dateTimeAsIso"),
    Unit("text", "string"),
)
UNITS: Final = {one.name: one for one in _ALL}


def unit(name: str) -> Unit:
    """The unit called `name`.

    Raises:
        ValueError: there is none.
    """
    if name not in UNITS:
        raise ValueError(f"unit {name!r}: expected one of {', '.join(UNITS)}")
    return UNITS[name]
