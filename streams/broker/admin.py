"""Topics, lag and the identity of a stream, asked of the broker by the command line and the worker.

kafka-python answers; its errors become ours here, each with the broker's address. Every function
takes the address of the `embedded` broker for when the settings name none.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from kafka import KafkaAdminClient, TopicPartition, errors
from kafka.admin import OffsetSpec

from streams.broker.connection import kafka_arguments, named
from streams.broker.diagnosis import check, unreachable
from streams.errors import BrokerUnavailable, PulseError, UsageError
from streams.settings import Settings

__all__ = ["Broker", "Lag", "TopicState", "create_topics", "lag", "partitions", "ping", "stream_id"]

#: A message of 1 MiB, the most we take, with its framing; a dead letter repeats it with a reason.
MAX_MESSAGE_BYTES = 2 * 1024 * 1024

_CONNECT_MS = 5_000
_REQUEST_MS = 15_000
_NO_ID = "00000000-0000-0000-0000-000000000000"

_FORBIDDEN = (
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
)
_LOST = (
    errors.KafkaConnectionError,
    errors.KafkaTimeoutError,
    errors.KafkaProtocolError,
    errors.NodeNotReadyError,
    errors.RequestTimedOutError,
)


_NOT_YET = (
    errors.CoordinatorNotAvailableError,
    errors.CoordinatorLoadInProgressError,
    errors.NotCoordinatorError,
)


class Broker(NamedTuple):
    """What answers at the address."""

    cluster_id: str
    brokers: tuple[str, ...]


class TopicState(NamedTuple):
    """One of our topics after `create_topics`; an existing one is left as it is."""

    name: str
    partitions: int
    created: bool


class Lag(NamedTuple):
    """One partition: first offset not yet committed (None before the first commit), and the end."""

    topic: str
    partition: int
    committed: int | None
    end: int
    lag: int


def ping(settings: Settings, embedded: str = "") -> Broker:
    """The cluster that answers at the broker's address.

    Raises:
        BrokerUnavailable: it cannot be reached.
        UsageError: it refuses these credentials.
    """
    with _client(settings, embedded) as client:
        cluster = client.describe_cluster()
    brokers = tuple(f"{broker['host']}:{broker['port']}" for broker in cluster["brokers"])
    return Broker(str(cluster["cluster_id"]), brokers)


def create_topics(settings: Settings, partitions: int, replication: int = 1) -> list[TopicState]:
    """Creates the topics of events, dead letters and signals where they do not exist yet.

    What stands in the topic of signals is in the store as well, so it is kept for an hour only.

    Raises:
        BrokerUnavailable: the broker cannot be reached.
        UsageError: it refuses, for instance fewer brokers than `replication`.
    """
    if not settings.broker:
        raise UsageError("the embedded broker makes its topics itself: set PULSE_BROKER to a Kafka")
    names = (settings.topic, settings.dead_letter_topic, settings.signals_topic)

    def wanted(name: str) -> dict[str, Any]:
        configs = {"max.message.bytes": str(MAX_MESSAGE_BYTES)}
        if name == settings.signals_topic:
            configs |= {"retention.ms": "3600000", "segment.ms": "600000"}
        return {
            "num_partitions": partitions,
            "replication_factor": replication,
            "configs": configs,
        }

    with _client(settings) as client:
        existing = _partitions(client, names)
        missing = [name for name in names if name not in existing]
        if missing:
            answer = client.create_topics(
                {name: wanted(name) for name in missing}, raise_errors=False
            )
            for topic in answer["topics"]:
                _accept(topic, named(settings))
            client.wait_for_topics(missing)
        counts = {name: len(found) for name, found in _partitions(client, names).items()}
    return [TopicState(name, counts.get(name, 0), name in missing) for name in names]


def partitions(settings: Settings, embedded: str = "") -> dict[str, int]:
    """Partitions of the topics of events and signals; none of a topic that does not exist.

    Raises:
        BrokerUnavailable: the broker cannot be reached.
        UsageError: it refuses these credentials.
    """
    names = (settings.topic, settings.signals_topic)
    with _client(settings, embedded) as client:
        found = _partitions(client, names)
    return {name: len(found.get(name, ())) for name in names}


def lag(settings: Settings, embedded: str = "") -> list[Lag]:
    """How far the workers' group is behind, for each partition of the events topic.

    Raises:
        BrokerUnavailable: the broker cannot be reached.
        UsageError: the topic does not exist.
    """
    topic = settings.topic
    with _client(settings, embedded) as client:
        numbers = _partitions(client, (topic,)).get(topic)
        if numbers is None:
            raise _no_topic(settings, embedded, topic)
        places = [TopicPartition(topic, number) for number in numbers]
        group = _committed(client, settings.group, places)
        ends = client.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST))
        starts = client.list_partition_offsets(dict.fromkeys(places, OffsetSpec.EARLIEST))
    result = []
    for place in places:
        committed = group[place].offset if place in group and group[place].offset >= 0 else None
        end, start = ends[place].offset, starts[place].offset
        # What retention removed can no longer be read: it is lost, not waiting.
        waiting = end - max(start, committed if committed is not None else start)
        result.append(Lag(topic, place.partition, committed, end, max(0, waiting)))
    return result


def stream_id(settings: Settings, topic: str, embedded: str = "") -> str:
    """One life of a topic: cluster id, topic and topic id. Offsets compare within one id only.

    A topic deleted and made again has another topic id. Brokers before Kafka 2.8 tell none: there,
    the id is that of the cluster and the topic's name.

    Raises:
        BrokerUnavailable: the broker cannot be reached.
        UsageError: the topic does not exist.
    """
    with _client(settings, embedded) as client:
        cluster = client.describe_cluster()["cluster_id"]
        described = client.describe_topics([topic])[0]
    if described["error_code"] == errors.UnknownTopicOrPartitionError.errno:
        raise _no_topic(settings, embedded, topic)
    _raise_for(described["error_code"], settings, embedded)
    topic_id = str(described.get("topic_id") or _NO_ID)
    return f"{cluster}/{topic}" if topic_id == _NO_ID else f"{cluster}/{topic}/{topic_id}"


def _committed(client: Any, group: str, places: list[TopicPartition]) -> dict[Any, Any]:
    """Committed offsets by partition; a new cluster first has to make itself a coordinator."""
    deadline = time.monotonic() + _REQUEST_MS / 1000
    while True:
        try:
            return dict(client.list_group_offsets({group: places}).get(group, {}))
        except _NOT_YET:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _accept(topic: dict[str, Any], where: str) -> None:
    """Refuses an answer that is neither "created" nor "somebody else was faster"."""
    if topic["error_code"] not in (0, errors.TopicAlreadyExistsError.errno):
        reason = topic.get("error_message") or errors.for_code(topic["error_code"]).description
        raise UsageError(f"Kafka at {where} does not create topic {topic['name']}: {reason}")


def _partitions(client: Any, topics: tuple[str, ...]) -> dict[str, list[int]]:
    """Numbers of the partitions of those topics that exist."""
    return {
        described["name"]: sorted(part["partition_index"] for part in described["partitions"])
        for described in client.describe_topics(list(topics))
        if described["error_code"] == 0
    }


@contextmanager
def _client(settings: Settings, embedded: str = "") -> Iterator[Any]:
    """An administration client whose errors are ours."""
    arguments = kafka_arguments(settings, embedded)
    check(
        settings, embedded
    )  # at once and with the reason, where kafka-python tries until it times out
    try:
        with KafkaAdminClient(
            client_id="usage-pulse-admin",
            bootstrap_timeout_ms=_CONNECT_MS,
            request_timeout_ms=_REQUEST_MS,
            **arguments,
        ) as client:
            yield client
    except errors.KafkaError as error:
        raise _translated(error, settings, embedded) from None


def _translated(error: errors.KafkaError, settings: Settings, embedded: str) -> PulseError:
    where = named(settings, embedded)
    if isinstance(error, _FORBIDDEN):
        who = f"user {settings.broker_user!r}" if settings.broker_user else "an anonymous client"
        return UsageError(f"Kafka at {where} does not allow this to {who}: {_said(error)}")
    if isinstance(error, _LOST):
        return unreachable(settings, embedded)
    return BrokerUnavailable(f"Kafka at {where}: {_said(error)}")


def _raise_for(code: int, settings: Settings, embedded: str) -> None:
    if code:
        raise _translated(errors.for_code(code)(), settings, embedded)


def _no_topic(settings: Settings, embedded: str, topic: str) -> UsageError:
    where = named(settings, embedded)
    return UsageError(
        f"Kafka at {where} has no topic {topic}: create it with `pulse topics create`"
    )


def _said(error: errors.KafkaError) -> str:
    """The error in Kafka's words, without the name of a Python class where it brought some."""
    text = ": ".join(str(part) for part in error.args if part)
    return text or getattr(error, "description", "") or type(error).__name__
