"""A verdict on the fleet as a finding: what is usual at this time of day, and one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.base import FloatArray
from detectors.wording import amount, one_in
from streams.alerting.findings import Finding, identity
from streams.platform.totals import STEP_MS, Metric

__all__ = ["Verdict", "finding", "usual"]

_WINDOWS_A_DAY: Final = 86_400_000 // STEP_MS
_BESIDE: Final = 3  # windows before and after that are about the same time of day
_BAND: Final = (0.05, 0.5, 0.95)
_VERBS: Final = {"tokens": "used", "errors": "got", "throttled": "got"}
_NOUNS: Final = {"throttled": "refusals for rate (429)"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One metric whose window that ends at `end` (epoch ms) stands out."""

    metric: Metric
    end: int
    observed: float
    low: float  # of the usual at this time of day
    middle: float
    high: float
    threshold: float
    p_value: float
    score: float


def usual(numbers: FloatArray) -> tuple[float, float, float]:
    """5 %, 50 % and 95 % of the windows at about this time on the days before; with the last window
    the one in question. The last hours when there is no day before."""
    days = np.arange(len(numbers) - 1 - _WINDOWS_A_DAY, -1, -_WINDOWS_A_DAY)
    places = (days[:, None] + np.arange(-_BESIDE, _BESIDE + 1)).ravel()
    chosen = numbers[places[places >= 0]] if days.size else numbers[-1 - _WINDOWS_A_DAY : -1]
    low, middle, high = np.quantile(chosen, _BAND) if chosen.size else (0.0, 0.0, 0.0)
    return float(low), float(middle), float(high)


def finding(verdict: Verdict, policy_version: str) -> Finding:
    """As the incident machine takes it; the same verdict has the same identity everywhere."""
    v = verdict
    start = v.end - STEP_MS
    return Finding(
        finding_id=identity("platform", v.metric.label, v.end, policy_version),
        detector="platform",
        kind="platform",
        account_id="",
        org_id="",
        metric=v.metric.label,
        window_start=start,
        window_end=v.end,
        window_s=STEP_MS // 1000,
        observed=v.observed,
        expected=v.middle,
        p_value=v.p_value,
        threshold=v.threshold,
        sentence=_sentence(v),
        sql=v.metric.sql(start, v.end),
        policy_version=policy_version,
        incident_id="",
        drivers={
            "score": v.score,
            "usual_low": v.low,
            "usual": v.middle,
            "usual_high": v.high,
        },
    )


def _sentence(v: Verdict) -> str:
    if v.metric.is_share:
        band = f"between {v.low:.2%} and {v.high:.2%}"
        what = f"The mean {v.metric.of} score of the whole platform was {v.observed:.2%} in"
    else:
        band = f"between {amount(v.low)} and {amount(v.high)}"
        noun = _NOUNS.get(v.metric.name, v.metric.name)
        verb = _VERBS.get(v.metric.name, "sent")
        if v.metric.of:
            verb, noun = "sent", f"requests to {v.metric.of}"
        what = f"The whole platform {verb} {amount(v.observed)} {noun} in"
    return (
        f"{what} 5 minutes; {band} is usual at this time of day "
        f"({one_in(v.p_value)} by its own history)"
    )
