"""What judging costs: `python -m tests.bench.detectors_cost`, per active account and call.

All accounts are touched in every tick, with counts of a usual minute; a stride and an hour's end
are shared out over the ticks between them. Medians of several calls, in CPU time.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np

from detectors import burst
from streams.features import hourly
from streams.features.layout import layout
from streams.policy.model import default_policy
from streams.scoring.engine import Scoring
from streams.scoring.record import DETECTORS

HOUR_MS = 3_600_000
START_MS = 1_700_006_400_000
TICKS_A_STRIDE = 120
RUNS = 9


def median(call: Callable[[], object]) -> float:
    """CPU seconds of the middle one of some calls."""
    taken = []
    for _ in range(RUNS):
        begin = time.process_time()
        call()
        taken.append(time.process_time() - begin)
    return float(np.median(taken))


def measure(accounts: int) -> dict[str, float]:
    """Microseconds an account and call, by what is called; `tick` includes remembering it."""
    rng = np.random.default_rng(1)
    plan = layout(5000)
    state = np.zeros(accounts, plan.dtype)
    rows = np.arange(accounts)
    names = [f"acct-{row}" for row in range(accounts)]
    orgs = [""] * accounts
    scoring = Scoring(default_policy())
    each = np.array([1.0, 700.0, 150.0, 0.01, 0.0])
    sums = np.rint(rng.poisson([2.0, 10.0, 120.0], (accounts, 3))[:, :, None] * each)
    for hour in range(26):
        now_ms = START_MS + hour * HOUR_MS + 5000
        scoring.observe_tick(scoring.tick(state, rows, sums, now_ms, names, orgs))
        state["burst"] = burst.learn(
            state["burst"], sums[:, 1], now_ms - 5000, scoring.parameters(burst)
        )
    now_ms = START_MS + 26 * HOUR_MS + 1_800_000

    def tick() -> None:
        scoring.observe_tick(scoring.tick(state, rows, sums, now_ms, names, orgs))

    state["hourly"]["hour"] = hourly.hour_of(now_ms)
    state["hourly"]["counts"][:, 0] = 120
    inputs = hourly.inputs(state["hourly"], now_ms)
    inputs["cohort_profile"] = np.zeros((accounts, 32))

    def stride() -> None:
        judged = scoring.stride(state, rows, inputs, now_ms, accounts, names, orgs)
        scoring.observe_stride(judged, accounts, names)

    scale = 1e6 / accounts
    found = {"tick": median(tick) * scale, "stride": median(stride) * scale}
    found["tick, strides shared out"] = found["tick"] + found["stride"] / TICKS_A_STRIDE
    found["state, bytes"] = float(sum(detector.STATE.itemsize for detector in DETECTORS))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=20_000)
    options = parser.parse_args(arguments)
    for name, value in measure(options.accounts).items():
        print(f"{name:26s} {value:8.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
