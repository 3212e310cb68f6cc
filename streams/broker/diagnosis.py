"""Why the broker cannot be used: name, connection, TLS, credentials, in that order, in one line.

kafka-python and aiokafka report most failures as a timeout. `check` goes the way to the broker step
by step and raises what it meets; the worker, the doctor and the administration show that line.
"""

from __future__ import annotations

import re
import socket
import ssl
import time

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from streams.broker.connection import (
    Address,
    addresses,
    librdkafka_arguments,
    named,
    ssl_context,
)
from streams.errors import BrokerUnavailable, PulseError, UsageError
from streams.settings import Settings

__all__ = ["check", "unreachable"]

_PROBE_S = 3.0
_ANSWER_S = 4.0

#: librdkafka frames its reasons: `sasl_ssl://host:port/bootstrap: REASON (after 3ms in state X)`.
_FRAME = re.compile(r"^(?:\S+: )?(?:SASL authentication error: )?(.*?)(?: \(after .*\))?$")

_ALERT = re.compile(r"alert ([a-z ]*certificate[a-z ]*)")


def check(settings: Settings, embedded: str = "") -> None:
    """Returns when the broker answers a request made with these settings.

    Raises:
        BrokerUnavailable: an address that does not answer, or not in TLS; worth another try.
        UsageError: the broker refuses the credentials, or the settings contradict each other.
    """
    _probe(settings, embedded)
    reasons: list[KafkaError] = []
    client = AdminClient(
        {
            **librdkafka_arguments(settings, embedded),
            "error_cb": reasons.append,
            "log_level": 0,
            "reconnect.backoff.ms": 500,
        }
    )
    deadline = time.monotonic() + _ANSWER_S
    while True:
        try:
            client.list_topics(timeout=0.25)
        except KafkaException:
            client.poll(0)
        else:
            return
        for reason in reasons:
            if reason.code() == KafkaError._AUTHENTICATION:
                raise _refused(settings, embedded, _told(reason))
            if reason.code() == KafkaError._SSL:
                raise _failed(settings, embedded, _told(reason))
            # With TLS 1.3 the broker looks at our certificate only after the handshake.
            if alert := _ALERT.search(reason.str()):
                wanted = "it wants a certificate it trusts (broker_cert_file, broker_key_file)"
                raise _failed(settings, embedded, f"{wanted}: {alert.group(1)}")
        if time.monotonic() > deadline:
            raise _failed(settings, embedded, _silence(settings))


def unreachable(settings: Settings, embedded: str = "") -> PulseError:
    """The error to show for a client that gave up without a reason of its own."""
    try:
        check(settings, embedded)
    except PulseError as error:
        return error
    return _failed(settings, embedded, "it did not answer in time, and does now")


def _probe(settings: Settings, embedded: str) -> None:
    """Tries every address until one takes a connection, and a TLS handshake where set."""
    context = ssl_context(settings) if settings.broker else None
    reason = ""
    for address in addresses(settings, embedded):
        reason = _attempt(address, context)
        if not reason:
            return
    raise _failed(settings, embedded, reason)


def _attempt(address: Address, context: ssl.SSLContext | None) -> str:
    try:
        with socket.create_connection(address, timeout=_PROBE_S) as connection:
            if context is not None:
                context.wrap_socket(connection, server_hostname=address[0]).close()
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is not trusted: {error.verify_message} (broker_ca_file)"
    except ssl.SSLError as error:
        said = (error.reason or str(error)).lower().replace("_", " ")
        return f"no TLS connection: {said}; does that port want TLS?"
    except socket.gaierror:
        return f"unknown host {address[0]}"
    except TimeoutError:
        return f"no answer within {_PROBE_S:.0f} s"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return ""


def _told(reason: KafkaError) -> str:
    framed = _FRAME.match(reason.str())
    return framed.group(1) if framed else reason.str()


def _silence(settings: Settings) -> str:
    return (
        f"it takes connections but does not answer {settings.broker_security} requests: "
        "is broker_security right for that port?"
    )


def _failed(settings: Settings, embedded: str, reason: str) -> BrokerUnavailable:
    return BrokerUnavailable(f"cannot reach Kafka at {named(settings, embedded)}: {reason}")


def _refused(settings: Settings, embedded: str, reason: str) -> UsageError:
    return UsageError(
        f"Kafka at {named(settings, embedded)} refuses user {settings.broker_user!r}: {reason} "
        "(PULSE_BROKER_USER, PULSE_BROKER_PASSWORD, broker_sasl_mechanism)"
    )
