"""Accounts with a few templates and mostly long outputs; spam takes the place of their requests."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors import low_and_slow
from detectors.base import FloatArray, Inputs
from tests.contract.detector_cases import HOUR_MS, START_MS, Builder, Case

__all__ = ["CASE", "MORE", "replace"]

HOURS: Final = 72
TEMPLATES: Final = 6


def build(accounts: int, seed: int) -> Case:
    """Four in five requests become short answers by one template never seen before."""
    return _case(accounts, seed, kind="template_spam")


def short_outputs_alone(accounts: int, seed: int) -> Case:
    """Nine in ten outputs are short, by the templates as they always were."""
    return _case(accounts, seed, kind="short_output_shift")


def replace(inputs: Inputs, observed: FloatArray) -> dict[str, FloatArray]:
    """So many short outputs; the fewer, the fewer are by the new template."""
    fewer = np.maximum(inputs["short_outputs"] - observed, 0.0)[:, None]
    new = np.maximum(inputs["new_short_counts"] - fewer, 0.0)
    return {**inputs, "short_outputs": observed, "new_short_counts": new}


def _case(accounts: int, seed: int, kind: str) -> Case:
    rng = np.random.default_rng(seed)
    usual_share = rng.uniform(0.05, 0.3, accounts)
    mix = rng.dirichlet(np.full(TEMPLATES, 3.0), accounts)
    bins = rng.permuted(np.tile(np.arange(32), (accounts, 1)), axis=1)[:, : TEMPLATES + 1]
    size = rng.integers(60, 400, accounts)

    def draw(spam: float, short: float) -> dict[str, FloatArray]:
        requests = rng.poisson(size)
        bad = np.rint(requests * spam).astype(np.int64)
        swing = np.clip(usual_share * rng.gamma(20.0, 1 / 20.0, accounts), 0.0, 1.0)
        brief = rng.binomial(requests - bad, np.maximum(swing, short)) + bad
        counts = np.zeros((accounts, 32))
        rows = np.arange(accounts)[:, None]
        counts[rows, bins[:, :TEMPLATES]] += rng.multinomial(requests - bad, mix)
        counts[rows, bins[:, TEMPLATES:]] += bad[:, None]
        loose = rng.multinomial(rng.binomial(brief - bad, 0.03), np.full(32, 1 / 32))
        loose[rows, bins[:, TEMPLATES:]] += bad[:, None]
        return {
            "outputs": requests.astype(np.float64),
            "short_outputs": brief.astype(np.float64),
            "template_counts": counts,
            "new_short_counts": loose.astype(np.float64),
        }

    state = np.zeros(accounts, dtype=low_and_slow.STATE)
    for hour in range(1, HOURS + 1):
        now_ms = START_MS + hour * HOUR_MS
        state = low_and_slow.observe(state, draw(0.0, 0.0), now_ms, low_and_slow.Parameters())
    spam = kind == "template_spam"
    attack = draw(0.8, 0.0) if spam else draw(0.0, 0.9)
    return Case(
        state=state,
        now_ms=START_MS + HOURS * HOUR_MS + HOUR_MS * 5 // 6,
        usual=draw(0.0, 0.0),
        attack=attack,
        limit=2.0 if spam else 1.0,
        kind=kind,
        metric="short_outputs",
        window_s=3600,
        observed=attack["short_outputs"],
        causes=frozenset({"new_template_evidence"} if spam else {"short_evidence"}),
        replace=replace,
    )


CASE: Final[Builder] = build
MORE: Final[tuple[Builder, ...]] = (short_outputs_alone,)
