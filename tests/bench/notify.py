"""From the row of an alert to the channel's yes: `python -m tests.bench.notify`.

A notifier at work on an embedded store that already holds many incidents and messages, with real
HTTP on loopback. Once as in the worker, which wakes the notifier when it has stored an alert, and
once as for rows that other workers write, which are found by looking. Wanted: p99 of 2 s at most.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from streams.alerting.notify.agent import NotifierAgent
from streams.policy.load import parse
from streams.storage.base import Store
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.support.notifying import DAY, channel, incident, put
from tests.support.receivers import Hook, hook

__all__ = ["delays", "main"]

_WANTED_S = 2.0
_ROUTE = '[[routes]]\nname = "all"\nchannel = "hook"\n'


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def delays(store: Store, web: Hook, folder: Path, count: int, *, wake: bool) -> list[float]:
    """Seconds from a stored incident to its message, for `count` of them at random moments."""
    text = channel(folder, "hook", web.address()) + _ROUTE
    policy = parse(text, "policy.toml", today=DAY)
    agent = NotifierAgent(store, lambda: policy, _now_ms, lambda: True, str)
    agent.start()
    time.sleep(2.0)  # the library is loaded and the feed has begun
    chance, stored = np.random.default_rng(1), {}
    before = len(web.all)
    for number in range(count):
        name = f"{'woken' if wake else 'found'}-{number}"
        put(store, [incident(name)], _now_ms())
        stored[name] = time.monotonic()
        if wake:
            agent.wake()
        time.sleep(float(chance.exponential(0.1)))
    deadline = time.monotonic() + 30.0
    while len(web.all) < before + count and time.monotonic() < deadline:
        time.sleep(0.05)
    agent.close()
    arrived = {one.title.split("acct-")[1].split()[0]: one.at for one in web.all[before:]}
    return [arrived.get(name, float("inf")) - at for name, at in stored.items()]


def _history(store: Store, count: int) -> None:
    """Resolved incidents of the last day, each with a message that was sent."""
    now = _now_ms() - 3_600_000
    size = 50_000
    for first in range(0, count, size):
        given = [
            incident(f"old-{n}", state="resolved", resolved_at=now)
            for n in range(first, min(first + size, count))
        ]
        put(store, given, now)
    store.command(
        "INSERT INTO notification_log (notification_id, version, incident_id, event, channel, "
        "state, severity, account_id, made_at, sent_at) SELECT concat(event, incident_id), 3, "
        "incident_id, arrayJoin(['opened', 'resolved']) AS event, 'hook', 'sent', severity, "
        "account_id, stored_at, stored_at FROM incident_log"
    )


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.notify", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="incidents a way (default 200)")
    parser.add_argument("--history", type=int, default=100_000, help="stored before (100,000)")
    given = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as name, hook() as web:
        folder = Path(name)
        store = ChdbStore(folder / "data")
        migrate(store)
        _history(store, given.history)
        for wake in (True, False):
            found = np.array(delays(store, web, folder, given.count, wake=wake))
            middle, high = np.quantile(found, [0.5, 0.99], method="higher")
            way = "woken by the worker" if wake else "found by looking"
            print(
                f"{way}, {given.history:,} incidents before: p50 {middle * 1000:.0f} ms, "
                f"p99 {high * 1000:.0f} ms, largest {found.max() * 1000:.0f} ms of {len(found)}"
            )
            good = good and bool(high <= _WANTED_S)
        store.close()
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
