"""How far a sender has come: what a progress line shows, and the summary at the end."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Progress"]


@dataclass(frozen=True, slots=True)
class Progress:
    """State of a run; times in seconds of the sender's clock, `event_ts` in epoch ms.

    Events count as sent when the broker has acknowledged them. `fraction` is the share of the
    source that was read (None when it has no known size), `event_ts` the latest event time handed
    to the broker (None before the first).
    """

    events: int
    messages: int
    bytes: int
    elapsed_s: float
    fraction: float | None
    event_ts: int | None

    @property
    def rate(self) -> float:
        """Events per second since the start."""
        return self.events / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def eta_s(self) -> float | None:
        """Seconds that the rest will take at the speed so far; None while unknown."""
        if not self.fraction:
            return None
        return self.elapsed_s * (1 - self.fraction) / self.fraction
