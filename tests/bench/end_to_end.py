"""Measured process: one worker drains a topic; every event is stored, folded and scored.

Counted from the moment the partitions are assigned (everything imported, store migrated, group
joined) until the last marker stands in the store. `profile` names a file for cProfile's account of
the ingest thread.
"""

from __future__ import annotations

import asyncio
import cProfile
import resource
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from faust.types import TP

from streams.app import Worker
from streams.broker import admin
from streams.settings import Settings
from streams.storage import migrations
from streams.storage.chdb_store import ChdbStore
from tests.bench.measure import Spent, order, report, spent_since

__all__ = ["worker_settings"]


def worker_settings(what: dict[str, Any], data: Path, **more: Any) -> Settings:
    """Settings of a worker on the bench's topic: the data's own time, no heartbeats."""
    times = {"time_mode": "replay", "heartbeat": 0.0, **more}
    return Settings(
        broker=what["broker"], topic=what["topic"], group=data.name, data=str(data), **times
    )


def _on_assignment(worker: Worker) -> list[Spent]:
    """A list that gets what was spent until the worker had its partitions."""
    noted: list[Spent] = []
    positions = worker.ingest.positions

    async def noting(assigned: Iterable[TP]) -> dict[TP, int]:
        result = await positions(assigned)
        noted.append(Spent.now())
        return result

    worker.ingest.positions = noting  # type: ignore[method-assign]
    return noted


async def _drain(what: dict[str, Any], data: Path) -> dict[str, object]:
    settings = worker_settings(what, data)
    store = ChdbStore(data)
    migrations.migrate(store)
    worker = Worker(settings, store, admin.stream_id(settings, settings.topic))
    start = _on_assignment(worker)
    profile = _profiled(worker, what.get("profile", ""))
    await worker.start()
    ends = {int(number): end for number, end in what["ends"].items()}
    while any(worker.markers().get(number, 0) < end for number, end in ends.items()):
        if worker.failed.done():
            worker.failed.result()
        await asyncio.sleep(0.02)
    spent = spent_since(start[0])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if profile is not None:
        profile.dump_stats(what["profile"])
    stored = store.query("SELECT count() AS n FROM events")["n"][0].as_py()
    assert stored == what["events"], f"stored {stored} of {what['events']} events"
    await worker.stop(snapshot=False)
    store.close()
    result = {"events": stored, "cpu_s": spent.cpu_s, "wall_s": spent.wall_s, "peak_mb": peak}
    return {**result, "alerts": worker.status.counts.alerts}


def _profiled(worker: Worker, file: str) -> cProfile.Profile | None:
    if not file:
        return None
    profile = cProfile.Profile()
    run = worker.ingest._run

    async def profiled(call: Any) -> Any:
        return await run(lambda: profile.runcall(call))

    worker.ingest._run = profiled  # type: ignore[method-assign]
    return profile


def _main() -> None:
    with tempfile.TemporaryDirectory(prefix="pulse-bench-") as directory:
        report(asyncio.run(_drain(order(), Path(directory) / f"bench-{Path(directory).name}")))


if __name__ == "__main__":
    _main()
