"""A worker whose broker or store is away, slow, secured or refuses it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from streams.broker import admin
from tests.integration.pipeline import Pipeline, pipeline
from tests.support.clickhouse_server import ServerProcess
from tests.support.fixtures import require_kafka
from tests.support.kafka import RealKafka
from tests.support.worker import WorkerProcess, wait_until

pytestmark = [
    pytest.mark.kafka,
    # kafka-python reads its message definitions with functions that Python 3.11 deprecates.
    pytest.mark.filterwarnings("ignore:(open|read)_text is deprecated"),
]

PASSWORD = "wonderland-7"


@pytest.fixture(scope="module")
def own_kafka() -> Iterator[RealKafka]:
    """A broker that these tests may stop, with TLS and SASL listeners."""
    require_kafka()
    with RealKafka(
        listeners=("SSL", "SASL_PLAINTEXT", "SASL_SSL"), users={"alice": PASSWORD}
    ) as broker:
        yield broker


@pytest.fixture
def flow(own_kafka: RealKafka, tmp_path: Path) -> Iterator[Pipeline]:
    with pipeline(own_kafka, tmp_path) as made:
        yield made


def _without_traceback(worker: WorkerProcess) -> None:
    assert "Traceback" not in worker.said(), worker.said()


def test_a_store_that_is_down_at_the_start_is_waited_for_and_named(flow: Pipeline) -> None:
    flow.produce(500)
    flow.server.kill()
    with flow.worker() as worker:
        address = f"127.0.0.1:{flow.server.port}"
        wait_until(lambda: address in worker.said(), "the store's address is told")
        assert worker.running
        assert "trying again" in worker.said()
        flow.server.start()
        flow.await_all()
        _without_traceback(worker)


def _settled_memory(worker: WorkerProcess) -> int:
    """Once what loads in the background (compiled code, the senders of messages) is loaded."""
    known = [0]

    def steady() -> bool:
        known.append(worker.memory())
        time.sleep(1.0)
        return len(known) > 4 and max(known[-4:]) - min(known[-4:]) < 1 << 20

    wait_until(steady, "memory stands still", 40)
    return known[-1]


def test_a_store_that_refuses_drops_nothing_and_memory_stays_bounded(flow: Pipeline) -> None:
    with flow.worker(fetch_bytes=65536) as worker:
        flow.produce(500)
        flow.await_all()
        before = _settled_memory(worker)
        flow.server.orders(refuse_for=3600)
        flow.produce(80_000, lines=50, padding=1000)  # 88 MB, of which it may hold some fetches
        time.sleep(2.0)
        grown = worker.memory() - before
        assert grown < 24 << 20, f"grew by {grown >> 20} MiB"
        assert worker.running
        flow.server.orders()
        flow.await_all(90)
        _without_traceback(worker)


def test_sigterm_while_the_store_refuses_ends_within_five_seconds(flow: Pipeline) -> None:
    with flow.worker() as worker:
        flow.produce(500)
        wait_until(lambda: flow.stored() == 500, "it works")
        flow.server.orders(refuse_for=3600)
        flow.produce(500)
        time.sleep(1.5)
        seconds, code = worker.terminate()
        assert (code, seconds < 5.0) == (0, True), (code, seconds)
        _without_traceback(worker)
        flow.server.orders()
        worker.start()
        flow.await_all()


@pytest.mark.slow
def test_a_broker_stopped_for_twenty_seconds_is_waited_for(flow: Pipeline) -> None:
    with flow.worker() as worker:
        flow.produce(1000)
        flow.await_all()
        flow.broker.stop()
        time.sleep(20.0)
        assert worker.running, worker.said()
        flow.broker.start()
        flow.produce(1000)
        flow.await_all(90)
        assert worker.running
        _without_traceback(worker)


def _secured(flow: Pipeline, protocol: str, **more: object) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "broker": flow.broker.address(protocol),
        "broker_security": protocol,
    }
    if protocol.endswith("SSL"):
        settings["broker_ca_file"] = flow.broker.certificates.authority
    return settings | more


@pytest.mark.parametrize(
    ("protocol", "more"),
    [
        ("SSL", {}),
        ("SASL_SSL", {"broker_user": "alice", "broker_password": PASSWORD}),
    ],
)
def test_tls_and_scram_by_settings(flow: Pipeline, protocol: str, more: dict[str, str]) -> None:
    flow.produce(500)
    with flow.worker(**_secured(flow, protocol, **more)) as worker:
        flow.await_all()
        assert PASSWORD not in worker.said()


def test_a_wrong_password_is_one_line_with_the_address(flow: Pipeline) -> None:
    wrong: dict[str, Any] = {"broker_user": "alice", "broker_password": "guessed-9"}
    with flow.worker(**_secured(flow, "SASL_SSL", **wrong)) as worker:
        code = worker.wait()
    assert code in (1, 2)
    (line,) = worker.said().strip().splitlines()
    assert flow.broker.address("SASL_SSL") in line
    assert "alice" in line
    assert "guessed-9" not in line


def test_a_broker_that_is_away_at_the_start_is_named_and_waited_for(
    own_kafka: RealKafka, tmp_path: Path
) -> None:
    with (
        ServerProcess(tmp_path / "store") as server,
        WorkerProcess(tmp_path, broker="127.0.0.1:1", store=server.url) as worker,
    ):
        wait_until(lambda: "127.0.0.1:1" in worker.said(), "the broker's address is told")
        assert "trying again" in worker.said()
        assert worker.running


def test_a_topic_that_is_missing_ends_with_the_way_out(flow: Pipeline) -> None:
    with flow.worker(topic="nobody.made.this") as worker:
        assert worker.wait() in (1, 2)
    (line,) = worker.said().strip().splitlines()
    assert "nobody.made.this" in line
    assert "pulse topics create" in line


def test_a_broker_that_goes_away_while_a_worker_starts_is_waited_for(flow: Pipeline) -> None:
    with flow.worker() as worker:
        flow.produce(100)
        flow.await_all()
        worker.terminate()
        flow.broker.delete_topic(flow.settings.topic)
        admin.create_topics(flow.settings, partitions=2)
        # The worker asks the broker for the stream, then waits to note the new one in the store.
        flow.server.orders(slow_insert=6.0)
        said = len(worker.said())
        worker.start()
        time.sleep(4.0)
        flow.broker.kill()
        flow.server.orders()
        wait_until(lambda: "trying again" in worker.said()[said:], "it says what it waits for")
        assert flow.broker.bootstrap in worker.said()[said:]
        flow.broker.start()
        flow.produce(100)
        flow.await_all()
        assert worker.running
        _without_traceback(worker)


@pytest.fixture
def stranger(flow: Pipeline) -> Iterator[None]:
    """A member of the workers' group that shares partitions out in another way than they do."""

    async def stay(joined: threading.Event, leave: threading.Event) -> None:
        client = AIOKafkaConsumer(
            flow.settings.topic,
            bootstrap_servers=flow.broker.bootstrap,
            group_id=flow.settings.group,
        )
        await client.start()
        joined.set()
        while not leave.is_set():
            await asyncio.sleep(0.1)
        await client.stop()

    joined, leave = threading.Event(), threading.Event()
    thread = threading.Thread(target=asyncio.run, args=(stay(joined, leave),))
    thread.start()
    try:
        assert joined.wait(60)
        yield
    finally:
        leave.set()
        thread.join()


@pytest.mark.usefixtures("stranger")
def test_a_group_that_others_use_ends_the_worker_with_a_line(flow: Pipeline) -> None:
    with flow.worker() as worker:
        assert worker.wait() == 1
        (line,) = worker.said().splitlines()
        assert line.startswith(f"pulse: group {flow.settings.group}: ")
        assert "InconsistentGroupProtocol" in line


def test_the_watch_for_groups_may_be_switched_between_two_starts(flow: Pipeline) -> None:
    slots = "SELECT count() AS n FROM coordination_log"
    for watch in (False, True, False):
        with flow.worker(coordination=watch, session_timeout=6) as worker:
            before = flow.rows(slots)
            flow.produce(500)
            flow.await_all()
            if watch:
                wait_until(lambda b=before: flow.rows(slots) != b, "groups are looked for")
            assert worker.terminate()[1] == 0, worker.said()
            _without_traceback(worker)
