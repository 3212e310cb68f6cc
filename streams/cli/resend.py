"""Sends the bytes of dead letters to the topic again and records that, for `pulse dead-letters`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from streams.settings import Settings

__all__ = ["record", "send"]

TIMEOUT_S = 30.0
LARGEST = 8 * 1024**2
#: Spoken by every broker from 2.3 on and by the embedded one, which cannot be asked what it speaks.
API_VERSION = (2, 3)


def send(settings: Settings, contents: Sequence[bytes]) -> list[tuple[int, int]]:
    """Send each as one message; partition and offset of each, once the broker has them all.

    Raises:
        BrokerUnavailable: not all were taken.
    """
    from kafka import KafkaProducer
    from kafka.errors import KafkaError

    from streams.broker.connection import kafka_arguments, quiet
    from streams.broker.diagnosis import check, unreachable

    quiet()
    check(settings)
    try:
        arguments = {"api_version": API_VERSION, **kafka_arguments(settings)}
        producer = KafkaProducer(
            **arguments, acks="all", max_request_size=LARGEST, max_block_ms=10_000
        )
        try:
            sent = [
                producer.send(settings.topic, value=content, key=_key(content))
                for content in contents
            ]
            producer.flush(TIMEOUT_S)
            done = [future.get(TIMEOUT_S) for future in sent]
        finally:
            producer.close(TIMEOUT_S)
    except KafkaError:
        raise unreachable(settings) from None
    return [(metadata.partition, metadata.offset) for metadata in done]


def _key(content: bytes) -> bytes | None:
    """The account, so that the event meets the account's others; None when it cannot be told."""
    try:
        event = json.loads(content.split(b"\n", 1)[0])
    except ValueError:
        return None
    account = event.get("account_id") if isinstance(event, dict) else None
    return account.encode() if isinstance(account, str) and account else None


def record(settings: Settings, letters: list[str], by: str) -> None:
    """Remember that `letters` were sent again, here or through the owner of the directory."""
    from streams.cli.opening import here_or_by_owner
    from streams.storage.readers import record_retries
    from streams.storage.socket import tell_retried

    here_or_by_owner(
        settings,
        lambda store: record_retries(store, letters, by),
        lambda path: tell_retried(path, letters, by),
    )
