"""Simulated accounts for `tests.bench.profile_quality`: their habits, and the hours they live.

Every account has habits of its own (size, working hours, mixes, lengths, templates, quota, keys)
around those of its approved use, and varies from hour to hour around them by an amount of its own.
An hour is drawn for all accounts at once; a `change` bends the habits of that hour. Seeded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from detectors.base import FloatArray, IntArray

__all__ = ["MIXES", "Change", "Habits", "Hour", "draw", "make_habits"]

MIXES: Final = ("endpoints", "countries", "prompt_sizes", "output_sizes")
USES: Final = 6
_CUTS: Final = np.array([1.0, 32, 128, 512, 2048, 8192, 32768])


@dataclass(frozen=True, slots=True)
class Habits:
    """What each account (n,) is like in every hour."""

    use: IntArray
    rate: FloatArray  # requests of a working hour
    burst: FloatArray  # gamma shape of the hourly swing
    start_h: FloatArray  # of the working day, UTC
    length_h: FloatArray
    off_share: FloatArray  # of the rate outside working hours
    mix: FloatArray  # (n, 4, 8)
    steady: FloatArray  # (n, 4) Dirichlet concentration of an hour's mix
    templates: FloatArray  # (n, 32)
    prompt: FloatArray  # mean tokens
    output: FloatArray
    length_swing: FloatArray
    short: FloatArray  # shares
    novel: FloatArray
    error: FloatArray
    flagged: FloatArray
    retried: FloatArray
    limit: FloatArray  # requests an hour before 429s
    quota: FloatArray  # requests a day
    keys: FloatArray
    addresses: FloatArray
    end_users: FloatArray


@dataclass(slots=True)
class Hour:
    """The habits as they are in one hour; a change edits them in place."""

    time_h: int
    rate: FloatArray
    mix: FloatArray
    templates: FloatArray
    shares: dict[str, FloatArray]
    scale: dict[str, FloatArray]  # of prompt and output lengths, limits, quotas
    more: dict[str, FloatArray] = field(default_factory=dict)  # keys, addresses, end users
    force: dict[str, float] = field(default_factory=dict)


Change = Callable[[Hour, Habits, float], None]  # with the strength


def make_habits(accounts: int, seed: int) -> Habits:
    """`accounts` accounts of six approved uses."""
    rng = np.random.default_rng(seed)
    n = accounts
    use = rng.integers(0, USES, n)
    of_use = rng.dirichlet(np.full(8, 0.4), (USES, len(MIXES)))
    mix = np.stack([[rng.dirichlet(3.0 * of_use[u, d] + 0.05) for d in range(4)] for u in use])
    office = rng.random(n) < 0.5
    rate = np.exp(rng.uniform(np.log(4.0), np.log(1_500.0), n))
    return Habits(
        use=use,
        rate=rate,
        burst=rng.uniform(1.5, 8.0, n),
        start_h=rng.uniform(0.0, 24.0, n),
        length_h=np.where(office, rng.uniform(8.0, 12.0, n), 24.0),
        off_share=np.where(office, rng.choice([0.0, 0.02, 0.1], n), 1.0),
        mix=mix,
        steady=np.exp(rng.uniform(np.log(8.0), np.log(300.0), (n, 4))),
        templates=rng.dirichlet(np.full(32, 0.2), n),
        prompt=np.exp(rng.normal(6.3, 1.0, n)),
        output=np.exp(rng.normal(5.0, 0.8, n)),
        length_swing=rng.uniform(0.05, 0.4, n),
        short=rng.beta(1.0, 6.0, n),
        novel=rng.beta(1.0, 20.0, n),
        error=rng.beta(1.0, 60.0, n),
        flagged=rng.beta(0.5, 100.0, n),
        retried=rng.uniform(0.1, 0.7, n),
        limit=rate * np.exp(rng.uniform(np.log(1.5), np.log(10.0), n)),
        quota=24.0 * rate * np.exp(rng.uniform(np.log(0.9), np.log(6.0), n)),
        keys=rng.choice([0.0, 0.0, 0.5, 2.0], n),
        addresses=np.exp(rng.uniform(0.0, 3.0, n)),
        end_users=np.exp(rng.uniform(0.0, 4.0, n)),
    )


def usual_hour(habits: Habits, time_h: int, rng: np.random.Generator) -> Hour:
    """What is expected of the hour that starts `time_h` hours after the start."""
    since = (time_h % 24 - habits.start_h) % 24.0
    working = since < habits.length_h
    swing = rng.gamma(habits.burst) / habits.burst
    rate = habits.rate * np.where(working, 1.0, habits.off_share) * swing
    one = np.ones(len(rate))
    return Hour(
        time_h=time_h,
        rate=rate,
        mix=habits.mix.copy(),
        templates=habits.templates.copy(),
        shares={
            "short": _share(rng, habits.short, 40.0),
            "novel": _share(rng, habits.novel, 20.0),
            "error": _share(rng, habits.error, 50.0),
            "flagged": _share(rng, habits.flagged, 50.0),
            "retried": _share(rng, habits.retried, 20.0),
        },
        scale={
            "prompt": one.copy(),
            "output": one.copy(),
            "limit": one.copy(),
            "quota": one.copy(),
        },
        more={"keys": 0.0 * one, "addresses": 0.0 * one, "end_users": 0.0 * one},
    )


def draw(
    habits: Habits,
    time_h: int,
    used: FloatArray,
    rng: np.random.Generator,
    change: Change | None = None,
    strength: float = 0.0,
) -> tuple[dict[str, FloatArray], FloatArray]:
    """The inputs of all three detectors in one whole hour, and the daily quota used after it."""
    hour = usual_hour(habits, time_h, rng)
    if change is not None:
        change(hour, habits, strength)
    requests = rng.poisson(hour.rate)
    limit = habits.limit * hour.scale["limit"]
    daily = habits.quota * hour.scale["quota"]
    before = np.where(time_h % 24 == 0, 0.0, used)
    left = np.floor(np.maximum(1.0 - before, 0.0) * daily)
    over = np.minimum(rng.poisson(np.maximum(requests - limit, 0.0)), requests)
    served = np.minimum(requests - over, left).astype(np.int64)
    throttled = requests - served
    errors = rng.binomial(served, hour.shares["error"])
    outputs = served - errors
    ticks = np.minimum(720, requests)
    throttled_ticks = np.minimum(ticks, throttled)
    inputs: dict[str, FloatArray | IntArray] = {
        "requests": requests,
        "errors": errors,
        "throttled": throttled,
        "outputs": outputs,
        "short_outputs": rng.binomial(outputs, hour.shares["short"]),
        "templated": requests,
        "novel": rng.binomial(requests, hour.shares["novel"]),
        "template_counts": _mix(rng, requests, hour.templates, np.full(len(requests), 60.0)),
        "active_ticks": ticks,
        "throttled_ticks": throttled_ticks,
        "retried_ticks": rng.binomial(throttled_ticks, hour.shares["retried"]),
    }
    for name, mean, count in (
        ("prompt", habits.prompt, requests),
        ("output", habits.output, outputs),
    ):
        swing = np.exp(rng.normal(0.0, habits.length_swing))
        tokens = mean * hour.scale[name] * swing * rng.gamma(np.maximum(count, 0.01) * 0.8)
        column = "prompt_tokens" if name == "prompt" else "completion_tokens"
        inputs[column] = np.rint(tokens / 0.8) * (count > 0)
    for number, mix in enumerate(MIXES):
        inputs[mix] = _mix(rng, requests, hour.mix[:, number], habits.steady[:, number])
    for name in ("keys", "addresses", "end_users"):
        usual = getattr(habits, name) * np.minimum(1.0, requests / 10.0)
        inputs[name] = np.minimum(requests, 1.0 + rng.poisson(usual) + rng.poisson(hour.more[name]))
    flagged = rng.binomial(requests, hour.shares["flagged"])
    inputs["flagged"] = np.zeros((len(requests), 8))
    inputs["flagged"][:, 0] = flagged
    after = before + served / daily
    shown = after
    if "hug" in hour.force:
        before = shown = np.full(len(after), hour.force["hug"])
    inputs["quota_first"] = np.clip(before + 0.5 / daily, 0.0, 1.0)
    inputs["quota_max"] = np.clip(shown, 0.0, 1.0)
    by_use = np.stack([habits.mix[habits.use == u].mean(axis=0).ravel() for u in range(USES)])
    inputs["cohort_profile"] = by_use[habits.use]
    floats = {name: np.asarray(values, dtype=np.float64) for name, values in inputs.items()}
    return floats, np.asarray(after, dtype=np.float64)


def _share(rng: np.random.Generator, mean: FloatArray, steady: float) -> FloatArray:
    drawn: FloatArray = rng.beta(mean * steady + 0.01, (1.0 - mean) * steady + 0.01)
    return drawn


def _mix(
    rng: np.random.Generator, total: IntArray, shares: FloatArray, steady: FloatArray
) -> IntArray:
    """Dirichlet-multinomial counts."""
    weights = rng.gamma(np.maximum(shares * steady[:, None], 1e-3)) + 1e-12
    counts: IntArray = rng.multinomial(total, weights / weights.sum(axis=1, keepdims=True))
    return counts
