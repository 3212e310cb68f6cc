"""What the accumulators of the clock hour cost: the fold with them and without, side by side.

`python -m tests.bench.hourly_cost` measures rows for the fold and the fold itself, on one core, in
processes of their own that take turns. "Without" is this program with the accumulators switched
off, or another checkout of it (`--against DIR`). `account-tick` is an account touched by a tick.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streams.events.decode import Messages, decode
from streams.features import rows as rows_module
from streams.features.fold import Fold
from streams.features.watermark import NEVER, Watermark
from streams.ingest.recovery import push_table
from tests.bench.measure import ROOT, median, order, report
from tests.bench.traffic import Traffic
from tests.support.folding import policy

_FETCH = 35_000  # events: 16 MiB
#: Accounts by mix. Traffic runs at 20,000 events a second, a tick is 5 s: 100,000 events.
_MIXES = {"200 events an account-tick": 420, "100 events": 1000, "2 events": 200_000}


def _main() -> None:
    what = order()
    if what["off"]:
        _switch_off()
    traffic, rules = Traffic(what["accounts"]), policy()
    fold, watermark = Fold(rules), Watermark(rules.tick_ms, 2000, 3_600_000)
    spent, events, touched = {"rows": 0.0, "fold": 0.0}, 0, 0
    for fetch in range(-what["warm"], what["fetches"]):
        lines = [line for batch in traffic.batches(_FETCH) for line in batch.lines]
        table = decode(Messages(lines, range(len(lines)), [0] * len(lines))).table()
        ts = np.asarray(table.column("ts").cast("int64").to_numpy(), np.int64)
        counted = watermark.take(ts, [])
        assert (counted.tick < NEVER).all()
        start = time.process_time()
        push_table(fold, table, counted.tick)
        pushed = time.process_time()
        closed = fold.closed
        fold.advance(watermark.value)
        done = time.process_time()
        if fetch >= 0:
            spent["rows"] += pushed - start
            spent["fold"] += done - pushed
            events += len(ts)
            if fold.closed > closed:
                touched += int((fold.accounts.stamp > closed).sum())
    report(
        {
            "rows": 1e6 * spent["rows"] / events,
            "fold": 1e6 * spent["fold"] / events,
            "account_ticks": touched / events,
            "bytes": fold.layout.dtype.itemsize,
        }
    )


def _switch_off() -> None:
    hourly = importlib.import_module("streams.features.hourly")  # another checkout may lack it
    setattr(hourly, "add", lambda *_: None)  # noqa: B010
    setattr(rows_module, "_hashed_or_none", lambda *_: None)  # noqa: B010


def _measured(root: Path, accounts: int, off: bool, fetches: int) -> dict[str, Any]:
    what = {"accounts": accounts, "off": off, "fetches": fetches, "warm": 6}
    done = subprocess.run(
        [sys.executable, __file__, json.dumps(what)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the measurement in {root} failed: {done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main(arguments: Sequence[str]) -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(prog="tests.bench.hourly_cost", description=__doc__)
    parser.add_argument("--against", type=Path, help="root of the checkout that is the 'without'")
    parser.add_argument("--runs", type=int, default=3, help="of each; medians are compared")
    parser.add_argument("--fetches", type=int, default=12, help="of 35,000 events, a run")
    what = parser.parse_args(arguments)
    other = what.against or ROOT
    head = ("mix", "rows us/event", "fold us/event", "fold us/account-tick", "bytes an account")
    print("  ".join(f"{word:>26}" for word in head))
    for mix, accounts in _MIXES.items():
        runs: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
        for _ in range(what.runs):
            for off in (True, False):
                root, switch = (other, off and what.against is None) if off else (ROOT, False)
                runs[off].append(_measured(root, accounts, switch, what.fetches))
        middle = {
            off: {name: median(run[name] for run in done) for name in done[0]}
            for off, done in runs.items()
        }
        a, b = middle[True], middle[False]
        each = [(a["rows"], b["rows"]), (a["fold"], b["fold"])]
        each.append((a["fold"] / a["account_ticks"], b["fold"] / b["account_ticks"]))
        cells = [f"{x:.3f} -> {y:.3f} ({y - x:+.3f})" for x, y in each]
        cells.append(f"{a['bytes']} -> {b['bytes']}")
        print("  ".join(f"{word:>26}" for word in (mix, *cells)), flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 2 and sys.argv[1].startswith("{"):
        _main()
    else:
        main(sys.argv[1:])
