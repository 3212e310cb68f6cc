"""Everything of the low-and-slow detector that can be tuned; the policy fills it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from detectors.ranges import hold, refuse

__all__ = ["SHARES", "Parameters"]

SHARES: Final = ("short", "new_template", "concentration")
_BELOW_ONE: Final = frozenset({"prior_mean", "prior_dispersion", "dispersion_limits"})
_TO_ONE: Final = frozenset({"winsor_margin", "short_weight"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Triples are by share, in the order of `SHARES`.

    Raises:
        ValueError: a value outside its range, with the parameter's name.
    """

    min_requests: int = 20  # requests with an output, and with a template: below, evidence is 0
    warm_up_hours: int = 3  # active hours without a verdict
    hour_requests: float = 50.0  # requests: an hour with more is learned as so many
    half_life_hours: float = 168.0  # active hours until one counts half in the history
    record_half_life_hours: float = 672.0  # hours until a record counts half
    prior_mean: tuple[float, float, float] = (0.25, 0.02, 0.2)  # shares, 0..1
    prior_requests: float = 50.0  # requests that the prior of the mean stands for
    prior_dispersion: tuple[float, float, float] = (0.1, 0.1, 0.1)  # correlation, 0..1
    prior_hours: float = 24.0  # hours of `hour_requests` that the prior dispersion stands for
    dispersion_limits: tuple[float, float] = (0.02, 0.9)  # the estimate stays between these
    winsor_margin: float = 0.15  # share: an hour is learned as at most so much above the known
    short_weight: float = 0.2  # of the evidence when short outputs stand alone, 0..1

    def __post_init__(self) -> None:
        hold("low_and_slow", self, shares=_BELOW_ONE, to_one=_TO_ONE)
        if self.dispersion_limits[0] > self.dispersion_limits[1]:
            refuse("low_and_slow", self, "dispersion_limits", "(low, high)")
