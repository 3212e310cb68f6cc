"""One check of the watcher itself: what was found, the limit it is held to, what to do about it.

Stands between those who look (`health_worker`, `health_store`) and the page `/health`, which lists
what is off first. A state is told by a symbol and a word; colour only repeats it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from dashboards.live.html import Child, Html, tag
from dashboards.live.when import clock
from dashboards.live.words import count
from dashboards.model.thresholds import Steps

__all__ = [
    "BOARD",
    "Check",
    "State",
    "checklist",
    "ended",
    "held_to",
    "mark",
    "named",
    "ordered",
    "runbook",
    "state",
    "worst",
]

#: `unknown` is not known here or not yet; `told` is held to no limit.
State = Literal["off", "watch", "unknown", "well", "told"]

_ORDER: Final[dict[State, int]] = {"off": 0, "watch": 1, "unknown": 2, "well": 3, "told": 4}
_WORDS: Final[dict[State, tuple[str, str]]] = {
    "off": ("✕", "off"),
    "watch": ("!", "watch"),
    "unknown": ("?", "not known"),
    "well": ("✓", "well"),
    "told": ("–", "noted"),
}
BOARD: Final = ("Pipeline board", "/board/pipeline")
_NAMED: Final = 6
#: Of thresholds, as they are said.
_SCALES: Final = {
    "s": (1.0, " s"),
    "ms": (1e-3, " s"),
    "share": (100.0, " %"),
    "count": (1.0, ""),
    "ratio": (1.0, " times"),
}


@dataclass(frozen=True, slots=True)
class Check:
    """`said` is a sentence with its number; `means` and `links` are for what is not well."""

    name: str
    state: State
    said: str
    limit: str = ""
    since: int | None = None  # epoch ms
    means: str = ""
    links: Sequence[tuple[str, str]] = ()
    when: str = "since"  # what `since` is


def runbook(section: str) -> tuple[str, str]:
    """A link to what to do."""
    return "What to do", f"/runbook#{section}"


def state(steps: Steps, value: float) -> State:
    """Of a number, by the thresholds that boards and rules have."""
    found: dict[str, State] = {"alarm": "off", "warning": "watch"}
    return found.get(steps.colour(value), "well")


def worst(*states: State) -> State:
    """The one that comes first in the list."""
    return min(states, key=_ORDER.__getitem__)


def held_to(steps: Steps) -> str:
    """The thresholds in words."""
    scale, unit = _SCALES[steps.unit]
    watch, off = (f"{number * scale:,g}{unit}" for number in (steps.warning, steps.alarm))
    return f"watch from {watch}, off from {off}"


def ordered(checks: Sequence[Check]) -> list[Check]:
    """What is off first; within a state as they come."""
    return sorted(checks, key=lambda check: _ORDER[check.state])


def named(checks: Sequence[Check], wanted: State) -> str:
    """Names of those in a state, for a sentence: "store, partition 2 and 3 more"; '' for none."""
    names = [check.name[:1].lower() + check.name[1:] for check in checks if check.state == wanted]
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {count(more)} more" if more > 0 else "")


def ended(sentence: str) -> str:
    """With its full stop."""
    return sentence if sentence.endswith((".", "!", "?")) else sentence + "."


def checklist(checks: Sequence[Check]) -> Html:
    """Every check on a line of its own, with its state as a word."""
    return tag("ul", [_line(check) for check in ordered(checks)], class_="checks")


def mark(found: State) -> Html:
    """The state: a symbol for the eye, a word for everybody."""
    symbol, word = _WORDS[found]
    return tag(
        "span",
        tag("span", symbol, aria_hidden="true", class_="symbol"),
        word,
        class_=f"mark {found}",
    )


def _line(check: Check) -> Html:
    wrong = check.state in ("off", "watch")
    links: list[Child] = []
    for words, href in check.links:
        links += [" · " if links else "", tag("a", words, href=href, data_line=True)]
    held: list[Child] = []
    if check.since is not None:
        when = tag("strong", check.when.capitalize(), " ", clock(check.since, seconds=True))
        held += [when, ". " if check.limit else ""]
    held.append(check.limit[:1].upper() + check.limit[1:])
    said = tag(
        "div",
        tag("p", check.said),
        tag("p", held, class_="muted") if check.limit or check.since is not None else None,
        tag("p", check.means, class_="means") if wrong and check.means else None,
        tag("p", links, class_="means") if wrong and links else None,
    )
    return tag("li", mark(check.state), tag("h3", check.name), said, class_=check.state)
