"""Everything of the burst detector that can be tuned; the fold fills it from the settings."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Final

__all__ = ["SERIES", "WINDOWS_S", "Parameters"]

WINDOWS_S: Final = (60, 300, 3600)
SERIES: Final = ("requests", "tokens")
_MAY_BE_ZERO: Final = frozenset({"warm_up_windows", "ratio", "winsor_factor"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Pairs are (requests, tokens).

    A heavier prior (20, weight 12: the median of real clients) gives 25.5 false episodes per 1,000
    account-days instead of 30, but is blind for most of an account's first day.

    Raises:
        ValueError: a value outside its range, with the parameter's name.
    """

    p_value: float = 1e-6  # probability: bursts less likely than this alarm
    ratio: float = 1.0  # value of (S - M) / (M + 3) that must be exceeded as well
    min_requests: int = 30  # requests: windows with fewer never alarm
    min_tokens: int = 60_000  # tokens: windows with fewer never alarm on tokens
    record_half_life_s: float = 7 * 86400.0  # seconds until a record counts half
    baseline_half_life_s: float = 2 * 86400.0  # seconds until a window counts half
    warm_up_windows: int = 12  # five-minute windows since first seen without a verdict
    prior_windows: float = 5.0  # five-minute windows that the prior stands for
    prior_mean: tuple[float, float] = (1.0, 2_000.0)  # requests, tokens per five minutes
    prior_dispersion: tuple[float, float] = (2.0, 3.0)  # (variance - mean) / mean ** 2
    dispersion_limits: tuple[float, float] = (0.05, 1e3)  # the estimate stays between these
    winsor_factor: float = 2.0  # records
    winsor_margin: tuple[float, float] = (20.0, 40_000.0)  # requests, tokens per five minutes

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            zero_too = field.name in _MAY_BE_ZERO
            for number in value if isinstance(value, tuple) else (value,):
                if not math.isfinite(number) or number < 0 or (number == 0 and not zero_too):
                    expected = "a finite number >= 0" if zero_too else "a finite number > 0"
                    raise ValueError(f"burst {field.name}: expected {expected}, got {value}")
        if self.p_value >= 1:
            raise ValueError(f"burst p_value: expected a probability below 1, got {self.p_value}")
        if self.dispersion_limits[0] > self.dispersion_limits[1]:
            raise ValueError(
                f"burst dispersion_limits: expected (low, high), got {self.dispersion_limits}"
            )

    @property
    def record_half_life_h(self) -> float:
        """Hours, the steps in which the record fades."""
        return self.record_half_life_s / 3600.0

    @property
    def baseline_half_life_windows(self) -> float:
        """Five-minute windows, the steps in which the baseline forgets."""
        return self.baseline_half_life_s / 300.0
