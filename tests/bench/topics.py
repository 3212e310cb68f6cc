"""Topics of the benchmarks, filled by kafka-python before anything is measured."""

from __future__ import annotations

from collections.abc import Iterable

from kafka import KafkaConsumer, TopicPartition

from streams.traffic.batch import Batch
from streams.traffic.send import Sender
from tests.support.kafka import RealKafka

__all__ = ["ends", "fill"]


def fill(
    kafka: RealKafka, topic: str, batches: Iterable[Batch], *, events_per_message: int
) -> dict[str, object]:
    """Create `topic`, send `batches`; the order a measured process takes to drain it."""
    kafka.create_topic(topic)
    with Sender(
        {"bootstrap_servers": kafka.bootstrap}, topic, events_per_message=events_per_message
    ) as sender:
        progress = sender.send(batches)
    return {
        "broker": kafka.bootstrap,
        "topic": topic,
        "events": progress.events,
        "ends": ends(kafka, topic),
    }


def ends(kafka: RealKafka, topic: str) -> dict[str, int]:
    """Next offset of every partition."""
    consumer = KafkaConsumer(bootstrap_servers=kafka.bootstrap)
    try:
        parts = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic)]
        return {str(tp.partition): end for tp, end in consumer.end_offsets(parts).items()}
    finally:
        consumer.close()
