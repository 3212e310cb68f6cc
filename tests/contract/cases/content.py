"""Accounts with a flagged request now and then; then half of an hour's are, in one category."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from detectors import content
from detectors.base import FloatArray, Inputs
from tests.contract.detector_cases import HOUR_MS, START_MS, Builder, Case

__all__ = ["CASE", "MORE"]

HOURS: Final = 72
REQUESTS: Final = (60, 400)


def medical_spam(accounts: int, seed: int) -> Case:
    """Short answers by many templates."""
    return _case(accounts, seed, "medical_spam", "medical_spam", "flagged_short_medical_spam", 1.0)


def templated_medical_spam(accounts: int, seed: int) -> Case:
    """Long answers by one template."""
    return _case(
        accounts, seed, "medical_spam", "medical_spam", "flagged_medical_spam", 0.1, templates=1
    )


def political_amplification(accounts: int, seed: int) -> Case:
    """Short answers."""
    metric = "flagged_short_political_persuasion"
    return _case(accounts, seed, "political_amplification", "political_persuasion", metric, 0.95)


def hate_role_play(accounts: int, seed: int) -> Case:
    """Long answers."""
    return _case(accounts, seed, "hate_role_play", "hate", "flagged_long_hate", 0.05)


def self_harm(accounts: int, seed: int) -> Case:
    """A category without a policy of its own."""
    return _case(accounts, seed, "content_self_harm", "self_harm", "flagged_self_harm", 0.5)


def short_hate(accounts: int, seed: int) -> Case:
    """The policy asks for long answers: what remains is the category."""
    return _case(accounts, seed, "content_hate", "hate", "flagged_hate", 1.0)


def _case(
    accounts: int,
    seed: int,
    kind: str,
    category: str,
    metric: str,
    short: float,
    templates: int = 12,
) -> Case:
    rng = np.random.default_rng(seed)
    size = rng.integers(*REQUESTS, accounts)
    place = content.CATEGORIES.index(category)

    def draw(bad: float) -> dict[str, FloatArray]:
        requests = rng.poisson(size)
        flagged = rng.binomial(requests[:, None], 5e-4, (accounts, len(content.CATEGORIES)))
        flagged_short = rng.binomial(flagged, 0.3)
        flagged[:, place] += np.rint(bad * requests).astype(np.int64)
        flagged_short[:, place] += rng.binomial(np.rint(bad * requests).astype(np.int64), short)
        bins = np.zeros((accounts, 32))
        many = templates if bad else 12
        bins[:, :many] = rng.multinomial(requests, np.full(many, 1.0 / many))
        return {
            "requests": requests.astype(np.float64),
            "template_counts": bins,
            "moderation_sum": flagged * 0.7 + requests[:, None] * 0.01,
            "flagged": flagged.astype(np.float64),
            "flagged_short": flagged_short.astype(np.float64),
        }

    state = np.zeros(accounts, dtype=content.STATE)
    for hour in range(1, HOURS + 1):
        now_ms = START_MS + hour * HOUR_MS
        state = content.observe(state, draw(0.0), now_ms, content.Parameters())
    attack = draw(0.5)
    counted, replace = _counting(metric, place)
    driver = kind if kind != "hate_role_play" else "hate_role_play_hate"
    return Case(
        state=state,
        now_ms=START_MS + HOURS * HOUR_MS + HOUR_MS * 5 // 6,
        usual=draw(0.0),
        attack=attack,
        limit=5.0,
        kind=kind,
        metric=metric,
        window_s=3600,
        observed=counted(attack),
        causes=frozenset({driver}),
        replace=replace,
    )


def _counting(
    metric: str, place: int
) -> tuple[Callable[[Inputs], FloatArray], Callable[[Inputs, FloatArray], dict[str, FloatArray]]]:
    """How the metric counts, and inputs in which it counts so many."""

    def counted(inputs: Inputs) -> FloatArray:
        flagged, short = inputs["flagged"][:, place], inputs["flagged_short"][:, place]
        if "_short_" in metric:
            return short.copy()
        more: FloatArray = flagged - short if "_long_" in metric else flagged.copy()
        return more

    def replace(inputs: Inputs, observed: FloatArray) -> dict[str, FloatArray]:
        flagged, short = inputs["flagged"].copy(), inputs["flagged_short"].copy()
        longer = flagged[:, place] - short[:, place]
        if "_short_" in metric:
            flagged[:, place], short[:, place] = longer + observed, observed
        elif "_long_" in metric:
            flagged[:, place] = short[:, place] + observed
        else:
            flagged[:, place] = observed
            short[:, place] = np.minimum(short[:, place], observed)
        return {**inputs, "flagged": flagged, "flagged_short": short}

    return counted, replace


CASE: Final[Builder] = medical_spam
MORE: Final[tuple[Builder, ...]] = (
    templated_medical_spam,
    political_amplification,
    hate_role_play,
    self_harm,
    short_hate,
)
