"""Labelled series of sensors, roads, sales and the like. Part of `tests.bench.series_kinds`."""

from __future__ import annotations

import numpy as np

from tests.bench.series_parts import Made, Rng, Spans, ar, hump, place, two_places, weekend

__all__ = [
    "advert_price",
    "daily_sales",
    "daily_shift",
    "drift",
    "heart_beat",
    "machine_temperature",
    "memory_leak",
    "noise_burst",
    "queue_steps",
    "road_speed",
    "room_temperature",
    "stuck_sensor",
    "taxi",
    "tempo_change",
    "travel_time",
    "weekly_shift",
]


def room_temperature(rng: Rng) -> Made:
    rows, step = 7267, 3600
    x = 71.0 + 2.5 * ar(rng, rows, 0.995) + 1.2 * hump(rows, step) + rng.normal(0, 0.35, rows)
    spans = two_places(rng, rows, 40)
    for sign, (a, b) in zip((-1.0, 1.0), spans, strict=True):
        x[a:b] += sign * 9.0 * np.hanning(b - a + 2)[1:-1]
    return x, spans


def machine_temperature(rng: Rng) -> Made:
    rows = 12_000
    x = 88.0 + 4.0 * ar(rng, rows, 0.998) + rng.normal(0.0, 0.7, rows)
    spans = two_places(rng, rows, 250)
    for a, b in spans:
        x[a:b] -= 45.0 * np.minimum(1.0, np.arange(b - a) / 120.0) * rng.uniform(0.7, 1.2)
        back = min(200, rows - b)
        x[b : b + back] -= 20.0 * np.exp(-np.arange(back) / 40.0)
    return x, spans


def taxi(rng: Rng) -> Made:
    rows, step = 10_320, 1800
    week = np.where(weekend(rows, step), 0.85, 1.0)
    x = 4000 + 18_000 * hump(rows, step, 1.2) * week * (1 + 0.04 * ar(rng, rows, 0.9))
    x += rng.normal(0.0, 350.0, rows)
    spans: Spans = []
    for day in rng.choice(np.arange(70, 205, 9), 4, replace=False):
        a, b = int(day) * 48 + 14, int(day) * 48 + 46
        x[a:b] *= rng.choice([0.45, 0.6, 1.3])
        spans.append((a, b))
    return np.maximum(np.round(x), 8.0), sorted(spans)


def road_speed(rng: Rng) -> Made:
    rows = 2500
    x = 66.0 - 8.0 * hump(rows, 600, 6.0) + rng.normal(0.0, 3.0, rows)
    a, b = place(rng, rows, 14)
    x[a:b] -= 38.0 * np.hanning(b - a + 2)[1:-1]
    return np.round(x), [(a, b)]


def travel_time(rng: Rng) -> Made:
    rows = 2500
    x = 250.0 + 150.0 * hump(rows, 600, 6.0) + rng.gamma(1.2, 40.0, rows)
    at = rng.random(rows) < 0.006
    x[at] += rng.gamma(2.0, 200.0, int(at.sum()))
    a, b = place(rng, rows, 8)
    x[a:b] += rng.uniform(2000.0, 3500.0)
    return np.round(x), [(a, b)]


def advert_price(rng: Rng) -> Made:
    rows = 1600
    x = 0.1 + 0.02 * ar(rng, rows, 0.7) + rng.gamma(1.0, 0.01, rows)
    spans = two_places(rng, rows, 2)
    for a, b in spans:
        x[a:b] += rng.uniform(0.3, 0.6)
    return x, spans


def heart_beat(rng: Rng) -> Made:
    """Beats of 40 rows; one beat is malformed."""
    rows = 6000
    t = np.arange(rows) % 40
    x = np.exp(-((t - 12.0) ** 2) / 4) - 0.25 * np.exp(-((t - 17.0) ** 2) / 6)
    x += 0.3 * np.exp(-((t - 28.0) ** 2) / 20) + rng.normal(0.0, 0.03, rows)
    a = 40 * int(rng.integers(70, 140))
    u = np.arange(40)
    x[a : a + 40] = 0.6 * np.exp(-((u - 14.0) ** 2) / 30) + rng.normal(0.0, 0.03, 40)
    return x, [(a, a + 40)]


def tempo_change(rng: Rng) -> Made:
    rows = 6000
    a, b = place(rng, rows, 300)
    speed = np.full(rows, 2 * np.pi / 50)
    speed[a:b] *= 2.2
    return np.sin(np.cumsum(speed)) + rng.normal(0.0, 0.05, rows), [(a, b)]


def stuck_sensor(rng: Rng) -> Made:
    rows = 4000
    x = 20.0 + 3.0 * ar(rng, rows, 0.9)
    a, b = place(rng, rows, 120)
    x[a:b] = x[a]
    return x, [(a, b)]


def noise_burst(rng: Rng) -> Made:
    rows = 4000
    x = 50.0 + rng.normal(0.0, 2.0, rows)
    a, b = place(rng, rows, 80)
    x[a:b] += rng.normal(0.0, 8.0, b - a)
    return x, [(a, b)]


def weekly_shift(rng: Rng) -> Made:
    rows, step = 2160, 3600
    x = np.where(weekend(rows, step), 100.0, 160.0) * (0.5 + hump(rows, step, 1.0))
    x += 6.0 * ar(rng, rows, 0.5)
    a, b = place(rng, rows, 72, 0.4)
    x[a:b] *= 1.5
    return x, [(a, b)]


def daily_sales(rng: Rng) -> Made:
    rows = 1000
    x = 1000.0 * (1 + 0.3 * ((np.arange(rows) % 7) >= 5)) * np.exp(0.0004 * np.arange(rows))
    x *= rng.lognormal(0.0, 0.06, rows)
    a, b = place(rng, rows, 2)
    x[a:b] *= rng.choice([0.35, 2.0])
    return np.round(x), [(a, b)]


def daily_shift(rng: Rng) -> Made:
    rows = 800
    x = 300.0 + 40.0 * np.sin(np.arange(rows) * 2 * np.pi / 7) + 15.0 * rng.normal(size=rows)
    a, b = place(rng, rows, 30)
    x[a:b] += 110.0
    return x, [(a, b)]


def queue_steps(rng: Rng) -> Made:
    rows = 4000
    x = np.repeat(rng.choice([10.0, 20.0, 30.0, 40.0], rows // 50), 50)
    a, b = place(rng, rows, 50)
    x[a:b] = rng.choice([25.0, 55.0, 0.0])
    return x + rng.normal(0.0, 0.2, rows), [(a, b)]


def drift(rng: Rng) -> Made:
    rows = 4000
    x = 10.0 + rng.normal(0.0, 1.0, rows)
    a, b = place(rng, rows, 300)
    x[a:b] += np.linspace(0.0, 9.0, b - a)
    return x, [(a, b)]


def memory_leak(rng: Rng) -> Made:
    """Memory climbs and is freed by restarts at uneven times; once it is not freed in time."""
    rows = 5000
    x, level, spans = np.empty(rows), 20.0, []
    a = int(rng.integers(2200, 4200))
    limit = 60.0
    for i in range(rows):
        level += rng.gamma(2.0, 0.05)
        if level > limit and not a <= i < a + 450:
            level, limit = 20.0 + rng.normal(), 60.0 + rng.normal(0.0, 4.0)
        x[i] = level + rng.normal(0.0, 0.5)
    over = np.flatnonzero(x[a : a + 450] > 75.0)
    spans = [(a + int(over[0]), a + 450)] if over.size else []
    return x, spans
