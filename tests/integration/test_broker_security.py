"""TLS and SASL by settings alone, on a real Kafka, for both clients the product uses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import faust
import kafka
import pytest

from streams.broker import admin
from streams.broker.connection import faust_arguments, kafka_arguments
from streams.errors import BrokerUnavailable, UsageError
from streams.settings import Settings
from tests.support.fixtures import require_kafka
from tests.support.kafka import RealKafka

pytestmark = pytest.mark.kafka

TOPIC = "secured"
PASSWORD = "wonderland-7"
SASL = {"broker_user": "alice", "broker_password": PASSWORD}


@pytest.fixture(scope="module")
def secured() -> Iterator[RealKafka]:
    require_kafka()
    with RealKafka(
        partitions=1,
        listeners=("SSL", "SASL_PLAINTEXT", "SASL_SSL"),
        users={"alice": PASSWORD},
        client_certificates=True,
    ) as broker:
        broker.create_topic(TOPIC)
        yield broker


def _settings(broker: RealKafka, protocol: str, **more: Any) -> Settings:
    values: dict[str, Any] = {"broker": broker.address(protocol), "broker_security": protocol}
    if protocol.endswith("SSL"):
        values["broker_ca_file"] = str(broker.certificates.authority)
    if protocol == "SSL":
        values["broker_cert_file"] = str(broker.certificates.client_certificate)
        values["broker_key_file"] = str(broker.certificates.client_key)
    return Settings(topic=TOPIC, **(values | more))


CONNECTIONS = [
    ("PLAINTEXT", {}),
    ("SSL", {}),
    ("SASL_PLAINTEXT", {**SASL, "broker_sasl_mechanism": "SCRAM-SHA-512"}),
    ("SASL_SSL", {**SASL, "broker_sasl_mechanism": "SCRAM-SHA-256"}),
    ("SASL_SSL", {**SASL, "broker_sasl_mechanism": "PLAIN"}),
]


@pytest.mark.parametrize(("protocol", "more"), CONNECTIONS)
def test_kafka_python_writes_and_faust_reads(
    secured: RealKafka, protocol: str, more: dict[str, str], tmp_path: Path
) -> None:
    settings = _settings(secured, protocol, **more)
    value = f"{protocol} {more.get('broker_sasl_mechanism', '')}".encode()
    producer = kafka.KafkaProducer(**kafka_arguments(settings))
    try:
        producer.send(TOPIC, value).get(10)
    finally:
        producer.close()
    assert admin.ping(settings).brokers == (secured.address(protocol),)
    assert value in asyncio.run(_read_with_faust(settings, value, tmp_path))


async def _read_with_faust(settings: Settings, last: bytes, directory: Path) -> list[bytes]:
    """Values of the topic up to `last`, as a Faust agent receives them."""
    app = faust.App(
        f"read-{directory.name}",
        **faust_arguments(settings),
        datadir=directory,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
    )
    topic = app.topic(TOPIC, value_serializer="raw", key_serializer="raw")
    received: list[bytes] = []
    done = asyncio.Event()

    @app.agent(topic)  # type: ignore[untyped-decorator, unused-ignore]
    async def read(stream: Any) -> None:
        async for value in stream:
            received.append(value)
            if value == last:
                done.set()

    await app.start()
    try:
        await asyncio.wait_for(done.wait(), 30)
    finally:
        await app.stop()
    return received


def test_an_authority_that_did_not_sign_is_told(secured: RealKafka) -> None:
    stranger = str(secured.certificates.stranger)
    settings = _settings(secured, "SSL", broker_ca_file=stranger)
    with pytest.raises(BrokerUnavailable, match="certificate is not trusted") as caught:
        admin.ping(settings)
    assert secured.address("SSL") in str(caught.value)


def test_a_missing_client_certificate_is_told(secured: RealKafka) -> None:
    settings = _settings(secured, "SSL", broker_cert_file="", broker_key_file="")
    with pytest.raises(BrokerUnavailable, match="wants a certificate it trusts"):
        admin.ping(settings)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_wrong_password_is_told_without_repeating_it(secured: RealKafka, mechanism: str) -> None:
    settings = _settings(
        secured,
        "SASL_SSL",
        broker_user="alice",
        broker_password="looking-glass",
        broker_sasl_mechanism=mechanism,
    )
    with pytest.raises(UsageError, match="refuses user 'alice': Authentication failed") as caught:
        admin.ping(settings)
    assert "looking-glass" not in str(caught.value)


def test_the_wrong_kind_of_port_is_told(secured: RealKafka) -> None:
    tls = _settings(secured, "SASL_SSL", **SASL)
    with pytest.raises(BrokerUnavailable, match="no TLS connection"):
        admin.ping(replace(tls, broker=secured.bootstrap))
    with pytest.raises(BrokerUnavailable, match="is broker_security right for that port"):
        admin.ping(Settings(broker=secured.address("SASL_SSL")))
