"""How to connect to Kafka, derived once from the settings for each of the two clients.

It stands before everything that talks to the broker: kafka-python produces, administrates and
measures lag; Faust (through aiokafka) consumes; `streams.broker.diagnosis` asks why either failed.
"""

from __future__ import annotations

import logging
import ssl
from typing import Any

import faust

from streams.errors import UsageError
from streams.settings import Settings

__all__ = [
    "Address",
    "addresses",
    "faust_arguments",
    "kafka_arguments",
    "librdkafka_arguments",
    "named",
    "quiet",
    "ssl_context",
]

Address = tuple[str, int]

_DEFAULT_PORT = 9092

#: The embedded broker answers this protocol generation; kafka-python must not negotiate with it.
_EMBEDDED_API_VERSION = (2, 3)


def addresses(settings: Settings, embedded: str = "") -> list[Address]:
    """Hosts and ports of the setting `broker`, or of the `embedded` broker when that is empty.

    Raises:
        UsageError: an address that is none, or no broker at all.
    """
    text = settings.broker or embedded
    result = [_address(part.strip()) for part in text.split(",") if part.strip()]
    if not result:
        raise UsageError("no broker: set PULSE_BROKER (or --broker) to host:port of your Kafka")
    return result


def named(settings: Settings, embedded: str = "") -> str:
    """The broker's addresses as a person reads them."""
    return ",".join(_joined(address) for address in addresses(settings, embedded))


def kafka_arguments(settings: Settings, embedded: str = "") -> dict[str, Any]:
    """Keyword arguments for any kafka-python client.

    Raises:
        UsageError: settings that contradict each other, or certificates that cannot be read.
    """
    servers = [_joined(address) for address in addresses(settings, embedded)]
    if not settings.broker:
        return {"bootstrap_servers": servers, "api_version": _EMBEDDED_API_VERSION}
    _check(settings)
    arguments: dict[str, Any] = {
        "bootstrap_servers": servers,
        "security_protocol": settings.broker_security,
        "ssl_context": ssl_context(settings),
    }
    if settings.broker_security.startswith("SASL"):
        arguments |= {
            "sasl_mechanism": settings.broker_sasl_mechanism,
            "sasl_plain_username": settings.broker_user,
            "sasl_plain_password": settings.broker_password,
        }
    return arguments


def faust_arguments(settings: Settings, embedded: str = "") -> dict[str, Any]:
    """Keyword arguments for `faust.App`: `broker`, and `broker_credentials` where needed.

    Raises:
        UsageError: settings that contradict each other, or certificates that cannot be read.
    """
    servers = addresses(settings, embedded)
    arguments: dict[str, Any] = {"broker": [f"kafka://{_joined(server)}" for server in servers]}
    if not settings.broker:
        return arguments
    _check(settings)
    context = ssl_context(settings)
    if settings.broker_security.startswith("SASL"):
        arguments["broker_credentials"] = faust.SASLCredentials(
            username=settings.broker_user,
            password=settings.broker_password,
            mechanism=settings.broker_sasl_mechanism,
            ssl_context=context,
        )
    elif context is not None:
        # Faust's own way from file names to a context fails (it passes no purpose).
        arguments["broker_credentials"] = faust.SSLCredentials(context)
    return arguments


def librdkafka_arguments(settings: Settings, embedded: str = "") -> dict[str, Any]:
    """Configuration for a confluent-kafka client; the diagnosis uses it.

    Raises:
        UsageError: settings that contradict each other.
    """
    arguments: dict[str, Any] = {"bootstrap.servers": named(settings, embedded)}
    if not settings.broker:
        return arguments
    _check(settings)
    arguments["security.protocol"] = settings.broker_security
    if settings.broker_security.startswith("SASL"):
        arguments |= {
            "sasl.mechanism": settings.broker_sasl_mechanism,
            "sasl.username": settings.broker_user,
            "sasl.password": settings.broker_password,
        }
    files = {
        "ssl.ca.location": settings.broker_ca_file,
        "ssl.certificate.location": settings.broker_cert_file,
        "ssl.key.location": settings.broker_key_file or settings.broker_cert_file,
    }
    return arguments | {name: path for name, path in files.items() if path}


def ssl_context(settings: Settings) -> ssl.SSLContext | None:
    """TLS as set, or None without: the broker's certificate and host name are always checked.

    Raises:
        UsageError: a file that is missing or holds no certificate.
    """
    if not settings.broker_security.endswith("SSL"):
        return None
    try:
        context = ssl.create_default_context(cafile=settings.broker_ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise _unusable("broker_ca_file", settings.broker_ca_file, error) from None
    if settings.broker_cert_file:
        try:
            context.load_cert_chain(settings.broker_cert_file, settings.broker_key_file or None)
        except (OSError, ssl.SSLError) as error:
            raise _unusable("broker_cert_file", settings.broker_cert_file, error) from None
    return context


def quiet() -> None:
    """Silences kafka-python's own log: its errors reach a person as ours, in one line."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL + 1)


def _address(text: str) -> Address:
    host, separator, port = text.rpartition(":")
    if not separator or (text.startswith("[") and text.endswith("]")):
        host, port = text, str(_DEFAULT_PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536 or "/" in host:
        raise UsageError(f"broker: expected host:port,..., got {text!r}")
    return host, int(port)


def _joined(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _check(settings: Settings) -> None:
    """Refuses settings of which one would be ignored without a word."""
    security = settings.broker_security
    sasl, tls = security.startswith("SASL"), security.endswith("SSL")
    if sasl and not (settings.broker_user and settings.broker_password):
        absent = "broker_password" if settings.broker_user else "broker_user"
        raise UsageError(f"broker_security is {security}, but {absent} is not set")
    if not sasl and (settings.broker_user or settings.broker_password):
        raise UsageError(
            f"broker_user or broker_password is set, but broker_security is {security}: "
            "expected SASL_SSL or SASL_PLAINTEXT"
        )
    if not tls and (settings.broker_ca_file or settings.broker_cert_file):
        raise UsageError(
            f"broker_ca_file or broker_cert_file is set, but broker_security is {security}: "
            "expected SSL or SASL_SSL"
        )
    if settings.broker_key_file and not settings.broker_cert_file:
        raise UsageError("broker_key_file is set, but broker_cert_file is not")


def _unusable(setting: str, path: str, error: Exception) -> UsageError:
    if isinstance(error, ssl.SSLError):
        return UsageError(f"{setting}: {path}: expected PEM, cannot be used: {error.reason}")
    return UsageError(f"{setting}: {path}: {getattr(error, 'strerror', None) or error}")
