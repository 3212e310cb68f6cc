"""How fast a series is scored: `python -m tests.bench.series_rate`.

Core-seconds of the detector alone and of the whole `pulse score` on a CSV file, at several
intervals and lengths, and the memory at its peak. To reach: 30,000 rows per core-second.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

# One core is one core: BLAS would start a thread for each.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from detectors.series import score
from tests.bench.series_parts import START_S, Values

GOAL = 30_000
STEPS = {"1 second": 1, "5 minutes": 300, "1 hour": 3600, "1 day": 86_400}


def a_series(rows: int, step: int) -> tuple[Values, Values]:
    """A daily rhythm in noise."""
    times = np.asarray(START_S + step * np.arange(rows), dtype=np.float64)
    noise = np.random.default_rng(0).normal(size=rows)
    return times, 10.0 * np.sin(times / 86_400 * 2 * np.pi) + noise


def detector_rate(rows: int, step: int) -> float:
    """Rows per core-second."""
    times, values = a_series(rows, step)
    started = time.process_time()
    score(times, values)
    return rows / (time.process_time() - started)


def command_rate(rows: int) -> float:
    """Rows per core-second of the command, reading and writing included."""
    from streams.cli.score import score as command

    times, values = a_series(rows, 300)
    stamps = np.datetime_as_string(times.astype("datetime64[s]"))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in.csv"
        with source.open("w", encoding="utf-8") as file:
            file.write("timestamp,value\n")
            for stamp, value in zip(stamps.tolist(), values.tolist(), strict=True):
                file.write(f"{stamp.replace('T', ' ')},{value:.3f}\n")
        started = time.process_time()
        output = str(source.with_name("out.csv"))
        command.main([str(source), "--output", output], standalone_mode=False)
        return rows / (time.process_time() - started)


def main() -> int:
    parser = argparse.ArgumentParser(description="Rate of the single-series detector.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="Rows of the longest series.")
    options = parser.parse_args()
    rates = []
    for name, step in STEPS.items():
        for rows in (4_032, options.rows // 10):
            rates.append(detector_rate(rows, step))
            print(f"{rows:>10,} rows, {name:<10} {rates[-1]:>10,.0f} rows/s")
    rates.append(detector_rate(options.rows, 300))
    print(f"{options.rows:>10,} rows, 5 minutes  {rates[-1]:>10,.0f} rows/s")
    rates.append(command_rate(options.rows))
    print(f"{options.rows:>10,} rows, pulse score {rates[-1]:>9,.0f} rows/s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:,.0f} MiB, the benchmark's own arrays included")
    return 0 if min(rates) >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
