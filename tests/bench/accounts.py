"""Measured process: one partition that knows many accounts: memory, rate, snapshot and rebuild.

Every account is seen first (so all of them have a row, and the rolling state is warm), then fetches
of heavy-tailed traffic at the usual density of event time are decoded, stored, folded and scored.
With `snapshot` the fold is saved into `data`; with `rebuild` a fresh process takes the partition
over from there.
"""

from __future__ import annotations

import gc
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from streams.features.rows import Rows
from streams.ingest.partition import Partition
from streams.ingest.recovery import recover
from streams.storage import migrations
from streams.storage.chdb_store import ChdbStore
from tests.bench.measure import Spent, order, report, rss_bytes, spent_since
from tests.bench.stages import built_in, fetches
from tests.bench.traffic import Traffic
from tests.support.partitions import context

_FETCH = 35_000  # events: 16 MiB
_WARM_RATE = 100_000.0  # accounts a second of event time while all are made known


def _main() -> None:
    what = order()
    if what.get("rebuild"):
        report(_rebuild(Path(what["rebuild"])))
    elif what.get("snapshot"):
        report(_measure(what, Path(what["snapshot"])))
    else:
        with tempfile.TemporaryDirectory(prefix="pulse-bench-") as directory:
            report(_measure(what, Path(directory)))


def _measure(what: dict[str, Any], data: Path) -> dict[str, object]:
    store = ChdbStore(data)
    migrations.migrate(store)
    part = Partition(context(store, rules=built_in(), dedup_capacity=20_000_000), 0)
    traffic = Traffic(what["accounts"])
    _take(part, fetches(traffic, 1, _FETCH, 200)[0])  # everything imported and allocated once
    before = _settled()
    _meet_all(part, traffic)
    grown = _settled() - before
    spent = []
    for _ in range(what["fetches"]):
        messages = fetches(traffic, 1, _FETCH, 200, part.marker)[0]
        start = Spent.now()
        _take(part, messages)
        spent.append(spent_since(start).cpu_s)
    known = len(part.fold.accounts)
    if what.get("snapshot"):
        part.maybe_snapshot(at_once=True)
        for messages in fetches(traffic, 2, _FETCH, 200, part.marker):
            _take(part, messages)  # what a rebuild has to fold on top
    store.close()
    # The median fetch: the first ones pay for memory that is touched for the first time.
    rate = _FETCH / float(np.median(spent))
    return {"accounts": known, "bytes": grown / what["accounts"], "rate": rate}


def _settled() -> int:
    gc.collect()
    return rss_bytes()


def _meet_all(part: Partition, traffic: Traffic) -> None:
    """One event of every account, through the fold alone: the store has nothing to do with it."""
    fold, names = part.fold, traffic.names
    tick_ms = fold.policy.tick_ms
    for start in range(0, len(names), int(_WARM_RATE)):
        chunk = names[start : start + int(_WARM_RATE)]
        orgs = [f"org-{n >> 2:06x}" for n in range(start, start + len(chunk))]
        rows = fold.accounts.rows(chunk, orgs)
        count = len(rows)
        traffic.clock_ms += 1000.0
        ts = np.full(count, int(traffic.clock_ms))
        tick = (np.maximum(ts, fold.closed) // tick_ms + 1) * tick_ms
        none = np.zeros(count, np.uint64)
        ones = np.ones(count, np.int64)
        status = np.full(count, 200, np.uint16)
        fold.push(Rows(rows, ts, tick, status, ones, ones, none, none, none, None, None))
        fold.advance(int(ts[0]))
    traffic.clock_ms += 2 * tick_ms
    part.watermark.value = int(traffic.clock_ms)
    fold.advance(part.watermark.value)


def _rebuild(data: Path) -> dict[str, object]:
    store = ChdbStore(data)
    setting = context(store, rules=built_in())
    start = Spent.now()
    state = recover(
        store, setting.policy, setting.stream_id, 0, setting.dedup_window_ms, setting.dedup_capacity
    )
    spent = spent_since(start)
    accounts = len(state.fold.accounts)
    store.close()
    return {"accounts": accounts, "wall_s": spent.wall_s, "cpu_s": spent.cpu_s}


def _take(part: Partition, messages: Any) -> None:
    part.commit(part.prepare(messages, messages.offsets[-1] + 1))


if __name__ == "__main__":
    _main()
