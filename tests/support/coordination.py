"""The way from events to meetings on a real store, without a broker: every step in hand.

`Flow` has the partitions of usage.events, the topic of signals as lists of messages, and the
partitions of usage.signals. Tests decide what is fetched, delivered, lost, doubled, and who dies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from streams.coordination.context import SignalsContext
from streams.coordination.partition import SignalsPartition
from streams.coordination.sender import Outbox
from streams.events.decode import Messages
from streams.ingest.partition import Partition
from streams.storage.base import Store
from streams.traffic.partition import Partitioner
from tests.support.partitions import context

__all__ = ["START", "Flow", "meetings", "traffic"]

START = 1_700_000_000_000
_LATENESS_MS = 2000


def traffic(seconds: int = 600, accounts: int = 40, seed: int = 3) -> list[dict[str, Any]]:
    """Events in order of arrival: shared and own signals, some late, a few much too late."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(accounts * seconds // 20):
        account = int(rng.integers(accounts))
        ts = START + int(rng.integers(seconds * 1000))
        late = int(rng.integers(100_000)) if rng.random() < 0.1 else 0
        event = {
            "event_id": f"e{number}",
            "ts": ts,
            "account_id": f"account-{account:03d}",
            "ip_hash": f"ip-{rng.integers(accounts)}",
            "network": f"net-{account % 5}",
            "template": f"{rng.integers(60):x}",
            "bands": [f"{rng.integers(30):x}" for _ in range(rng.integers(3))],
            "user_agent": "curl" if rng.random() < 0.3 else "",
            "account_created_at": START - 3_600_000 * (account % 3) if account % 4 else 0,
            "source": "advert" if account % 2 else "",
        }
        found.append((ts + late, event))
    found.sort(key=lambda item: (item[0], item[1]["event_id"]))
    return [event for _, event in found]


def meetings(store: Store, where: str = "") -> bytes:
    """Everything stored of meetings, comparable."""
    sql = f"SELECT * EXCEPT stored_at FROM coordination_meetings {where} ORDER BY ALL"
    return msgspec.json.encode(store.query(sql).to_pylist(), enc_hook=str)


class Flow:
    """`sources` partitions of events and `partitions` of signals over one store."""

    def __init__(
        self,
        store: Store,
        sources: int = 3,
        partitions: int = 2,
        stream_id: str = "stream-1",
        **changed: Any,
    ) -> None:
        self.store = store
        self.stream_id = stream_id
        self.counts = sources, partitions
        given: dict[str, Any] = {
            "store": store,
            "topic": "usage.events",
            "stream_id": stream_id,
            "sources": sources,
            "partitions": partitions,
            "replay": True,
            "worker": "test",
            "slack_ms": 7000,
            "snapshot_every_s": 3600.0,
            "lease_s": 3600.0,
        }
        self.context = SignalsContext(**(given | changed))
        self.log: list[list[bytes]] = [[] for _ in range(sources)]
        self.topic: list[list[bytes]] = [[] for _ in range(partitions)]
        self.now = 0.0
        self.sources = [self.source(number) for number in range(sources)]
        self.outboxes: list[Outbox | None] = [None] * sources
        self.readers = [self.reader(number) for number in range(partitions)]

    def source(self, number: int) -> Partition:
        """A partition of usage.events taken over by a new worker."""
        return Partition(context(self.store, self.stream_id), number)

    def reader(self, number: int) -> SignalsPartition:
        """A partition of usage.signals taken over by a new worker."""
        return SignalsPartition(self.context, number, self.now)

    def produce(self, events: Sequence[dict[str, Any]], lines: int = 5) -> None:
        """Events into the partitions of their accounts, some lines to a message."""
        names = [event["account_id"] for event in events]
        places = Partitioner(self.counts[0]).assign(names)
        for source in range(self.counts[0]):
            mine = [msgspec.json.encode(events[n]) for n in np.flatnonzero(places == source).tolist()]
            self.log[source] += [
                b"\n".join(mine[at : at + lines]) for at in range(0, len(mine), lines)
            ]

    def seal(self, until_ms: int) -> None:
        """Event time passes in every source."""
        for log in self.log:
            log.append(b'{"heartbeat": %d}' % (until_ms + _LATENESS_MS))

    def fetch(self, source: int, messages: int) -> bool:
        """A worker stores a fetch and sends its signals; False when there is nothing to read."""
        part = self.sources[source]
        first = part.marker
        values = self.log[source][first : first + messages]
        if not values:
            return False
        offsets = range(first, first + len(values))
        batch = part.prepare(Messages(values, offsets, [0] * len(values)), offsets[-1] + 1)
        part.commit(batch)
        self.send(part, batch.rows, first, offsets[-1] + 1)
        return True

    def send(self, part: Partition, rows: Any, first: int, until: int) -> None:
        """What ingest does after the marker."""
        outbox = self.outboxes[part.number]
        if outbox is None:
            outbox = Outbox(self.stream_id, part.number, self.counts[1], self.context.kinds, first)
            self.outboxes[part.number] = outbox
        for number, value in outbox.messages(rows, until, part.watermark.value, part.since):
            self.topic[number].append(value)

    def deliver(self, number: int, messages: int | None = None) -> None:
        """A reader takes the next messages of its partition."""
        for value in self.topic[number][:messages]:
            self.readers[number].take(value, self.now)
        del self.topic[number][:messages]

    def run(self, messages: int = 20) -> None:
        """Everything, in order, undisturbed."""
        more = True
        while more:
            fetched = [self.fetch(source, messages) for source in range(self.counts[0])]
            more = any(fetched)
            for number in range(self.counts[1]):
                self.deliver(number)
                self.readers[number].advance(self.now)
