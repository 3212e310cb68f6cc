"""`pulse worker` from a real Kafka to a store behind TCP: exact, whatever comes and goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from streams.broker import admin
from streams.storage.server_store import ServerStore
from tests.chaos.fuzz import accounted
from tests.chaos.garbage import cases
from tests.integration.pipeline import Pipeline, event, pipeline
from tests.support.kafka import RealKafka
from tests.support.worker import wait_until

pytestmark = [
    pytest.mark.kafka,
    # kafka-python reads its message definitions with functions that Python 3.11 deprecates.
    pytest.mark.filterwarnings("ignore:(open|read)_text is deprecated"),
]


@pytest.fixture
def flow(real_kafka: RealKafka, tmp_path: Path) -> Iterator[Pipeline]:
    with pipeline(real_kafka, tmp_path) as made:
        yield made


def test_events_of_every_codec_are_stored_committed_and_the_worker_stops_within_five_seconds(
    flow: Pipeline,
) -> None:
    with flow.worker(coordination=True) as worker:
        for codec in (None, "lz4", "zstd", "snappy", "gzip"):
            flow.produce(1000, compression_type=codec)
        flow.produce(500, lines=1)
        flow.await_all()
        seconds, code = worker.terminate()
    assert (code, seconds < 5.0) == (0, True), (code, seconds, worker.said())
    assert all(row.committed == row.end for row in admin.lag(flow.settings))
    assert "Traceback" not in worker.said()
    (shared,) = flow.rows("SELECT DISTINCT partitions AS n FROM policy_log")
    assert shared["n"] == len(admin.lag(flow.settings))
    before = flow.rows("SELECT count() AS n FROM ingest_log")
    with flow.worker() as worker:
        wait_until(lambda: worker.announced, "the worker is back")
        time.sleep(1.0)
    assert flow.rows("SELECT count() AS n FROM ingest_log") == before
    flow.check()


def test_two_workers_share_and_a_third_may_join_and_leave(flow: Pipeline) -> None:
    with flow.worker("w1"):
        flow.produce(2000)
        with flow.worker("w2") as second:
            wait_until(lambda: second.announced, "w2 has joined")
            flow.produce(2000)
            wait_until(lambda: "w2" in _shares(flow), "w2 has stored its share")
            flow.produce(1000)
            _, code = second.terminate()
            assert code == 0, second.said()
            flow.produce(2000)
            flow.await_all()
    assert sum(_shares(flow).values()) == flow.sent["events"]


def _shares(flow: Pipeline) -> dict[str, int]:
    rows = flow.rows("SELECT worker, sum(stored) AS n FROM ingest_log GROUP BY worker")
    return {_text(row["worker"]): int(row["n"]) for row in rows}


def test_a_worker_killed_in_the_middle_of_a_batch_is_made_good_by_the_next(flow: Pipeline) -> None:
    flow.produce(3000)
    flow.server.orders(slow_insert=0.2)
    with flow.worker(coordination=True) as worker:
        for number in range(2):
            done = flow.stored()
            wait_until(
                lambda done=done: flow.stored() > done, "rows without their marker", 30, 0.02
            )
            worker.kill()
            flow.produce(500)
            if number == 1:
                flow.server.orders()
            worker.start()
        flow.await_all()


def test_garbage_through_kafka_is_accounted_for_and_stands_in_its_topic(flow: Pipeline) -> None:
    sent = dict(enumerate(cases(2000, seed=5)))
    flow.send(case.value for case in sent.values())
    with flow.worker() as worker:
        wait_until(lambda: flow.lag() == 0, "all of it read")
        assert worker.running
    with closing(ServerStore(flow.server.url)) as store:
        assert accounted(store, sent) == []
    letters = flow.rows("SELECT letter_id, kafka_offset, line, reason, bytes FROM dead_letters")
    records = {record.key.decode(): record for record in flow.dead_letter_records()}
    assert set(records) == {_text(row["letter_id"]) for row in letters}
    for row in letters:
        record = records[_text(row["letter_id"])]
        headers = dict(record.headers)
        assert (record.value or b"") == row["bytes"]
        assert headers["reason"].decode() == row["reason"]
        place = f"{flow.settings.topic}/0/{row['kafka_offset']}/{row['line']}"
        assert headers["place"].decode() == place


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def test_a_message_larger_than_a_mebibyte_is_a_dead_letter_and_stops_nothing(
    flow: Pipeline,
) -> None:
    large = b"\n".join(event(number, blob="x" * 50_000) for number in range(30))
    assert len(large) > 1_400_000
    flow.send([event(1), large, event(2)])
    with flow.worker():
        wait_until(lambda: flow.lag() == 0, "the large message is behind us")
    assert flow.stored() == 2
    (letter,) = flow.rows("SELECT reason, length(bytes) AS size FROM dead_letters")
    assert letter == {"reason": "message_too_large", "size": len(large)}
    (record,) = flow.dead_letter_records()
    assert record.value == large


def test_a_topic_made_again_starts_from_its_beginning_and_knows_the_events(flow: Pipeline) -> None:
    flow.send(map(event, range(1000)), partition=1)  # an event and its duplicate share a partition
    flow.sent.update(events=1000, prompt_tokens=sum(range(1000)))
    with flow.worker() as worker:
        flow.await_all()
        worker.terminate()
    flow.broker.delete_topic(flow.settings.topic)
    admin.create_topics(flow.settings, partitions=2)
    flow.send(map(event, range(900, 1050)), partition=1)
    flow.sent.update(events=50, prompt_tokens=sum(range(1000, 1050)))
    with flow.worker():
        wait_until(lambda: flow.stored() >= flow.sent["events"], "the new events are stored")
        time.sleep(1.0)
    flow.check()
    streams = flow.rows("SELECT uniqExact(stream_id) AS n FROM ingest_log")
    assert streams == [{"n": 2}]
