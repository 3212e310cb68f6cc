"""Two workers on a real Kafka make the same meetings as one process that nobody disturbed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pytest

from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from streams.storage.server_store import ServerStore
from streams.traffic.partition import Partitioner
from tests.integration.pipeline import Pipeline, pipeline
from tests.support.coordination import START, Flow, meetings, traffic
from tests.support.kafka import RealKafka
from tests.support.worker import wait_until

pytestmark = [
    pytest.mark.kafka,
    # kafka-python reads its message definitions with functions that Python 3.11 deprecates.
    pytest.mark.filterwarnings("ignore:(open|read)_text is deprecated"),
]

_TRAFFIC = traffic(seconds=240, accounts=20)
_END = START + 420_000
_CLOSED = (
    "SELECT signals_partition AS s, toInt64(toUnixTimestamp64Milli(max(slot))) AS slot "
    "FROM coordination_log WHERE done GROUP BY s ORDER BY s"
)


@pytest.fixture
def flow(real_kafka: RealKafka, tmp_path: Path) -> Iterator[Pipeline]:
    with pipeline(real_kafka, tmp_path) as made:
        yield made


def _messages(partitions: int) -> list[list[bytes]]:
    places = Partitioner(partitions).assign([event["account_id"] for event in _TRAFFIC])
    parts = []
    for number in range(partitions):
        mine = [msgspec.json.encode(_TRAFFIC[n]) for n in np.flatnonzero(places == number).tolist()]
        parts.append([b"\n".join(mine[at : at + 5]) for at in range(0, len(mine), 5)])
    return parts


def test_two_workers_of_which_one_is_killed_make_the_meetings_of_one_undisturbed(
    flow: Pipeline, tmp_path: Path
) -> None:
    parts = _messages(2)
    rng = random.Random(2)
    watch = {"coordination": True}
    with flow.worker("w1", **watch) as first, flow.worker("w2", **watch) as second:
        wait_until(lambda: first.announced and second.announced, "both have joined")
        while any(parts):
            for number, part in enumerate(parts):
                count = rng.randint(1, 12)
                flow.send(part[:count], number)
                del part[:count]
            if second.running and sum(map(len, parts)) < 40:
                wait_until(lambda: bool(flow.rows(_CLOSED)), "some slots are closed")
                second.kill()
                second.start()
        for number in range(2):
            flow.send([b'{"heartbeat": %d}' % (_END + 2000)], number)
        ends = [{"s": s, "slot": _END // 30_000 * 30_000} for s in range(2)]
        wait_until(lambda: flow.rows(_CLOSED) == ends, "all slots are closed")
        assert "Traceback" not in first.said() + second.said()
    with closing(ServerStore(flow.server.url)) as store:
        found = meetings(store)
    with closing(ChdbStore(tmp_path / "undisturbed")) as store:
        migrate(store)
        alone = Flow(store, sources=2, partitions=2)
        alone.produce(_TRAFFIC)
        alone.seal(_END)
        alone.run()
        assert meetings(store) == found
        assert found.count(b'"kind":"template"') > 100
