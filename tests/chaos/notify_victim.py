"""The process that `tests.chaos.notify` kills: a notifier on an embedded store, and incidents that
come in beside it, as the fold writes them.

`python -m tests.chaos.notify_victim DATA POLICY FIRST COUNT PACE_MS` stores incidents numbered from
FIRST on until there are COUNT, prints the number and time of each when it is stored, and ends when
every message has arrived.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from streams.alerting.notify.agent import NotifierAgent
from streams.alerting.notify.notifier import Timing
from streams.policy.load import parse
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.support.notifying import DAY, incident, put

__all__ = ["name_of"]

#: A killed process is gone for sure, so what it was sending is taken up soon.
LEASE_MS = 500


def name_of(number: int) -> str:
    """The incident of this number."""
    return f"incident-{number:05}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def main() -> None:
    """The process."""
    data, file = Path(sys.argv[1]), Path(sys.argv[2])
    first, count, pace = (int(text) for text in sys.argv[3:6])
    store = ChdbStore(data)
    migrate(store)
    policy = parse(file.read_text(encoding="utf-8"), str(file), today=DAY)
    timing = Timing(lease=LEASE_MS, first_wait=200)
    spool = data.parent / "outgoing"
    agent = NotifierAgent(store, lambda: policy, _now_ms, lambda: True, str, timing, spool)
    agent.start()
    thread = threading.Thread(target=_insert, args=(store, agent, first, count, pace))
    thread.start()
    thread.join()
    undone = "SELECT count() AS n FROM notifications WHERE state NOT IN ('sent', 'silenced')"
    told = "SELECT uniqExact(incident_id) AS n FROM notifications WHERE state = 'sent'"
    while _number(store, undone) or _number(store, told) < count:
        time.sleep(0.1)
    agent.close()
    store.close()


def _insert(store: ChdbStore, agent: NotifierAgent, first: int, count: int, pace: int) -> None:
    for number in range(first, count):
        at = _now_ms()
        put(store, [incident(name_of(number), started_at=at, last_seen_at=at)], at)
        print(number, time.monotonic(), flush=True)
        agent.wake()
        time.sleep(pace / 1000)


def _number(store: ChdbStore, sql: str) -> int:
    return int(store.query(sql).column("n")[0].as_py())


if __name__ == "__main__":
    main()
