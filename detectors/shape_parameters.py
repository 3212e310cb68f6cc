"""Everything of the shape detector that can be tuned; the fold fills it from the policy."""

from __future__ import annotations

from dataclasses import dataclass

from detectors.ranges import hold, refuse

__all__ = ["Parameters"]

_WHOLE = frozenset({"trees", "tree_rows", "sample_rows", "hour_rows"})
_SHARES = frozenset({"share_floor", "gate", "adoption"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Changes are differences of logarithms: 0.7 is a doubling.

    Raises:
        ValueError: a value outside its range, with the parameter's name.
    """

    half_life_h: float = 168.0  # hours until an hour of the history counts half
    warm_up_h: float = 24.0  # active hours (discounted) without a verdict
    min_requests: float = 10.0  # requests of the hour: fewer are not judged
    shrink_requests: float = 10.0  # of a share or mean over n: its change counts n / (n + this)
    share_floor: float = 0.02  # share added before the logarithm: smaller ones look alike
    prior_spread: float = 0.3  # standard deviation of the logarithms from hour to hour
    prior_spread_h: float = 10.0  # hours the prior stands for
    spread_min: float = 0.1  # standard deviation of the logarithms: added to the estimate
    winsor: float = 3.0  # spreads: an hour teaches at most such a change
    change_max: float = 8.0  # spreads: larger changes look alike to the forest
    trees: int = 50  # of the isolation forest
    tree_rows: int = 1024  # rows of the sample that each tree sees
    sample_rows: int = 2048  # rows the forest is fitted on, the newest ones
    hour_rows: int = 128  # rows that one hour adds to the sample
    gate: float = 0.7  # share of the sample: whoever changed less than that is not strange
    strange_from: float = 5.0  # spreads, of all changes together: such an hour is quarantined
    quarantine_h: float = 6.0  # strange hours that are not learned at all
    quarantine_half_life_h: float = 48.0  # hours until such an hour counts half
    adoption: float = 0.25  # share of the history that each further strange hour replaces

    def __post_init__(self) -> None:
        hold("shape", self, shares=_SHARES, whole=_WHOLE)
        if self.sample_rows > 2048:
            refuse("shape", self, "sample_rows", "at most 2048 rows (kept in every snapshot)")
