"""Every threshold and every colour of boards and rules, in one place.

Colours carry one meaning each: `alarm` is what lies outside its usual range and nothing else,
`usual` the band it should lie in. Severity is told by a word and a bar, never by colour alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = [
    "BEHIND_S",
    "BUDGET",
    "COLOURS",
    "DEAD_SHARE",
    "DELAY_S",
    "LAG",
    "SILENT_S",
    "STORE_MS",
    "Steps",
]

Colour = Literal["fine", "warning", "alarm", "usual", "line", "quiet"]

#: Contrast of at least 4.5:1 on the ground of the console, light and dark: (light, dark).
COLOURS: Final[dict[str, tuple[str, str]]] = {
    "fine": ("#2b7a4b", "#6cc295"),
    "warning": ("#8a5a00", "#e0ac5a"),
    "alarm": ("#b8370a", "#ff8a5c"),
    "usual": ("#dce6f6", "#24324a"),
    "line": ("#2f4f86", "#8fb0ea"),
    "quiet": ("#6b6f76", "#9aa0a8"),
}


@dataclass(frozen=True, slots=True)
class Steps:
    """From `warning` on it is worth a look, from `alarm` on somebody is woken."""

    warning: float
    alarm: float
    unit: str
    why: str

    def __post_init__(self) -> None:
        if not self.warning < self.alarm:
            raise ValueError(f"warning {self.warning} must lie below alarm {self.alarm}")

    def colour(self, value: float) -> Colour:
        """Of a number."""
        if value >= self.alarm:
            return "alarm"
        return "warning" if value >= self.warning else "fine"


LAG: Final = Steps(10_000, 100_000, "count", "messages in Kafka that are not stored yet")
DELAY_S: Final = Steps(5, 30, "s", "from the broker to a stored row, 99 % of batches")
SILENT_S: Final = Steps(30, 120, "s", "since any partition stored a batch")
DEAD_SHARE: Final = Steps(0.001, 0.01, "share", "of lines that could not be understood")
STORE_MS: Final = Steps(1_000, 10_000, "ms", "one write to ClickHouse")
BEHIND_S: Final = Steps(30, 300, "s", "scoring behind the newest event")
BUDGET: Final = Steps(1.0, 2.0, "ratio", "pages of the shift over what the policy allows")
