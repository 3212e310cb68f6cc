"""Everything of the content detector that can be tuned; the policy fills it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from detectors.ranges import hold, refuse

__all__ = ["CATEGORIES", "POLICIES", "Parameters"]

#: The moderation categories, in the order of the inputs' second axis.
CATEGORIES: Final = (
    "hate",
    "harassment",
    "self_harm",
    "sexual",
    "violence",
    "illicit",
    "medical_spam",
    "political_persuasion",
)
#: Named policies: a category together with a shape of output.
POLICIES: Final = ("medical_spam", "political_amplification", "hate_role_play")
_SHARES: Final = frozenset({"population_rate", "winsor_margin", "templated_from"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Triples are by policy, in the order of `POLICIES`, rates by category as in `CATEGORIES`.

    The population's rates come from calibration; the default stands for "none in 2,000": the calm
    traffic of `streams.traffic.simulate` has no flagged request at all.

    Raises:
        ValueError: a value outside its range, with the parameter's name.
    """

    min_requests: int = 5  # requests of the hour: below, evidence is 0
    min_flagged: int = 3  # flagged requests of one category: below, evidence is 0
    policy_min_flagged: tuple[int, int, int] = (3, 3, 3)  # likewise, of the policy's shape
    policy_weight: tuple[float, float, float] = (1.0, 1.0, 1.0)  # of the evidence of a policy
    category_weight: float = 0.8  # of the evidence of a category whatever its outputs
    templated_from: float = 0.5  # concentration of templates from which spam counts as templated
    warm_up_hours: int = 6  # active hours without a verdict
    half_life_hours: float = 168.0  # active hours until one counts half in the history
    hour_requests: float = 500.0  # requests: an hour with more is learned as so many
    record_half_life_hours: float = 672.0  # hours until a record counts half
    population_rate: tuple[float, ...] = (5e-4,) * len(CATEGORIES)  # flagged share of requests
    prior_requests: float = 2_000.0  # requests that the population's rate stands for
    dispersion: float = 0.5  # squared coefficient of variation of the rate from hour to hour
    winsor_margin: float = 0.02  # share: an hour is learned as at most so much above the known

    def __post_init__(self) -> None:
        hold("content", self, shares=_SHARES)
        for name, length in (
            ("population_rate", len(CATEGORIES)),
            ("policy_weight", len(POLICIES)),
            ("policy_min_flagged", len(POLICIES)),
        ):
            if len(getattr(self, name)) != length:
                refuse("content", self, name, f"{length} numbers")
