"""Every setting, once: name, default, unit, sentence; `streams.settings` reads their values."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

__all__ = ["Setting", "Settings", "describe"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the settings table in the README."""

    name: str
    default: object
    unit: str
    sentence: str
    secret: bool


def _setting(default: Any, unit: str, sentence: str, *, secret: bool = False, **limits: Any) -> Any:
    meta = {"unit": unit, "sentence": sentence, "secret": secret, "limits": limits}
    return field(default=default, metadata=meta)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one process; frozen, passed down, never read from a global."""

    # broker
    broker: str = _setting(
        "", "host:port,...", "Kafka to connect to; empty starts the embedded broker."
    )
    broker_security: str = _setting(
        "PLAINTEXT", "", "How to connect.", among=("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
    )
    broker_sasl_mechanism: str = _setting(
        "SCRAM-SHA-256", "", "SASL mechanism.", among=("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
    )
    broker_user: str = _setting("", "", "User for SASL.")
    broker_password: str = _setting("", "", "Password for SASL.", secret=True)
    broker_ca_file: str = _setting(
        "", "path", "Certificate authority that signed the broker's certificate."
    )
    broker_cert_file: str = _setting(
        "", "path", "Client certificate, when the broker asks for one."
    )
    broker_key_file: str = _setting("", "path", "Key of the client certificate.")
    topic: str = _setting("usage.events", "", "Topic of usage events.")
    dead_letter_topic: str = _setting(
        "usage.dlq", "", "Topic that receives what cannot be understood."
    )
    signals_topic: str = _setting(
        "usage.signals", "", "Topic on which accounts that share something meet."
    )
    group: str = _setting("usage-pulse", "", "Consumer group of the workers.")
    worker: str = _setting(
        "",
        "",
        "Name of this worker; with a name, a restarted worker resumes at once (static membership).",
    )
    fetch_bytes: int = _setting(
        16 * 1024 * 1024,
        "bytes",
        "Most bytes fetched from one partition at a time.",
        low=65536,
        high=2**30,
    )
    linger: float = _setting(
        0.2,
        "s",
        "Wait before the next fetch after a small one, so that inserts are fewer.",
        low=0.0,
        high=60.0,
    )
    session_timeout: float = _setting(
        30.0, "s", "A worker silent for longer loses its partitions.", low=6.0, high=1800.0
    )

    # store
    store: str = _setting(
        "", "url", "ClickHouse, as clickhouse://host:9000/database; empty uses the embedded engine."
    )
    store_user: str = _setting("default", "", "ClickHouse user.")
    store_password: str = _setting("", "", "ClickHouse password.", secret=True)
    store_secure: bool = _setting(False, "", "Connect to ClickHouse over TLS.")
    store_ca_file: str = _setting("", "path", "Certificate authority of the ClickHouse server.")
    data: str = _setting("pulse-data", "path", "Directory of the embedded store.")
    retry_max: float = _setting(
        30.0, "s", "Longest wait between two tries of a store write.", low=0.05, high=3600.0
    )
    retention_days: int = _setting(
        90,
        "days",
        "How long events are kept, from their arrival; live events older than this are refused.",
        low=1,
        high=3650,
    )

    # events and time
    time_mode: str = _setting(
        "live",
        "",
        "live: event times are checked against the broker's; replay: the data's own time rules.",
        among=("live", "replay"),
    )
    max_ahead: float = _setting(
        300.0,
        "s",
        "Live events further ahead of the broker's time are refused.",
        low=0.0,
        high=86400.0,
    )
    tick: float = _setting(
        5.0, "s", "Event time between two scorings.", among=(1.0, 2.0, 5.0, 10.0)
    )
    lateness: float = _setting(
        2.0, "s", "How far the watermark stays behind the largest event time.", low=0.0, high=3600.0
    )
    late_limit: float = _setting(
        3600.0,
        "s",
        "Events later than this behind the watermark are stored but not scored.",
        low=0.0,
        high=82800.0,
    )
    heartbeat: float = _setting(
        2.0,
        "s",
        "How often a heartbeat tells a silent partition the time; 0 sends none.",
        low=0.0,
        high=3600.0,
    )
    dedup_window: float = _setting(
        600.0,
        "s",
        "Event time for which identities are remembered in memory; older ones are looked up.",
        low=0.0,
        high=86400.0,
    )
    dedup_capacity: int = _setting(
        20_000_000,
        "ids",
        "Most identities remembered in memory by one partition (8 bytes each).",
        low=1000,
        high=2**33,
    )

    # fold
    idle_days: float = _setting(
        14.0,
        "days",
        "Accounts silent for longer (in event time) are forgotten by the fold.",
        low=1.0,
        high=3650.0,
    )
    snapshot_every: float = _setting(
        60.0, "s", "Time between two snapshots of the fold.", low=1.0, high=86400.0
    )
    policy: str = _setting(
        "", "path", "Policy file (TOML): budgets, detectors, cohorts; empty uses the built-in one."
    )

    notify: bool = _setting(True, "", "Send the notifications that the policy's routes ask for.")
    spool: str = _setting(
        "",
        "path",
        "Notes on messages under way, so that a kill repeats none; empty: with the embedded store, "
        "or in the system's folder for temporary files.",
    )
    coordination: bool = _setting(
        True, "", "Look for groups of accounts that act together, across all partitions."
    )
    coordination_from: float = _setting(
        0.0,
        "Unix s",
        "Event time from which on groups are looked for; 0: from the first event.",
        low=0,
        high=7_258_118_399,
    )

    # page
    host: str = _setting("127.0.0.1", "address", "Address the local page listens on.")
    port: int = _setting(
        8470, "port", "Port of the local page; 0 takes a free one.", low=0, high=65535
    )
    console_url: str = _setting(
        "", "url", "Address of the console in notifications; empty: the local page's own."
    )
    console_token: str = _setting(
        "", "", "Asked for by the local page where `host` is not loopback.", secret=True
    )

    # SQL over HTTP
    sql_http: bool = _setting(
        True,
        "",
        "Serve SQL over ClickHouse's HTTP interface, on `host`, where the store is embedded.",
    )
    sql_port: int = _setting(
        8471, "port", "Port of SQL over HTTP; 0 takes a free one.", low=0, high=65535
    )
    sql_token: str = _setting(
        "",
        "",
        "Password of SQL over HTTP; without one it is served on loopback only.",
        secret=True,
    )
    log_level: str = _setting(
        "WARNING", "", "Least severe log line shown.", among=("DEBUG", "INFO", "WARNING", "ERROR")
    )


def describe() -> list[Setting]:
    """All settings in order, as the documentation shows them."""
    return [
        Setting(f.name, f.default, f.metadata["unit"], f.metadata["sentence"], f.metadata["secret"])
        for f in fields(Settings)
    ]
