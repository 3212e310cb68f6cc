"""Everything of the burst detector that can be tuned; the policy fills it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from detectors.ranges import hold, refuse

__all__ = ["SERIES", "WINDOWS_S", "Parameters"]

WINDOWS_S: Final = (60, 300, 3600)
SERIES: Final = ("requests", "prompt_tokens", "completion_tokens", "errors", "throttled")
_MAY_BE_ZERO: Final = frozenset({"warm_up_s", "winsor_factor", "quarantine_h", "age_penalty_d"})

Five = tuple[float, float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Tuples of five follow SERIES, of three the windows.

    Raises:
        ValueError: a value outside its range, with the parameter's name.
    """

    minimum: Five = (
        20.0,
        40_000.0,
        10_000.0,
        20.0,
        20.0,
    )  # of the series: smaller sums say nothing
    offset: Five = (3.0, 6_000.0, 1_500.0, 5.0, 5.0)  # of the series: one after none is not much
    series_weight: Five = (1.0, 0.6, 0.6, 0.4, 0.4)  # 1: of a series' evidence
    window_weight: tuple[float, float, float] = (1.0, 1.0, 0.6)  # 1: of a window's evidence
    decades: float = 6.0  # evidence per tenfold record
    age_penalty_d: float = 2.0  # days: a record this old counts half as firm, an old one fully
    record_half_life_s: float = 7 * 86400.0  # seconds until a record counts half
    baseline_half_life_s: float = 2 * 86400.0  # seconds until a window counts half
    quarantine_h: float = 12.0  # hours before an hour that alarmed becomes a record
    warm_up_s: float = 3600.0  # seconds since first seen without a verdict
    prior_windows: float = 5.0  # five-minute windows that the prior stands for
    prior_mean: Five = (1.0, 1500.0, 500.0, 0.02, 0.02)  # of the series per five minutes
    prior_dispersion: Five = (2.0, 3.0, 3.0, 4.0, 4.0)  # (variance - mean) / mean ** 2
    dispersion_limits: tuple[float, float] = (0.05, 1e3)  # the estimate stays between these
    winsor_factor: float = 2.0  # records
    winsor_margin: Five = (20.0, 30_000.0, 10_000.0, 20.0, 20.0)  # of the series per five minutes

    def __post_init__(self) -> None:
        hold("burst", self, zero_too=_MAY_BE_ZERO)
        if self.dispersion_limits[0] > self.dispersion_limits[1]:
            refuse("burst", self, "dispersion_limits", "(low, high)")

    @property
    def record_half_life_h(self) -> float:
        """Hours, the steps in which the record fades."""
        return self.record_half_life_s / 3600.0

    @property
    def baseline_half_life_windows(self) -> float:
        """Five-minute windows, the steps in which the baseline forgets."""
        return self.baseline_half_life_s / 300.0
