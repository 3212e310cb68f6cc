"""Everything of the use-case detector that can be tuned; the fold fills it from the policy."""

from __future__ import annotations

from dataclasses import dataclass

from detectors.ranges import hold, refuse

__all__ = ["Parameters"]

_SHARES = frozenset({"cohort_share", "uniform_share", "adoption"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """A mix is a histogram of an hour's requests: by endpoint, country, prompt or output size.

    Raises:
        ValueError: a value outside its range, with the parameter's name.
    """

    half_life_h: float = 168.0  # hours until an hour of the profile counts half
    warm_up_h: float = 12.0  # active hours (discounted) without a verdict
    warm_up_hours_h: float = 24.0  # active hours before hours of the day are judged
    min_requests: float = 10.0  # requests in a mix: fewer are not judged, nor teach its spread
    requests_max: float = 200.0  # requests: a larger hour teaches its shares, not its size
    cohort_share: float = 0.1  # of others with the same approved use case, in what is expected
    uniform_share: float = 0.01  # of all bins alike, in what is expected
    prior_spread: float = 0.05  # correlation of two requests of the same hour
    prior_spread_h: float = 5.0  # hours the prior stands for
    spread_min: float = 0.005  # correlation: the estimate is at least this
    spread_winsor: float = 6.0  # estimates: an hour teaches at most so many times what is known
    prior_hours: float = 0.2  # active hours in each three hours of the day, before any was seen
    hours_drift: float = 0.6  # decades by which the sum of odd hours falls an hour
    hours_half_life_h: float = 6.0  # hours until that sum counts half
    strange_from: float = 2.0  # evidence from which an hour is quarantined
    quarantine_h: float = 6.0  # strange hours that are not learned at all
    quarantine_hours_h: float = 3.0  # the same for hours of the day
    quarantine_half_life_h: float = 48.0  # hours until such an hour counts half
    adoption: float = 0.25  # share of the profile that each further strange hour replaces

    def __post_init__(self) -> None:
        hold("use_case", self, shares=_SHARES)
        if self.cohort_share + self.uniform_share >= 1.0:
            expected = (
                "a share that leaves some to the account's own profile beside uniform_share "
                f"{self.uniform_share}"
            )
            refuse("use_case", self, "cohort_share", expected)
