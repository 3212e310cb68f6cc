"""Measured process: from the row of an alert to the channel's yes.

A notifier at work on an embedded store that already holds many incidents and messages, with real
HTTP on loopback. Once as in the worker, which wakes the notifier when it has stored an alert, and
once as for rows that other workers write, which are found by looking. `history` incidents stand
there before, `count` come a way.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from streams.alerting.notify.agent import NotifierAgent
from streams.policy.load import parse
from streams.storage.base import Store
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.bench.measure import order, report
from tests.support.notifying import DAY, channel, incident, put
from tests.support.receivers import Hook, hook

_ROUTE = '[[routes]]\nname = "all"\nchannel = "hook"\n'


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def delays(store: Store, web: Hook, folder: Path, count: int, *, wake: bool) -> list[float]:
    """Seconds from a stored incident to its message, for `count` of them at random moments."""
    text = channel(folder, "hook", web.address()) + _ROUTE
    policy = parse(text, "policy.toml", today=DAY)
    given = (store, lambda: policy, _now_ms, lambda: True, str)
    agent = NotifierAgent(*given, spool=folder / "outgoing")
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


def _main() -> None:
    what = order()
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name, hook() as web:
        folder = Path(name)
        store = ChdbStore(folder / "data")
        migrate(store)
        _history(store, int(what["history"]))
        for way, wake in (("woken", True), ("found", False)):
            took = np.array(delays(store, web, folder, int(what["count"]), wake=wake))
            middle, high = np.quantile(took, [0.5, 0.99], method="higher").tolist()
            found[way] = {"p50_s": middle, "p99_s": high, "largest_s": float(took.max())}
        store.close()
    report(found)


if __name__ == "__main__":
    _main()
