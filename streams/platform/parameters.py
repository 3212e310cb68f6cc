"""Everything of the platform watch that can be tuned."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

__all__ = ["Parameters"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """
    Raises:
        ValueError: a value out of its range, with the parameter's name.
    """

    p_value: float = 1e-5  # rate at which a quiet series may alarm, a window and series
    history_days: int = 14  # days before today that are read
    settle_windows: int = 432  # since the first request: news to the detector, no measure of it
    verdict_windows: int = 8 * 288  # since the first request: it must have seen a weekend
    models: int = 20  # the busiest models, watched one by one
    least: float = 20.0  # counts smaller than this, then and usually, are not worth an alarm
    least_share: float = 0.005  # the same for mean moderation scores
    far: float = 0.3  # share of the usual that must be between it and the observed

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not math.isfinite(value) or value < 0:
                raise ValueError(
                    f"platform {field.name}: expected a finite number >= 0, got {value}"
                )
        if not 0.0 < self.p_value < 0.1:
            raise ValueError(
                f"platform p_value: expected more than 0, below 0.1, got {self.p_value}"
            )
        if self.history_days < 2:
            raise ValueError(f"platform history_days: expected at least 2, got {self.history_days}")
