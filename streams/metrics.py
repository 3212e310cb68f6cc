"""What a worker tells Prometheus: its status as metrics, made when somebody asks.

Beside the flow. Names and meanings are one list (`METRICS`), which the documentation and the
pipeline board's objectives are held to; nothing is counted twice, the status is all there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

__all__ = ["CONTENT_TYPE", "METRICS", "Described", "exposition"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_Sample = tuple[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Described:
    """One metric: what it means, its unit, and its labels."""

    name: str
    kind: Literal["counter", "gauge"]
    about: str
    labels: tuple[str, ...] = ()


METRICS: Final = (
    Described("pulse_events_stored_total", "counter", "Events stored since the worker started."),
    Described("pulse_events_duplicate_total", "counter", "Events left out: stored before."),
    Described(
        "pulse_events_late_total", "counter", "Events after their tick closed.", ("counted",)
    ),
    Described("pulse_dead_letters_total", "counter", "Lines that could not be understood."),
    Described("pulse_messages_total", "counter", "Kafka messages taken."),
    Described("pulse_batches_total", "counter", "Fetches stored whole."),
    Described("pulse_alerts_total", "counter", "Incidents that opened and alerted."),
    Described("pulse_ticks_total", "counter", "Ticks of event time closed, over all partitions."),
    Described("pulse_scoring_seconds_total", "counter", "Time spent folding and scoring."),
    Described("pulse_events_per_second", "gauge", "Events stored a second, last ten seconds."),
    Described("pulse_lag_messages", "gauge", "Messages not stored yet.", ("partition",)),
    Described("pulse_next_offset", "gauge", "Next offset to store.", ("partition",)),
    Described(
        "pulse_watermark_timestamp_seconds", "gauge", "Event time scored up to.", ("partition",)
    ),
    Described("pulse_accounts", "gauge", "Accounts with state.", ("partition",)),
    Described("pulse_state_bytes", "gauge", "Memory of the accounts' records.", ("partition",)),
    Described(
        "pulse_delay_seconds", "gauge", "From broker to stored row, recent batches.", ("quantile",)
    ),
    Described(
        "pulse_alert_delay_seconds", "gauge", "From broker to stored alert, recent.", ("quantile",)
    ),
    Described("pulse_store_write_seconds", "gauge", "Median of the last writes of a batch."),
    Described("pulse_store_up", "gauge", "1 while the store takes writes."),
    Described("pulse_broker_up", "gauge", "1 while the broker answers."),
    Described("pulse_policy_up", "gauge", "1 while the policy file is in force as it stands."),
    Described(
        "pulse_incidents_open", "gauge", "Incidents that are not resolved.", ("severity", "kind")
    ),
    Described("pulse_gaps", "gauge", "Spans of the stream known not to have been seen."),
    Described(
        "pulse_notifications", "gauge", "Messages of the outbox by what became of them.", ("state",)
    ),
    Described("pulse_started_timestamp_seconds", "gauge", "When this worker started."),
)


def exposition(status: Mapping[str, Any], version: str) -> bytes:
    """Prometheus' text format of one status (`streams.status.Status.snapshot`)."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Worker(status, version))
    text: bytes = generate_latest(registry)
    return text


class _Worker(Collector):
    def __init__(self, status: Mapping[str, Any], version: str) -> None:
        self._status = status
        self._version = version

    def collect(self) -> Iterator[Metric]:
        """Every metric that has a value now."""
        info = InfoMetricFamily("pulse_worker", "This worker.")
        policy = str(self._status["policy"]["version"])
        mode = str(self._status["mode"])
        info.add_metric([], {"version": self._version, "mode": mode, "policy": policy})
        yield info
        samples = dict(_samples(self._status))
        for metric in METRICS:
            family: CounterMetricFamily | GaugeMetricFamily
            if metric.kind == "counter":
                family = CounterMetricFamily(metric.name, metric.about, labels=metric.labels)
            else:
                family = GaugeMetricFamily(metric.name, metric.about, labels=metric.labels)
            for labels, value in samples.get(metric.name, ()):
                family.add_metric(labels, value)
            yield family


def _samples(status: Mapping[str, Any]) -> Iterator[tuple[str, Iterable[_Sample]]]:
    plain = {
        "pulse_events_stored_total": status["stored"],
        "pulse_events_duplicate_total": status["duplicates"],
        "pulse_dead_letters_total": status["dead"],
        "pulse_messages_total": status["messages"],
        "pulse_batches_total": status["batches"],
        "pulse_alerts_total": status["alerts"],
        "pulse_ticks_total": status["ticks"],
        "pulse_scoring_seconds_total": status["scoring_s"],
        "pulse_events_per_second": status["rate"],
        "pulse_store_write_seconds": (status["store"]["write_ms"] or 0.0) / 1000,
        "pulse_store_up": float(status["store"]["ok"]),
        "pulse_broker_up": float(status["broker"]["ok"]),
        "pulse_policy_up": float(not status["policy"]["problem"]),
        "pulse_gaps": len(status["gaps"]),
        "pulse_started_timestamp_seconds": status["started"] / 1000,
    }
    for name, value in plain.items():
        yield name, [((), float(value))]
    late = [(("yes",), float(status["late"])), (("no",), float(status["too_late"]))]
    yield "pulse_events_late_total", late
    for name, field, scale in _OF_PARTITIONS:
        values = [
            ((str(part["partition"]),), part[field] * scale)
            for part in status["partitions"]
            if part[field] is not None
        ]
        yield name, values
    for name, field in _DELAYS:
        known = status[field] or {}
        values = [((_QUANTILES[key],), known[key] / 1000) for key in _QUANTILES if key in known]
        yield name, values
    yield "pulse_incidents_open", _open(status)
    told = status.get("notifications") or {}
    yield "pulse_notifications", [((state,), float(told[state])) for state in sorted(told)]


_OF_PARTITIONS: Final = (
    ("pulse_lag_messages", "lag", 1.0),
    ("pulse_next_offset", "next_offset", 1.0),
    ("pulse_watermark_timestamp_seconds", "watermark", 1e-3),
    ("pulse_accounts", "accounts", 1.0),
    ("pulse_state_bytes", "bytes", 1.0),
)
_DELAYS: Final = (("pulse_delay_seconds", "delay_ms"), ("pulse_alert_delay_seconds", "alert_ms"))
_QUANTILES: Final = {"p50": "0.5", "p99": "0.99"}


def _open(status: Mapping[str, Any]) -> list[_Sample]:
    counts: dict[tuple[str, str], float] = {}
    for incident in status["incidents"]:
        if incident["state"] != "resolved":
            key = (incident["severity"], incident["kind"])
            counts[key] = counts.get(key, 0.0) + 1.0
    return sorted(counts.items())
