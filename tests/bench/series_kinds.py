"""Labelled synthetic series of many kinds, seeded: what `tests.bench.series_quality` measures on.

Each kind imitates something people watch (a service's load, latencies, counts, sensors, prices)
and plants anomalies of a kind that occurs there; a few kinds have none at all. The spans are known
exactly, which real labelled series seldom offer. Used by the benchmark and by slow tests only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from tests.bench import series_quiet as quiet
from tests.bench import series_sensors as sensors
from tests.bench import series_services as services
from tests.bench.series_parts import DAY, START_S, Made, Rng, Spans, Values

__all__ = ["KINDS", "Series", "make"]


@dataclass(frozen=True, slots=True)
class Series:
    """Times in epoch seconds, values, and the spans [first, end) of rows that are anomalous."""

    kind: str
    times: Values
    values: Values
    spans: Spans


#: Kind -> (maker, seconds between rows).
KINDS: Final[dict[str, tuple[Callable[[Rng], Made], int]]] = {
    maker.__name__: (maker, step)
    for maker, step in (
        (services.square_jump_up, 300), (services.square_jump_down, 300),
        (services.square_day_missing, 300), (services.square_flat_middle, 300),
        (services.spike_density, 300), (services.load_spikes, 300), (sensors.taxi, 1800),
        (sensors.room_temperature, 3600), (sensors.machine_temperature, 300),
        (services.idle_cpu_shift, 300), (services.idle_cpu_spike, 300),
        (services.busy_cpu_shift, 300), (services.nightly_batch, 300),
        (services.batch_missing, 300), (services.network_in, 300), (services.disk_writes, 300),
        (services.request_count, 300), (services.tweets, 300), (sensors.road_speed, 600),
        (sensors.travel_time, 600), (sensors.advert_price, 3600), (services.keyboard, 300),
        (services.autoscaling, 300), (services.latency, 300), (sensors.heart_beat, 60),
        (sensors.tempo_change, 60), (sensors.stuck_sensor, 60), (services.dead_service, 300),
        (sensors.noise_burst, 60), (sensors.weekly_shift, 3600), (sensors.daily_sales, DAY),
        (sensors.daily_shift, DAY), (services.rare_errors, 300), (sensors.queue_steps, 60),
        (services.growing_load, 300), (services.night_work, 300), (sensors.drift, 300),
        (services.hopping_spike, 300), (services.irregular_batches, 300),
        (services.heavy_tail, 300), (sensors.memory_leak, 60), (services.low_rhythm, 300),
        (quiet.quiet_heavy, 300), (quiet.quiet_hops, 60), (quiet.quiet_growth, 300),
        (quiet.quiet_weeks, 900), (quiet.quiet_noise, 300), (quiet.quiet_days, 300),
        (quiet.quiet_walk, 300), (quiet.quiet_counts, 300),
    )
}  # fmt: skip
#: Kinds sampled at uneven times, a tenth of the rows missing.
_UNEVEN: Final = frozenset({"road_speed", "travel_time", "advert_price"})


def make(kind: str, seed: int) -> Series:
    """The series of that kind and seed; the same two, the same series."""
    maker, step = KINDS[kind]
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    values, spans = maker(rng)
    times = np.asarray(START_S + step * np.arange(len(values)), dtype=np.float64)
    if kind in _UNEVEN:
        times += rng.uniform(0.0, 0.3 * step, len(times))
        kept = rng.random(len(times)) > 0.1
        for first, end in spans:
            kept[first:end] = True
        rows = np.flatnonzero(kept)
        ends = [(int(rows.searchsorted(a)), int(rows.searchsorted(b))) for a, b in spans]
        return Series(kind, times[kept], values[kept], ends)
    return Series(kind, times, values, spans)
