"""Everything of the quota detector that can be tuned; the fold fills it from the policy."""

from __future__ import annotations

from dataclasses import dataclass

from detectors.ranges import hold

__all__ = ["Parameters"]

_SHARES = frozenset(
    {
        "near_limit",
        "quiet_share",
        "exhausted_from",
        "prior_near_share",
        "prior_throttled_share",
        "prior_retried_share",
        "correlation_hours",
        "correlation",
        "adoption",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Priors speak for an account as long as it has little history of its own.

    Raises:
        ValueError: a value outside its range, with the parameter's name.
    """

    half_life_h: float = 168.0  # hours until an hour of the history counts half
    warm_up_h: float = 6.0  # active hours (discounted) without a verdict
    min_requests: float = 20.0  # requests of the hour: fewer never hug a limit
    min_throttled: float = 5.0  # 429s of the hour: fewer are neither abuse nor a reason to hop
    near_limit: float = 0.9  # share of the quota from which an hour is near the limit
    min_near_h: float = 3.0  # hours near the limit, of the last six: fewer are no hugging
    quiet_share: float = 0.02  # share of 429s up to which the hour stays under the limit
    exhausted_from: float = 0.8  # share of the quota from which a fast pace counts as exhaustion
    prior_near_share: float = 0.02  # share of hours near the limit
    prior_near_h: float = 10.0  # hours the prior stands for
    prior_throttled_share: float = 0.01  # share of 429s in the requests
    prior_requests: float = 100.0  # requests the prior stands for
    prior_retried_share: float = 0.4  # share of throttled ticks with a request straight after
    prior_ticks: float = 20.0  # throttled ticks the prior stands for
    prior_keys: float = 0.3  # keys an hour beyond the first
    prior_keys_h: float = 5.0  # hours the prior stands for
    keys_dispersion: float = 0.5  # (variance - mean) / mean ** 2 of keys beyond the first
    pace_floor: float = 0.005  # share of the quota an hour: slower paces look alike
    pace_spread: float = 0.7  # prior standard deviation of the logarithm of the pace
    prior_pace_h: float = 5.0  # hours that prior stands for
    correlation_hours: float = 0.2  # correlation of two hours of the same six being near the limit
    correlation: float = 0.03  # correlation of two requests, or ticks, of the same hour
    requests_max: float = 2_000.0  # requests: a larger hour teaches its shares, not its size
    strange_from: float = 2.0  # evidence from which an hour is quarantined
    quarantine_h: float = 6.0  # strange hours that are not learned at all
    quarantine_half_life_h: float = 48.0  # hours until such an hour counts half
    adoption: float = 0.25  # share of the history that each further strange hour replaces

    def __post_init__(self) -> None:
        hold("quota", self, shares=_SHARES)
