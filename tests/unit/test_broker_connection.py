"""Settings become connections: what is passed on, and what is refused with which line."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from streams.broker.connection import addresses, faust_arguments, kafka_arguments, named
from streams.broker.diagnosis import check, unreachable
from streams.errors import BrokerUnavailable, UsageError
from streams.settings import Settings
from tests.support.certificates import Certificates

PLAIN = Settings(broker="kafka-1:9093, kafka-2")
SCRAM = replace(
    PLAIN, broker_security="SASL_SSL", broker_user="alice", broker_password="wonderland-7"
)


def test_several_addresses_with_and_without_port() -> None:
    assert addresses(PLAIN) == [("kafka-1", 9093), ("kafka-2", 9092)]
    assert addresses(replace(PLAIN, broker="[::1]:9094,[::2]")) == [("::1", 9094), ("::2", 9092)]
    assert named(replace(PLAIN, broker="[::1]:9094")) == "[::1]:9094"


@pytest.mark.parametrize("text", ["kafka:port", "kafka:0", "kafka:70000", ":9092", "http://k:1"])
def test_an_address_that_is_none_is_named(text: str) -> None:
    with pytest.raises(UsageError, match="expected host:port") as caught:
        addresses(replace(PLAIN, broker=text))
    assert text in str(caught.value)


def test_the_embedded_broker_stands_in_only_when_no_broker_is_set() -> None:
    embedded = kafka_arguments(Settings(), "127.0.0.1:5")
    assert embedded == {"bootstrap_servers": ["127.0.0.1:5"], "api_version": (2, 3)}
    assert kafka_arguments(PLAIN, "127.0.0.1:5")["bootstrap_servers"] == [
        "kafka-1:9093",
        "kafka-2:9092",
    ]
    with pytest.raises(UsageError, match="PULSE_BROKER"):
        kafka_arguments(Settings())


def test_scram_over_tls_reaches_both_clients() -> None:
    arguments = kafka_arguments(SCRAM)
    assert arguments["security_protocol"] == "SASL_SSL"
    assert arguments["sasl_mechanism"] == "SCRAM-SHA-256"
    assert (arguments["sasl_plain_username"], arguments["sasl_plain_password"]) == (
        "alice",
        "wonderland-7",
    )
    auth = _aiokafka(SCRAM)
    assert auth["security_protocol"] == "SASL_SSL"
    assert auth["sasl_mechanism"] == "SCRAM-SHA-256"
    assert auth["sasl_plain_password"] == "wonderland-7"
    for context in (arguments["ssl_context"], auth["ssl_context"]):
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname


def test_faust_gets_one_url_a_broker_and_no_credentials_without_need() -> None:
    assert faust_arguments(PLAIN) == {"broker": ["kafka://kafka-1:9093", "kafka://kafka-2:9092"]}


def test_the_named_authority_is_the_one_trusted(tmp_path: Path) -> None:
    authority = Certificates(tmp_path).authority
    settings = replace(PLAIN, broker_security="SSL", broker_ca_file=str(authority))
    for context in (kafka_arguments(settings)["ssl_context"], _aiokafka(settings)["ssl_context"]):
        assert [found["serialNumber"] for found in context.get_ca_certs()] == [_serial(authority)]


def test_a_client_certificate_is_loaded_with_its_key(tmp_path: Path) -> None:
    made = Certificates(tmp_path)
    settings = replace(
        PLAIN,
        broker_security="SSL",
        broker_ca_file=str(made.authority),
        broker_cert_file=str(made.client_certificate),
    )
    with pytest.raises(UsageError, match="broker_cert_file"):
        kafka_arguments(settings)  # the key is not in that file
    kafka_arguments(replace(settings, broker_key_file=str(made.client_key)))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"broker_password": ""}, "broker_security is SASL_SSL, but broker_password is not set"),
        ({"broker_user": ""}, "broker_security is SASL_SSL, but broker_user is not set"),
        ({"broker_security": "SSL"}, "expected SASL_SSL or SASL_PLAINTEXT"),
        (
            {"broker_security": "SASL_PLAINTEXT", "broker_ca_file": "/ca"},
            "expected SSL or SASL_SSL",
        ),
        ({"broker_key_file": "/key"}, "broker_cert_file is not"),
        ({"broker_ca_file": "/no/such.pem"}, "broker_ca_file: /no/such.pem: No such file"),
        ({"broker_ca_file": __file__}, "expected PEM"),
    ],
)
def test_settings_that_would_be_ignored_are_refused(changes: dict[str, Any], line: str) -> None:
    settings = replace(SCRAM, **changes)
    for arguments in (kafka_arguments, faust_arguments):
        with pytest.raises(UsageError) as caught:
            arguments(settings)
        assert line in str(caught.value)
        assert "wonderland-7" not in str(caught.value)


def test_a_closed_port_is_told_at_once_with_its_address() -> None:
    with pytest.raises(BrokerUnavailable) as caught:
        check(Settings(broker="127.0.0.1:1"))
    assert str(caught.value) == "cannot reach Kafka at 127.0.0.1:1: connection refused"
    assert str(unreachable(Settings(broker="127.0.0.1:1"))) == str(caught.value)


def test_an_unknown_host_is_told() -> None:
    with pytest.raises(BrokerUnavailable, match=r"unknown host kafka\.invalid"):
        check(Settings(broker="kafka.invalid:9092"))


def _aiokafka(settings: Settings) -> Any:
    return credentials_to_aiokafka_auth(faust_arguments(settings)["broker_credentials"])


def _serial(authority: Path) -> str:
    context = ssl.create_default_context(cafile=str(authority))
    return str(context.get_ca_certs()[0]["serialNumber"])
