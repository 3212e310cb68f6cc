"""Labelled series of services: loads, counts, latencies, jobs. See `tests.bench.series_kinds`."""

from __future__ import annotations

import numpy as np

from tests.bench.series_parts import (
    Made,
    Rng,
    ar,
    hops,
    hump,
    midday,
    phase_of,
    place,
    square,
    two_places,
    weekend,
)

__all__ = [
    "autoscaling",
    "batch_missing",
    "busy_cpu_shift",
    "dead_service",
    "disk_writes",
    "growing_load",
    "heavy_tail",
    "hopping_spike",
    "idle_cpu_shift",
    "idle_cpu_spike",
    "irregular_batches",
    "keyboard",
    "latency",
    "load_spikes",
    "low_rhythm",
    "network_in",
    "night_work",
    "nightly_batch",
    "rare_errors",
    "request_count",
    "spike_density",
    "square_day_missing",
    "square_flat_middle",
    "square_jump_down",
    "square_jump_up",
    "tweets",
]


def square_jump_up(rng: Rng) -> Made:
    x, (a, b) = square(rng), midday(rng)
    x[a:b] += 45.0
    return x, [(a, b)]


def square_jump_down(rng: Rng) -> Made:
    x, (a, b) = square(rng), midday(rng)
    x[a:b] -= 65.0
    return x, [(a, b)]


def square_day_missing(rng: Rng) -> Made:
    x, (a, b) = square(rng), midday(rng)
    x[a:b] -= 40.0
    return x, [(a, b)]


def square_flat_middle(rng: Rng) -> Made:
    x, (a, b) = square(rng), midday(rng)
    x[a:b] = 60.0 + rng.uniform(-1.0, 1.0, b - a)
    return x, [(a, b)]


def spike_density(rng: Rng) -> Made:
    rows = 4032
    x = 20.0 + np.abs(rng.normal(0.0, 0.3, rows))
    at = np.arange(5, rows, 12)
    x[at] += rng.uniform(8.0, 22.0, at.size)
    a, b = place(rng, rows, 144)
    dense = np.arange(a, b, 2)
    x[dense] += rng.uniform(8.0, 22.0, dense.size)
    return x, [(a, b)]


def load_spikes(rng: Rng) -> Made:
    rows = 4032
    x = rng.gamma(1.0, 0.08, rows)
    at = rng.random(rows) < 0.01
    x[at] += rng.uniform(0.3, 1.2, int(at.sum()))
    a, b = place(rng, rows, 8)
    x[a:b] += rng.uniform(2.4, 3.2, b - a)
    return x, [(a, b)]


def idle_cpu_shift(rng: Rng) -> Made:
    rows = 4032
    x = np.round(0.12 + np.abs(rng.normal(0.0, 0.006, rows)), 3)
    at = rng.random(rows) < 0.004
    x[at] += rng.uniform(0.01, 0.05, int(at.sum()))
    a, b = place(rng, rows, 400)
    x[a:b] += 0.05
    return x, [(a, b)]


def idle_cpu_spike(rng: Rng) -> Made:
    rows = 4032
    x = np.round(0.1 + np.abs(rng.normal(0.0, 0.02, rows)), 3)
    spans = two_places(rng, rows, 3)
    for a, b in spans:
        x[a:b] += rng.uniform(0.6, 2.0)
    return x, spans


def busy_cpu_shift(rng: Rng) -> Made:
    rows = 4032
    x = np.clip(45.0 + 5.0 * ar(rng, rows, 0.6), 0, 100)
    a, b = place(rng, rows, 500)
    x[a:b] = np.clip(x[a:b] + 32.0, 0, 100)
    return x, [(a, b)]


def nightly_batch(rng: Rng) -> Made:
    """A tall batch at 02:00 every night is normal; the same at 14:00 is not."""
    rows = 4032
    x = 5.0 + np.abs(rng.normal(0.0, 1.0, rows))
    phase = phase_of(rows, 300)
    x[(phase > 0.083) & (phase < 0.105)] += 70.0 + rng.normal(0.0, 5.0)
    day = int(rng.integers(6, 13))
    a = day * 288 + 168
    x[a : a + 7] += 72.0
    return x, [(a, a + 7)]


def batch_missing(rng: Rng) -> Made:
    rows = 4032
    x = 5.0 + np.abs(rng.normal(0.0, 1.0, rows))
    day = int(rng.integers(7, 13))
    for d in range(14):
        a = d * 288 + 24
        if d != day:
            x[a : a + 10] += 60.0 + rng.normal(0.0, 6.0, 10)
    a = day * 288 + 24
    return x, [(a, a + 10)]


def network_in(rng: Rng) -> Made:
    rows = 4730
    x = rng.lognormal(11.0, 0.35, rows)
    x[::288] *= rng.uniform(8.0, 12.0, x[::288].size)
    at = rng.random(rows) < 0.003
    x[at] *= rng.uniform(3.0, 9.0, int(at.sum()))
    a, b = place(rng, rows, 12)
    x[a:b] *= rng.uniform(25.0, 40.0)
    return x, [(a, b)]


def disk_writes(rng: Rng) -> Made:
    rows = 4730
    x = np.zeros(rows)
    at = rng.random(rows) < 0.02
    x[at] = rng.lognormal(15.0, 0.8, int(at.sum()))
    a, b = place(rng, rows, 60)
    x[a:b] = rng.lognormal(16.5, 0.5, b - a)
    return x, [(a, b)]


def request_count(rng: Rng) -> Made:
    rows = 4032
    mean = 60 + 140 * hump(rows, 300)
    a, b = place(rng, rows, 6)
    mean[a:b] += 420.0
    return rng.negative_binomial(12, 12 / (12 + mean)).astype(np.float64), [(a, b)]


def tweets(rng: Rng) -> Made:
    rows = 15_000
    mean = 8 + 30 * hump(rows, 300)
    for _ in range(25):  # news that is normal here
        a = int(rng.integers(0, rows - 40))
        mean[a : a + 30] *= 1.0 + rng.uniform(0.5, 2.0) * np.exp(-np.arange(30) / 8.0)
    spans = two_places(rng, rows, 60)
    for a, b in spans:
        mean[a:b] += rng.uniform(250, 500) * np.exp(-np.arange(b - a) / 20.0)
    return rng.negative_binomial(3, 3 / (3 + mean)).astype(np.float64), spans


def keyboard(rng: Rng) -> Made:
    """Mostly nothing, activity in sessions of office days; then activity that does not end."""
    rows = 5315
    x = np.zeros(rows)
    phase, off = phase_of(rows, 300), weekend(rows, 300)
    office = (phase > 0.375) & (phase < 0.72) & ~off
    active = office & (ar(rng, rows, 0.95) > 0.2)
    x[active] = rng.gamma(1.0, 0.25, int(active.sum()))
    a, b = place(rng, rows, 120)
    x[a:b] = rng.gamma(4.0, 0.6, b - a)
    return np.clip(x, 0.0, 10.0), [(a, b)]


def autoscaling(rng: Rng) -> Made:
    rows = 10_000
    x = 30.0 + 25.0 * np.abs(np.sin(np.arange(rows) * 2 * np.pi / 96)) + rng.normal(0, 5, rows)
    a, b = place(rng, rows, 1200, 0.5)
    x[a:b] = 12.0 + 10.0 * (rng.random(b - a) < 0.1) * rng.uniform(2.0, 8.0, b - a)
    return np.clip(x, 0.0, 100.0), [(a, b)]


def latency(rng: Rng) -> Made:
    rows = 4032
    x = 45.0 + 2.0 * ar(rng, rows, 0.5) + rng.gamma(0.6, 0.8, rows)
    spans = two_places(rng, rows, 5)
    for a, b in spans:
        x[a:b] += rng.uniform(18.0, 45.0, b - a)
    return x, spans


def dead_service(rng: Rng) -> Made:
    """Counts fall to nothing."""
    rows = 4032
    mean = 120 + 200 * hump(rows, 300)
    x = rng.negative_binomial(20, 20 / (20 + mean)).astype(np.float64)
    a, b = place(rng, rows, 40)
    x[a:b] = 0.0
    return x, [(a, b)]


def rare_errors(rng: Rng) -> Made:
    rows = 4032
    rate = np.full(rows, 0.3)
    a, b = place(rng, rows, 12)
    rate[a:b] = 9.0
    return rng.poisson(rate).astype(np.float64), [(a, b)]


def growing_load(rng: Rng) -> Made:
    """Five-minute load that grows by a half in two weeks; one evening surges."""
    rows = 4032
    x = (100.0 + 300.0 * hump(rows, 300)) * np.linspace(1.0, 1.5, rows)
    x *= 1.0 + 0.05 * ar(rng, rows, 0.7)
    day = int(rng.integers(6, 13))
    a = day * 288 + 252
    x[a : a + 24] *= 2.2
    return x, [(a, a + 24)]


def night_work(rng: Rng) -> Made:
    """The height of a normal afternoon, at night."""
    rows = 4032
    x = 50.0 + 250.0 * hump(rows, 300) + 10.0 * ar(rng, rows, 0.6)
    a = int(rng.integers(6, 13)) * 288 + 24
    x[a : a + 30] += 170.0
    return x, [(a, a + 30)]


def hopping_spike(rng: Rng) -> Made:
    rows = 4032
    x = hops(rng, rows)
    a, b = place(rng, rows, 6)
    x[a:b] += 160.0
    return x, [(a, b)]


def irregular_batches(rng: Rng) -> Made:
    """Jobs start when they like and last as long as they like; one is three times as heavy."""
    rows = 4032
    x = 3.0 + np.abs(rng.normal(0.0, 0.4, rows))
    for at in np.flatnonzero(rng.random(rows) < 0.006):
        x[at : at + int(rng.integers(3, 25))] += rng.uniform(15.0, 30.0)
    a, b = place(rng, rows, 20)
    x[a:b] += 100.0
    return x, [(a, b)]


def heavy_tail(rng: Rng) -> Made:
    """Pareto noise with single outliers all the time; an hour of outliers is what matters."""
    rows = 4032
    x = rng.pareto(2.5, rows) * 10.0
    a, b = place(rng, rows, 15)
    x[a:b] += rng.uniform(40.0, 80.0, b - a)
    return x, [(a, b)]


def low_rhythm(rng: Rng) -> Made:
    """A cron job every 20 minutes on a quiet host; then it runs all the time."""
    rows = 4032
    x = 2.0 + rng.gamma(1.0, 0.2, rows)
    x[::4] += rng.uniform(5.0, 9.0, x[::4].size)
    a, b = place(rng, rows, 60)
    x[a:b] = 7.0 + rng.gamma(1.0, 0.6, b - a)
    return x, [(a, b)]
