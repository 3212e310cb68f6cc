"""How good low_and_slow and content are: `python -m tests.bench.content_quality`.

Hourly traffic of made-up accounts over 14 days (`tests.bench.content_population`). Thresholds come
from the clean accounts of two seeds: the evidence that 1, or 10, account-hours in 1,000
account-days exceed, from the third day on. Recall is measured on accounts of a third seed, each
attacked once for three hours and again eight hours later (when it is active then); an attack is
found when an hour of it exceeds the threshold. All strata share one threshold. About two minutes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors import content, low_and_slow
from detectors.base import HOUR_MS, Inputs, State
from tests.bench.content_population import DAYS, HOURS, Hours, Spam, population

BUDGETS: Final = (1, 10)  # false alarms per 1,000 account-days
START_MS: Final = 1_700_006_400_000
_FIRST: Final = 48  # hours of an account that no threshold is set on
_ATTACK_HOURS: Final = 3
_AGAIN_AFTER: Final = 8

Floats = NDArray[np.float64]
#: (HOURS, accounts) by name: the detector's evidence, and what to compare it with.
Views = dict[str, Floats]
Judge = Callable[[State, Inputs, int], dict[str, Floats]]


def _low_and_slow(state: State, inputs: Inputs, now_ms: int) -> dict[str, Floats]:
    parameters = low_and_slow.Parameters()
    judged = low_and_slow.judge(state, inputs, now_ms, parameters, every=True)
    shares = enumerate(low_and_slow.SHARES)
    return {
        "low_and_slow": low_and_slow.score(state, inputs, now_ms, parameters).value,
        **{f"{name} alone": judged.beyond[:, place] for place, name in shares},
    }


def _content(state: State, inputs: Inputs, now_ms: int) -> dict[str, Floats]:
    flagged = inputs["flagged"].max(axis=1)
    enough = inputs["requests"] >= content.Parameters().min_requests
    return {
        "content": content.score(state, inputs, now_ms, content.Parameters()).value,
        "flagged requests": flagged,
        "flagged share": np.where(enough, flagged / np.maximum(inputs["requests"], 1.0), 0.0),
    }


DETECTORS: Final[Mapping[str, tuple[Any, Judge]]] = {
    "low_and_slow": (low_and_slow, _low_and_slow),
    "content": (content, _content),
}


def play(hours: Hours, detector: Any, judge: Judge) -> Views:
    """Every hour's evidence; NaN where an account is idle."""
    accounts = hours.inputs["requests"].shape[1]
    state = np.zeros(accounts, dtype=detector.STATE)
    parameters = detector.Parameters()
    views: Views = {}
    for hour in range(HOURS):
        now_ms = START_MS + (hour + 1) * HOUR_MS
        active = np.flatnonzero(hours.inputs["requests"][hour] > 0)
        inputs = {name: values[active] for name, values in hours.at(hour).items()}
        for name, value in judge(state[active], inputs, now_ms).items():
            views.setdefault(name, np.full((HOURS, accounts), np.nan))[hour, active] = value
        state[active] = detector.observe(state[active], inputs, now_ms, parameters)
    return views


def thresholds(clean: Sequence[Views]) -> dict[str, Floats]:
    """Evidence that each of BUDGETS account-hours per 1,000 account-days exceed."""
    found = {}
    for name in clean[0]:
        values = np.concatenate([views[name][_FIRST:] for views in clean], axis=1)
        days = values.shape[1] * (DAYS - _FIRST / 24)
        ranked = np.sort(np.nan_to_num(values), axis=None)[::-1]
        found[name] = np.array([ranked[int(days * budget / 1000)] for budget in BUDGETS])
    return found


@dataclass(frozen=True, slots=True)
class Recall:
    """Shares found at each of BUDGETS, by name of the view."""

    attacks: int
    first: dict[str, Floats]
    second: dict[str, Floats]


def recall(hours: Hours, views: Views, limits: dict[str, Floats]) -> Recall:
    """Of the attacks on accounts that are active in both."""
    starts = hours.plan.spam
    requests = hours.inputs["requests"]
    both = [
        account
        for account in np.flatnonzero(starts >= 0).tolist()
        if (requests[_again(starts[account]), account] >= 20).any()
    ]

    def share(name: str, window: Callable[[int], slice]) -> Floats:
        peaks = [np.nan_to_num(views[name][window(starts[a]), a]).max() for a in both]
        found: Floats = (np.array(peaks)[:, None] > limits[name]).mean(axis=0)
        return found

    first = {name: share(name, lambda at: slice(at, at + _ATTACK_HOURS)) for name in limits}
    return Recall(len(both), first, {name: share(name, _again) for name in limits})


def _again(start: int) -> slice:
    return slice(start + _AGAIN_AFTER, start + _AGAIN_AFTER + _ATTACK_HOURS)


def hard_negatives(hours: Hours, views: Views, limits: Floats, name: str) -> dict[str, Floats]:
    """Share of the honest events of each kind with an alarm, at each of BUDGETS."""
    plan = hours.plan
    batch = plan.batch
    second_week = np.where(batch >= 0, batch % 24 + 240, -1)
    spans: dict[str, tuple[NDArray[np.int64], int, int]] = {
        "nightly batch, first night": (np.where(batch >= _FIRST, batch, -1), 0, 1),
        "nightly batch, a night of the second week": (second_week, 0, 1),
        "product launch, 12 hours": (plan.launch, 0, 12),
        "new version of a prompt": (plan.version, 0, 1),
        "turn to classification, first day": (plan.shift, 0, 24),
        "turn to classification, the day after": (plan.shift, 24, 48),
    }
    found = {}
    for event, (starts, after, until) in spans.items():
        lived = np.flatnonzero(starts >= 0).tolist()
        if lived:
            windows = [slice(starts[a] + after, starts[a] + until) for a in lived]
            values = [views[name][w, a] for w, a in zip(windows, lived, strict=True)]
            peaks = np.array([np.nan_to_num(value).max(initial=0.0) for value in values])
            found[f"{event} ({len(lived)})"] = (peaks[:, None] > limits).mean(axis=0)
    return found


def cost(detector: Any, judge: Judge, rows: int = 20_000) -> float:
    """Best of a few calls of `score` on accounts with a history, in microseconds a row."""
    hours = population(100, 9)
    state = np.zeros(100, dtype=detector.STATE)
    parameters = detector.Parameters()
    for hour in range(72):
        state = detector.observe(state, hours.at(hour), START_MS + (hour + 1) * HOUR_MS, parameters)
    busy = hours.inputs["requests"][72] > 0
    places = np.resize(np.flatnonzero(busy), rows)
    inputs = {name: values[places] for name, values in hours.at(72).items()}
    now_ms, many = START_MS + 73 * HOUR_MS, state[places]
    times = []
    for _ in range(5):
        begin = time.process_time()
        detector.score(many, inputs, now_ms, parameters)
        times.append(time.process_time() - begin)
    return min(times) / rows * 1e6


def _row(name: str, *columns: Floats) -> str:
    return f"  {name:48}" + "".join(f"{a:8.2f}{b:6.2f}" for a, b in columns)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--detector", choices=DETECTORS, action="append")
    options = parser.parse_args(arguments)
    if options.accounts < 100:
        print("content_quality: --accounts: expected at least 100 for a threshold at 1 in 1,000 "
              f"account-days, got {options.accounts}", file=sys.stderr)  # fmt: skip
        return 2
    accounts, seed = options.accounts, options.seed
    clean = [population(accounts, seed + i) for i in (0, 1)]
    first_times = population(accounts, seed + 3, first_times=True)
    shares = {"low_and_slow": (0.25, 0.5, 0.75, 0.9), "content": (0.02, 0.05, 0.1, 0.25)}
    for name in options.detector or DETECTORS:
        detector, judge = DETECTORS[name]
        limits = thresholds([play(hours, detector, judge) for hours in clean])
        found = []
        for share in shares[name]:
            flagged = 0.6 if name == "content" else 0.0
            spam = Spam(share, _ATTACK_HOURS, _AGAIN_AFTER, flagged)
            hours = population(accounts, seed + 2, spam)
            found.append(recall(hours, play(hours, detector, judge), limits))
        title = f"{name}: recall at 1 and 10 false alarms per 1,000 account-days; spam's share"
        print(f"{title:50}\n{'':50}" + "".join(f"{share:>11.0%}   " for share in shares[name]))
        for view in limits:
            print(_row(view, *(recalled.first[view] for recalled in found)))
        again = f"{name}, the same again {_AGAIN_AFTER} hours later"
        print(_row(again, *(recalled.second[name] for recalled in found)))
        for hours in (clean[0], first_times):
            views = play(hours, detector, judge)
            for event, share_found in hard_negatives(hours, views, limits[name], name).items():
                print(_row(event, share_found))
        print(f"  score: {cost(detector, judge):.2f} microseconds a row\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
