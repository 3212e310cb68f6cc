"""`make bench`: everything this program promises about speed, measured on this machine.

    end-to-end  real Kafka to stored, folded and scored, beside an idiomatic Faust agent
    stages      each stage of a fetch alone
    accounts    memory and rate with 1,000 to 1,000,000 accounts, and the rebuild of the largest
    delay       from event to row and from event to alert at 20,000 events a second
    notify      from the row of an alert to the message at its channel
    coordination  signals a core-second by number of accounts and under one viral object
    panels      every panel and rule on 10 million stored events of 100,000 accounts
    first-paint  the console's pages on that store, in a headless browser

Prints a table and writes `bench.json`. CPU seconds of the whole measured process are what counts;
competitors run in turn, several times, and medians are compared: a noisy machine harms all alike.
The store of the last two is kept in `--store` and found again by the next run.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from streams.scoring.record import DETECTORS, SCORE
from tests.bench import delay
from tests.bench.measure import ROOT, measured, median
from tests.bench.panel_table import panel_table
from tests.bench.table import table
from tests.bench.topics import fill
from tests.bench.traffic import Traffic
from tests.support.kafka import RealKafka, missing

_KEPT = ("faust-streaming", "chdb", "msgspec", "pyarrow", "numpy")
#: Filling it takes minutes: it stays, outside the repository, until somebody removes it.
_STORE = str(Path(tempfile.gettempdir()) / "pulse-bench-panels")
_LONG_S = 7200.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much to measure."""

    runs: int
    events: int
    slow_events: int  # of the idiomatic agent with one event a message
    accounts: tuple[int, ...]
    fetches: int
    seconds: float
    signals: int
    stored: int  # events behind the panels
    repeats: int  # of a panel or a page
    history: int  # incidents before those that are told
    told: int
    store: str = _STORE


_FULL = Size(
    3,
    600_000,
    40_000,
    (1_000, 10_000, 100_000, 1_000_000),
    7,
    30.0,
    600_000,
    10**7,
    7,
    100_000,
    200,
)
_QUICK = Size(1, 100_000, 8_000, (1_000, 100_000), 3, 16.0, 200_000, 10**6, 3, 10_000, 40)


def end_to_end(size: Size) -> dict[str, Any]:
    """Events per core-second of the worker and of the idiomatic agent, in turn."""
    with RealKafka() as kafka:
        many = fill(kafka, "ndjson", Traffic(1000).batches(size.events), events_per_message=200)
        one = fill(kafka, "single", Traffic(1000).batches(size.events), events_per_message=1)
        few = fill(kafka, "few", Traffic(1000).batches(size.slow_events), events_per_message=1)
        few_many = fill(
            kafka, "few-ndjson", Traffic(1000).batches(4 * size.slow_events), events_per_message=200
        )
        cases: dict[str, Callable[[], dict[str, Any]]] = {
            "end_to_end_ndjson": lambda: measured("end_to_end", many),
            "idiomatic_faust": lambda: measured("idiomatic", {**few, "lines": False}),
            "end_to_end_single": lambda: measured("end_to_end", one),
            "idiomatic_faust_ndjson": lambda: measured("idiomatic", {**few_many, "lines": True}),
        }
        results: dict[str, list[dict[str, Any]]] = {name: [] for name in cases}
        for _ in range(size.runs):
            for name, case in cases.items():
                results[name].append(case())
    rates = {
        name: median(run["events"] / run["cpu_s"] for run in runs) for name, runs in results.items()
    }
    return rates | {
        "ndjson_ratio": rates["end_to_end_ndjson"] / rates["idiomatic_faust"],
        "single_ratio": rates["end_to_end_single"] / rates["idiomatic_faust"],
        "ndjson_ratio_same_messages": rates["end_to_end_ndjson"] / rates["idiomatic_faust_ndjson"],
        "end_to_end_runs": results,
    }


def stages(size: Size) -> dict[str, Any]:
    """Microseconds of CPU an event, by stage."""
    what = {"accounts": 1000, "fetches": size.fetches, "events": 35_000, "per_message": 200}
    runs = [measured("stages", what) for _ in range(size.runs)]
    names = runs[0]["stages"]
    result = {name: median(run["stages"][name] for run in runs) for name in names}
    return {"stages_us": result | {"whole": median(run["whole"] for run in runs)}}


def accounts(size: Size) -> dict[str, Any]:
    """Rate and memory by number of accounts; every size in turn, the largest is rebuilt last."""
    largest = size.accounts[-1]
    runs: dict[int, list[dict[str, Any]]] = {count: [] for count in size.accounts}
    with tempfile.TemporaryDirectory(prefix="pulse-bench-") as directory:
        for number in range(size.runs):
            for count in size.accounts:
                what: dict[str, object] = {"accounts": count, "fetches": size.fetches}
                if count == largest and number == size.runs - 1:
                    what["snapshot"] = directory
                runs[count].append(measured("accounts", what))
        rebuilt = measured("accounts", {"rebuild": directory})
    rates = {str(count): median(run["rate"] for run in runs[count]) for count in size.accounts}
    first = rates[str(size.accounts[0])]
    return {
        "rate_by_accounts": rates,
        "rate_loss_by_accounts": {count: 1 - rate / first for count, rate in rates.items()},
        "bytes_per_account": median(run["bytes"] for run in runs[largest]),
        "bytes_of_detectors": sum(d.STATE.itemsize for d in DETECTORS) + SCORE.itemsize,
        "bytes_measured_at_accounts": largest,
        "rebuild": rebuilt,
    }


def delays(size: Size) -> dict[str, Any]:
    """Seconds from event to row, and to alert."""
    with RealKafka() as kafka:
        return {"delay": delay.measure(kafka, size.seconds)}


def notify(size: Size) -> dict[str, Any]:
    """Seconds from the row of an alert to its message, with many incidents before."""
    what = {"history": size.history, "count": size.told}
    return {"notify": measured("notify", what, timeout_s=_LONG_S)}


def coordination(size: Size) -> dict[str, Any]:
    """Signals per core-second of the coordination stream, by accounts, and under a viral object."""
    cases = {str(count): {"accounts": count, "viral": False} for count in size.accounts}
    cases["viral"] = {"accounts": 100_000, "viral": True}
    ends = (min(size.accounts), max(size.accounts))
    cases |= {f"file {n}": {"accounts": n, "viral": False, "file": True} for n in ends}
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in cases}
    for _ in range(size.runs):
        for name, case in cases.items():
            runs[name].append(measured("coordination", {"signals": size.signals, **case}))
    bytes_of = {
        name: median(run["bytes_per_signal"] for run in several) for name, several in runs.items()
    }
    return {
        "signals_by_accounts": {
            name: median(run["rate"] for run in several) for name, several in runs.items()
        },
        "bytes_per_signal": max(bytes_of.values()),
        "coordination_runs": runs,
    }


def panels(size: Size) -> dict[str, Any]:
    """Seconds by panel, board and rule."""
    what = {"store": size.store, "events": size.stored, "repeats": size.repeats}
    return {"panels": measured("panels", what, timeout_s=_LONG_S, shown=True)}


def first_paint(size: Size) -> dict[str, Any]:
    """Seconds to the first contentful paint, by page, cold and warm."""
    what = {"store": size.store, "events": size.stored, "repeats": size.repeats}
    return {"first_paint": measured("first_paint", what, timeout_s=_LONG_S, shown=True)}


_PARTS: Mapping[str, Callable[[Size], dict[str, Any]]] = {
    "end-to-end": end_to_end,
    "stages": stages,
    "accounts": accounts,
    "delay": delays,
    "notify": notify,
    "coordination": coordination,
    "panels": panels,
    "first-paint": first_paint,
}
_WITH_KAFKA = ("end-to-end", "delay")


def machine() -> dict[str, Any]:
    """What all this ran on."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "load_before": psutil.getloadavg()[0],
        "python": platform.python_version(),
        **{name: version(name) for name in _KEPT},
    }


def main() -> int:
    """Measure what was asked for; 1 when a measurement could not be made."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, one run of each")
    parser.add_argument("--only", choices=_PARTS, help="one part alone")
    parser.add_argument("--events", type=int, help="stored behind the panels (default 10 million)")
    parser.add_argument("--store", default=_STORE, help=f"where they are kept (default {_STORE})")
    given = parser.parse_args()
    parts = [given.only] if given.only else list(_PARTS)
    if any(name in _WITH_KAFKA for name in parts) and (lack := missing()):
        print(f"bench: {lack}", file=sys.stderr)
        return 1
    size = replace(_QUICK if given.quick else _FULL, store=given.store)
    size = replace(size, stored=given.events or size.stored)
    console = Console()
    result: dict[str, Any] = {"machine": machine(), "quick": given.quick}
    for name in parts:
        with console.status(f"measuring {name}"):
            result |= _PARTS[name](size)
    file = ROOT / "bench.json"
    file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if "panels" in result:
        console.print(panel_table(result["panels"]))
    console.print(table(result))
    console.print(f"written to {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
