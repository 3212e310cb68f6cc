"""Figures as JSON: how both labs keep what they measured, and read it back.

An evaluation is a dataclass of facts with `rows` and `targets`, each of which carries a `Figure`.
Made by the labs, written by their reports, read again for the detector cards. In JSON a row or
target stands on a line of its own with its figure flat in it; NaN (nothing measured) is null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from streams.errors import BadInput
from streams.lab.resample import Figure

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["FORMAT", "Target", "dumped", "loaded"]

FORMAT: Final = 1

Whole = TypeVar("Whole")


@dataclass(frozen=True, slots=True)
class Target:
    """What was to be reached, and whether it was."""

    name: str
    wanted: str
    figure: Figure
    reached: bool


def dumped(evaluation: DataclassInstance, digits: int | None = None) -> str:
    """As JSON, one row a line; figures rounded to so many significant digits, if given."""
    document = asdict(evaluation)
    rows, targets = document.pop("rows"), document.pop("targets")
    head = json.dumps({"format": FORMAT, **document}, ensure_ascii=False, indent=1)[:-2]
    parts = [head]
    for name, items in (("targets", targets), ("rows", rows)):
        lines = ",\n  ".join(json.dumps(_flat(i, digits), ensure_ascii=False) for i in items)
        parts.append(f' "{name}": [\n  {lines}\n ]')
    return ",\n".join(parts) + "\n}\n"


def loaded(
    path: Path, what: str, row: Callable[..., object], whole: Callable[[dict[str, Any]], Whole]
) -> Whole:
    """What `dumped` wrote: `row` makes a row of its fields, `whole` all of it of the facts,
    `rows` and `targets`; `what` it was to be is said when it is not.

    Raises:
        BadInput: it cannot be read, is something else, or of another format.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.pop("format") != FORMAT:
            raise BadInput(str(path), "format", f"expected {FORMAT}")
        rows = [row(figure=_figure(item), **item) for item in document.pop("rows")]
        targets = [Target(figure=_figure(item), **item) for item in document.pop("targets")]
        return whole({**document, "rows": rows, "targets": targets})
    except OSError as error:
        raise BadInput(str(path), "", f"cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(str(path), "", f"not {what}: {error}") from None


def _figure(item: dict[str, Any]) -> Figure:
    """Takes the figure out of a flat item."""
    value, low, high = (_number(item.pop(name)) for name in ("value", "low", "high"))
    return Figure(value, low, high, int(item.pop("n")))


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _flat(item: Mapping[str, Any], digits: int | None) -> dict[str, Any]:
    figure = {name: _rounded(value, digits) for name, value in item["figure"].items()}
    rest = {name: value for name, value in item.items() if name != "figure"}
    return {**rest, **figure}


def _rounded(value: float, digits: int | None) -> float | int | None:
    if isinstance(value, int):
        return value
    if not math.isfinite(value):
        return None
    return value if digits is None else float(f"{value:.{digits}g}")
