"""What the benchmarks measure with: CPU time, memory, medians, and processes of their own.

A measured process is `python -m tests.bench.<name>` with its order as one JSON argument and its
result as the last line of its output, so nothing of the bench itself is ever measured.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "Spent", "measured", "median", "order", "report", "rss_bytes", "spent_since"]

ROOT = Path(__file__).resolve().parents[2]
_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class Spent:
    """A moment of this process, or the difference of two: all threads, user and system time."""

    cpu_s: float
    wall_s: float

    @staticmethod
    def now() -> Spent:
        """What this process has spent until now."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return Spent(usage.ru_utime + usage.ru_stime, time.perf_counter())


def spent_since(start: Spent) -> Spent:
    """What this process has spent since `start`."""
    now = Spent.now()
    return Spent(now.cpu_s - start.cpu_s, now.wall_s - start.wall_s)


def rss_bytes() -> int:
    """Resident memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def median(values: Iterable[float]) -> float:
    """The median, for rates and times alike."""
    return statistics.median(values)


def measured(
    module: str, what: Mapping[str, object], *, timeout_s: float = _TIMEOUT_S, shown: bool = False
) -> dict[str, Any]:
    """Run a measurement in a fresh process; returns what it reports.

    With `shown`, what it says on the way goes to the terminal.

    Raises:
        RuntimeError: it failed, with the end of what it said.
    """
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{module}", json.dumps(what)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=None if shown else subprocess.PIPE,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            f"the measurement {module} {dict(what)} failed: {(done.stderr or '')[-2000:]}"
        )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def order() -> dict[str, Any]:
    """The order this process was given; hushes what Kafka clients say while a group forms."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    what: dict[str, Any] = json.loads(sys.argv[1])
    return what


def report(result: Mapping[str, object]) -> None:
    """The result of this process."""
    print(json.dumps(result), flush=True)
