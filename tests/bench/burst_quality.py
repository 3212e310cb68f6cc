"""How good the burst detector is on real client traces: `python -m tests.bench.burst_quality`.

Reads the ServeGen client traces (14 days, folder `USAGE_TRACES`, else `../shared/data`), cuts every
client down to accounts of a few requests to a few hundred per five minutes, and plays the same
accounts twice in one run: clean, and with bursts. Prints false alarms per 1,000 account-days
(distinct episodes: an incident's silence and reopening time apart) and the share of bursts found.
About a minute on one core; seeded, so the figures in the docstring of `detectors.burst` stay put.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detectors import burst

DAYS = 14
MINUTES = DAYS * 1440
STEP_MINUTES = 10  # of the traces
EPISODE_GAP_MINUTES = 40  # resolve_after + reopen_within of the settings
BURST_MINUTES = 10
SECOND_AFTER_MINUTES = 6 * 60
START_MS = 1_700_006_400_000  # a midnight; any will do
SIGMA_MAX = 1.5  # of the lognormal token lengths: a median of 1 beside a p90 of thousands occurs
TOKENS_MAX = 2e9  # an account and minute
CV_MAX = 5.0  # a few steps of the traces hold a CV of hundreds, from a handful of requests

Counts = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Traffic:
    """Per minute and account: requests and tokens (minutes, accounts, 2)."""

    counts: Counts
    usual: NDArray[np.float64]  # (accounts,) mean requests of the five minutes that have any
    tokens_a_request: NDArray[np.float64]  # (accounts, 2) mean and standard deviation


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures of one run."""

    account_days: float
    episodes: int
    alarming_accounts: int
    bursts: int
    found: int
    found_within_2_minutes: int
    second_found: int

    @property
    def false_alarms(self) -> float:
        """Per 1,000 account-days."""
        return 1000.0 * self.episodes / self.account_days


def traces_folder() -> Path:
    """`USAGE_TRACES`, else the folder beside the repository."""
    return Path(os.environ.get("USAGE_TRACES") or "../shared/data")


def read_traffic(folder: Path, accounts: int, seed: int) -> Traffic:
    """`accounts` accounts, each a client's rate over time scaled to a log-uniform mean."""
    rate, cv = _read_clients(folder / "servegen_clients.csv.gz")
    tokens = _read_tokens(folder / "servegen_tokens.csv.gz")
    names = sorted(name for name in rate if rate[name].mean() > 0 and name in tokens)
    rng = np.random.default_rng(seed)
    counts = np.zeros((MINUTES, accounts, 2), dtype=np.int32)
    size = np.exp(rng.uniform(np.log(0.5), np.log(500.0), accounts))
    shape = np.array([tokens[names[i % len(names)]] for i in range(accounts)])
    for account in range(accounts):
        name = names[account % len(names)]
        mean = np.repeat(rate[name] / rate[name].mean(), STEP_MINUTES) * size[account] / 5.0
        extra = np.repeat(np.minimum(cv[name], CV_MAX) ** 2 - 1.0, STEP_MINUTES)
        counts[:, account, 0] = _arrivals(rng, mean, extra)
        counts[:, account, 1] = _tokens(rng, counts[:, account, 0], *shape[account])
    five_minutes = counts[:, :, 0].reshape(-1, 5, accounts).sum(axis=1)
    usual = five_minutes.sum(axis=0) / np.maximum((five_minutes > 0).sum(axis=0), 1)
    return Traffic(counts, usual, shape)


def with_bursts(traffic: Traffic, factor: float, seed: int) -> tuple[Counts, NDArray[np.int64]]:
    """Counts with two equal bursts an account, six hours apart, and the minute of the first."""
    rng = np.random.default_rng(seed)
    counts = traffic.counts.copy()
    starts = rng.integers(2 * 1440, (DAYS - 1) * 1440, size=(counts.shape[1],))
    for account, start in enumerate(starts.tolist()):
        rate = factor * traffic.usual[account] / 5.0
        requests = rng.poisson(rate, BURST_MINUTES).astype(np.int32)
        tokens = _tokens(rng, requests, *traffic.tokens_a_request[account])
        for at in (start, start + SECOND_AFTER_MINUTES):
            counts[at : at + BURST_MINUTES, account, 0] += requests
            counts[at : at + BURST_MINUTES, account, 1] += tokens
    return counts, starts


def alarms(counts: Counts, parameters: burst.Parameters) -> NDArray[np.bool_]:
    """Play the counts through the detector, a tick a minute; (minutes, accounts)."""
    n = counts.shape[1]
    state = np.zeros(n, dtype=burst.STATE)
    sums = np.zeros((n, 3, 2))
    result = np.zeros(counts.shape[:2], dtype=np.bool_)
    for minute in range(len(counts)):
        now_ms = START_MS + (minute + 1) * 60_000
        for index, seconds in enumerate(burst.WINDOWS_S):
            leaves = minute - seconds // 60
            sums[:, index] += counts[minute]
            if leaves >= 0:
                sums[:, index] -= counts[leaves]
        result[minute] = burst.score(state, sums, now_ms, parameters).alarm
        state = burst.observe(state, sums, now_ms, parameters)
        if now_ms % 300_000 == 0:
            state = burst.learn(state, sums[:, 1], now_ms, parameters)
    return result


def measure(traffic: Traffic, factor: float, seed: int, parameters: burst.Parameters) -> Quality:
    """Clean and attacked accounts side by side in one run: rows do not know of each other."""
    attacked, starts = with_bursts(traffic, factor, seed)
    n = len(starts)
    first_seen = (traffic.counts[:, :, 0] > 0).argmax(axis=0)
    warm = np.flatnonzero(first_seen + 1440 < starts)
    fired = alarms(np.concatenate([traffic.counts, attacked], axis=1), parameters)
    clean, hit = fired[:, :n], fired[:, n:]

    def found(after: int, minutes: int) -> int:
        # What alarms without the burst as well is not the burst's doing.
        spans = [(slice(starts[i] + after, starts[i] + after + minutes), i) for i in warm]
        return sum(bool((hit[span] & ~clean[span]).any()) for span in spans)

    episodes = sum(_episodes(np.flatnonzero(clean[:, account])) for account in range(n))
    return Quality(
        account_days=float((MINUTES - first_seen).sum() / 1440.0),
        episodes=episodes,
        alarming_accounts=int(clean.any(axis=0).sum()),
        bursts=len(warm),
        found=found(0, BURST_MINUTES + 1),
        found_within_2_minutes=found(0, 2),
        second_found=found(SECOND_AFTER_MINUTES, BURST_MINUTES + 1),
    )


def score_cost(rows: int = 100_000, runs: int = 5) -> float:
    """Best of a few calls of `score` on warm accounts at their usual, in microseconds a row."""
    parameters = burst.Parameters()
    sums = np.random.default_rng(1).poisson(20.0, (rows, 3, 2)).astype(np.float64)
    state = burst.observe(np.zeros(rows, dtype=burst.STATE), sums, START_MS, parameters)
    now_ms = START_MS + 2 * 3_600_000
    state = burst.observe(state, sums, now_ms, parameters)
    best = float("inf")
    for _ in range(runs):
        begin = time.perf_counter()
        burst.score(state, sums, now_ms + 5_000, parameters)
        best = min(best, time.perf_counter() - begin)
    return best / rows * 1e6


def _episodes(minutes: NDArray[np.int64]) -> int:
    return int(len(minutes) > 0) + int((np.diff(minutes) > EPISODE_GAP_MINUTES).sum())


def _arrivals(
    rng: np.random.Generator, mean: NDArray[np.float64], extra: NDArray[np.float64]
) -> NDArray[np.int64]:
    # Renewal counts with coefficient of variation CV have variance CV**2 * mean: a Gamma-Poisson.
    burstier = (extra > 0.0) & (mean > 0.0)
    scale = np.where(burstier, extra, 1.0)
    rate = np.where(burstier, rng.gamma(np.where(burstier, mean / scale, 1.0), scale), mean)
    return rng.poisson(rate)


def _tokens(
    rng: np.random.Generator, requests: NDArray[np.int32], mean: float, deviation: float
) -> Counts:
    variation = (deviation / mean) ** 2  # of one request; n of them: a Gamma with the same moments
    drawn = np.zeros(len(requests), dtype=np.int32)
    active = requests > 0
    some = rng.gamma(requests[active] / variation, mean * variation)
    drawn[active] = np.rint(np.minimum(some, TOKENS_MAX))
    return drawn


def _rows(path: Path) -> csv.DictReader[str]:
    return csv.DictReader(gzip.open(path, "rt", encoding="utf-8"))


def _read_clients(path: Path) -> tuple[dict[str, NDArray[np.float64]], ...]:
    steps = MINUTES // STEP_MINUTES
    rate: dict[str, NDArray[np.float64]] = {}
    cv: dict[str, NDArray[np.float64]] = {}
    for row in _rows(path):
        name, step = row["client"], int(float(row["t_s"])) // (60 * STEP_MINUTES)
        rate.setdefault(name, np.zeros(steps))[step] = float(row["rate_per_s"] or 0)
        cv.setdefault(name, np.zeros(steps))[step] = float(row["cv"] or 0)
    return rate, cv


def _read_tokens(path: Path) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of a request's tokens, from the quantiles' lognormal."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in _rows(path):
        moments = []
        for side in ("in", "out"):
            p50, p90 = max(float(row[f"{side}_p50"]), 1.0), max(float(row[f"{side}_p90"]), 1.0)
            sigma = min(max(np.log(p90 / p50) / 1.2816, 0.05), SIGMA_MAX)
            mean = p50 * np.exp(sigma**2 / 2)
            moments.append((mean, mean**2 * np.expm1(sigma**2)))
        total = moments[0][0] + moments[1][0], moments[0][1] + moments[1][1]
        found.setdefault(row["client"], []).append(total)
    return {
        name: (float(np.mean([m for m, _ in rows])), float(np.sqrt(np.mean([v for _, v in rows]))))
        for name, rows in found.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit code 2 when the traces are not there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=400)
    parser.add_argument("--factor", type=float, default=30.0, help="of a burst over the usual rate")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    folder = traces_folder()
    if not (folder / "servegen_clients.csv.gz").exists():
        print(f"no servegen_clients.csv.gz in {folder}; set USAGE_TRACES", file=sys.stderr)
        return 2
    traffic = read_traffic(folder, options.accounts, options.seed)
    q = measure(traffic, options.factor, options.seed + 1, burst.Parameters())
    print(f"clean traffic: {q.account_days:,.0f} account-days, {q.episodes} false episodes")
    print(f"  {q.false_alarms:.1f} per 1,000 account-days, on {q.alarming_accounts} accounts")
    print(f"bursts, x{options.factor:g} for {BURST_MINUTES} minutes: {q.bursts}")
    print(
        f"  found {q.found / q.bursts:.1%}, in 2 minutes {q.found_within_2_minutes / q.bursts:.1%}"
    )
    print(f"  the same again 6 hours later, found {q.second_found / q.bursts:.1%}")
    print(f"score, nothing alarming: {score_cost():.2f} microseconds a row")
    return 0


if __name__ == "__main__":
    sys.exit(main())
