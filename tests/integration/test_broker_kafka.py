"""Topics, lag and stream identity on a real Kafka, and what survives its end."""

from __future__ import annotations

import time
from dataclasses import replace
from uuid import uuid4

import kafka
import pytest

from streams.broker import admin
from streams.broker.connection import kafka_arguments
from streams.errors import BrokerUnavailable, UsageError
from streams.settings import Settings
from tests.support.fixtures import require_kafka
from tests.support.kafka import RealKafka

pytestmark = pytest.mark.kafka


def _settings(broker: RealKafka) -> Settings:
    """Topics and group of this test alone."""
    name = uuid4().hex[:8]
    return Settings(
        broker=broker.bootstrap,
        topic=f"events-{name}",
        dead_letter_topic=f"dlq-{name}",
        signals_topic=f"signals-{name}",
        group=f"group-{name}",
    )


def _send(settings: Settings, values: list[bytes], partition: int = 0) -> None:
    producer = kafka.KafkaProducer(**kafka_arguments(settings), acks="all")
    try:
        for future in [producer.send(settings.topic, v, partition=partition) for v in values]:
            producer.flush(10)
            future.get(10)
    finally:
        producer.close()


def _read(settings: Settings) -> list[bytes]:
    consumer = kafka.KafkaConsumer(
        settings.topic,
        **kafka_arguments(settings),
        auto_offset_reset="earliest",
        consumer_timeout_ms=3000,
    )
    try:
        return [message.value for message in consumer]
    finally:
        consumer.close()


def _commit(settings: Settings, offsets: dict[int, int]) -> None:
    with kafka.KafkaAdminClient(**kafka_arguments(settings)) as client:
        client.alter_group_offsets(
            settings.group,
            {
                kafka.TopicPartition(settings.topic, partition): kafka.OffsetAndMetadata(
                    offset, "", -1
                )
                for partition, offset in offsets.items()
            },
        )


def test_ping_names_the_cluster(real_kafka: RealKafka) -> None:
    found = admin.ping(_settings(real_kafka))
    assert found.brokers == (real_kafka.bootstrap,)
    assert found.cluster_id


def test_topics_are_created_once(real_kafka: RealKafka) -> None:
    settings = _settings(real_kafka)
    first = admin.create_topics(settings, partitions=3)
    assert first == [
        admin.TopicState(settings.topic, 3, True),
        admin.TopicState(settings.dead_letter_topic, 3, True),
        admin.TopicState(settings.signals_topic, 3, True),
    ]
    assert admin.partitions(settings) == {settings.topic: 3, settings.signals_topic: 3}
    again = admin.create_topics(settings, partitions=5)
    assert [(state.partitions, state.created) for state in again] == [(3, False)] * 3


def test_a_topic_that_is_missing_has_no_partitions(real_kafka: RealKafka) -> None:
    settings = _settings(real_kafka)
    assert admin.partitions(settings) == {settings.topic: 0, settings.signals_topic: 0}


def test_a_topic_takes_messages_of_one_mebibyte(real_kafka: RealKafka) -> None:
    settings = _settings(real_kafka)
    admin.create_topics(settings, partitions=1)
    producer = kafka.KafkaProducer(**kafka_arguments(settings), max_request_size=2**21)
    try:
        assert producer.send(settings.topic, b"x" * 2**20).get(10).offset == 0
    finally:
        producer.close()


def test_what_kafka_refuses_is_told_in_its_words(real_kafka: RealKafka) -> None:
    settings = _settings(real_kafka)
    with pytest.raises(UsageError, match=r"only 1 broker\(s\) are registered"):
        admin.create_topics(settings, partitions=1, replication=3)
    with pytest.raises(UsageError, match="Topic name is invalid"):
        admin.create_topics(replace(settings, topic="usage events"), partitions=1)


def test_lag_counts_what_is_not_committed(real_kafka: RealKafka) -> None:
    settings = _settings(real_kafka)
    admin.create_topics(settings, partitions=2)
    _send(settings, [b"x"] * 10, partition=0)
    _send(settings, [b"x"] * 5, partition=1)
    assert admin.lag(settings) == [
        admin.Lag(settings.topic, 0, None, 10, 10),
        admin.Lag(settings.topic, 1, None, 5, 5),
    ]
    _commit(settings, {0: 7, 1: 5})
    assert admin.lag(settings) == [
        admin.Lag(settings.topic, 0, 7, 10, 3),
        admin.Lag(settings.topic, 1, 5, 5, 0),
    ]


def test_lag_leaves_out_what_retention_removed(real_kafka: RealKafka) -> None:
    settings = _settings(real_kafka)
    admin.create_topics(settings, partitions=1)
    _send(settings, [b"x"] * 10)
    _commit(settings, {0: 2})
    with kafka.KafkaAdminClient(**kafka_arguments(settings)) as client:
        client.delete_records({kafka.TopicPartition(settings.topic, 0): 6})
    assert admin.lag(settings) == [admin.Lag(settings.topic, 0, 2, 10, 4)]


def test_a_topic_that_is_missing_is_named_with_the_way_out(real_kafka: RealKafka) -> None:
    settings = _settings(real_kafka)
    for ask in (admin.lag, lambda s: admin.stream_id(s, s.topic)):
        with pytest.raises(UsageError, match="pulse topics create") as caught:
            ask(settings)
        assert settings.topic in str(caught.value)
        assert real_kafka.bootstrap in str(caught.value)


def test_a_topic_made_again_is_another_stream(real_kafka: RealKafka) -> None:
    settings = _settings(real_kafka)
    admin.create_topics(settings, partitions=1)
    first = admin.stream_id(settings, settings.topic)
    assert admin.stream_id(settings, settings.topic) == first
    assert admin.stream_id(settings, settings.dead_letter_topic) != first
    real_kafka.delete_topic(settings.topic)
    admin.create_topics(settings, partitions=1)
    assert admin.stream_id(settings, settings.topic) != first


@pytest.mark.slow
def test_a_killed_and_a_stopped_broker_keep_data_offsets_and_identity() -> None:
    require_kafka()
    with RealKafka(partitions=1) as broker:
        settings = _settings(broker)
        admin.create_topics(settings, partitions=1)
        stream = admin.stream_id(settings, settings.topic)
        _send(settings, [b"before the kill"])
        admin.lag(settings)  # waits until the new cluster has a coordinator
        _commit(settings, {0: 1})

        broker.kill()
        with pytest.raises(BrokerUnavailable, match="connection refused") as caught:
            admin.ping(settings)
        assert broker.bootstrap in str(caught.value)

        broker.start()
        _send(settings, [b"after the kill"])
        broker.stop()
        before = time.monotonic()
        broker.start()
        assert time.monotonic() - before < 10.0
        assert _read(settings) == [b"before the kill", b"after the kill"]
        assert admin.lag(settings) == [admin.Lag(settings.topic, 0, 1, 2, 1)]
        assert admin.stream_id(settings, settings.topic) == stream
