"""A store with a known day in it, and the status of a worker that watched it.

Three incidents: a burst of acct-0417, one of an account whose name is a script, and one, resolved,
of an account whose name is written from right to left.
"""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from streams.storage.base import expand
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate

__all__ = ["BURST", "RIGHT_TO_LEFT", "SCRIPT", "Scene"]

BURST = "acct-0417"
SCRIPT = "<script>alert(1)</script>"
RIGHT_TO_LEFT = "حساب-المبيعات"
MINUTE = 60_000

_QUERY = """SELECT count() AS observed
FROM events FINAL
WHERE account_id = {account}
  AND ts > fromUnixTimestamp64Milli({start}, 'UTC')
  AND ts <= fromUnixTimestamp64Milli({end}, 'UTC')"""


class Scene:
    """Rows in an embedded store, and `status` and `query` as a worker gives them."""

    def __init__(self, directory: Path, now: int | None = None) -> None:
        self.now = (now or int(time.time() * 1000)) // MINUTE * MINUTE + 20_000
        self.store = ChdbStore(directory)
        migrate(self.store)
        self._usual()
        self._burst(BURST, minutes=6, a_minute=260)
        self._burst(SCRIPT, minutes=12, a_minute=60)
        self._burst(RIGHT_TO_LEFT, minutes=8, a_minute=70, ended=90)
        self.incidents = [
            self._incident("inc-burst", BURST, (6, 0), (96, 31, 118), 1.1e-5, "high"),
            self._incident("inc-script", SCRIPT, (12, 0), (41, 22, 84), 4.8e-4, "medium"),
            self._incident("inc-rtl", RIGHT_TO_LEFT, (98, 90), (60, 25, 90), 3e-3, "low"),
        ]
        self.sentence = self.incidents[0]["sentence"]
        self._store_incidents()
        self._status = self._worker()

    def status(self) -> dict[str, Any]:
        """As the worker's `status()`; `change` moves it on."""
        return copy.deepcopy(self._status)

    def reset(self) -> None:
        """The worker as it was at the start."""
        self._status = self._worker()

    def change(self, **values: Any) -> None:
        """The worker moves on."""
        self._status.update(values)

    async def query(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """As the worker's `query`."""
        table = await asyncio.to_thread(self.store.query, sql, parameters or None)
        return table.to_pylist()  # type: ignore[no-any-return]

    def close(self) -> None:
        """Give the directory back."""
        self.store.close()

    def _usual(self) -> None:
        """A day of some accounts: 3 to 9 requests a minute, more by day than by night."""
        for number, account in enumerate([BURST, SCRIPT, RIGHT_TO_LEFT, "acct-0963", "acct-1120"]):
            self._events(
                account,
                f"SELECT number, intDiv(number, 9) AS minute_ago FROM numbers({9 * 1440}) "
                f"WHERE cityHash64(number, {number}) % 100 < 55 + 25 * sin(minute_ago / 229)",
            )

    def _burst(self, account: str, *, minutes: int, a_minute: int, ended: int = 0) -> None:
        self._events(
            account,
            f"SELECT number, {ended} + intDiv(number - 1000000, {a_minute}) AS minute_ago "
            f"FROM numbers(1000000, {minutes * a_minute})",
        )

    def _events(self, account: str, rows: str) -> None:
        sql = f"""
            INSERT INTO events (event_id, account_id, ts, tick, arrived_at, status,
                                prompt_tokens, completion_tokens)
            SELECT concat({{account}}, toString(number)), {{account}},
                   fromUnixTimestamp64Milli(toInt64({self.now} - 60000 * minute_ago
                                            - cityHash64(number) % 20000), 'UTC') AS moment,
                   moment, moment, if(number % 97 = 0, 429, 200),
                   100 + cityHash64(number) % 300, 20 + cityHash64(number, 1) % 200
            FROM ({rows})"""
        self.store.command(sql, {"account": account})

    def _incident(
        self,
        identity: str,
        account: str,
        minutes_ago: tuple[int, int],
        figures: tuple[int, int, int],
        p_value: float,
        severity: str,
    ) -> dict[str, Any]:
        """`figures` are the record so far, expected, and the silent-below value."""
        record, expected, threshold = figures
        observed = self._count(account, self.now - minutes_ago[1] * MINUTE)
        sentence = (
            f"{account} sent {observed:,} requests in 5 minutes; its highest so far was {record}"
        )
        return {
            "incident_id": identity,
            "account_id": account,
            "kind": "burst",
            "detector": "burst",
            "state": "resolved" if minutes_ago[1] else "ongoing",
            "severity": severity,
            "sentence": sentence,
            "started_at": self.now - minutes_ago[0] * MINUTE,
            "last_seen_at": self.now - minutes_ago[1] * MINUTE,
            "observed": float(observed),
            "expected": float(expected),
            "threshold": float(threshold),
            "p_value": p_value,
            "window_s": 300,
            "metric": "requests",
        }

    def _sql(self, account: str, end: int) -> str:
        return expand(_QUERY, {"account": account, "start": end - 5 * MINUTE, "end": end})

    def _count(self, account: str, end: int) -> int:
        """Requests in the five minutes before `end`, as the finding's own query counts them."""
        return int(self.store.query(self._sql(account, end))["observed"][0].as_py())

    def _store_incidents(self) -> None:
        logged = [
            {
                **{k: v for k, v in one.items() if k not in ("observed", "started_at")},
                "peak_observed": one["observed"],
                "version": 1,
                "org_id": "northwind",
                "started_at": int(one["started_at"]),
                "last_seen_at": int(one["last_seen_at"]),
                "resolved_at": int(one["last_seen_at"] + 600_000)
                if one["state"] == "resolved"
                else None,
                "findings": 3,
                "reopened": 0,
                "policy_version": "p1",
                "kafka_partition": 0,
                "stored_at": int(self.now),
            }
            for one in self.incidents
        ]
        self.store.insert("incident_log", _rows(logged))
        found = [
            {
                "finding_id": f"{one['incident_id']}-{step}",
                "detector": "burst",
                "kind": "burst",
                "account_id": one["account_id"],
                "org_id": "northwind",
                "metric": "requests",
                "window_start": end - 5 * MINUTE,
                "window_end": end,
                "window_s": 300,
                "observed": float(self._count(one["account_id"], end)),
                "expected": one["expected"],
                "p_value": one["p_value"] * 10**step,
                "threshold": one["threshold"],
                "drivers": [("record", 96.0), ("evidence", 6.5), ("own_tail_p", 1e-5)],
                "parts": [("burst", one["p_value"] * 0.8), ("content", 0.01)],
                "channel": "usual",
                "severity": one["severity"],
                "held": "",
                "sentence": one["sentence"],
                "sql": self._sql(one["account_id"], end),
                "policy_version": "p1",
                "incident_id": one["incident_id"],
                "kafka_partition": 0,
                "stored_at": int(self.now),
            }
            for one in self.incidents
            for step, end in enumerate(range(one["last_seen_at"], 0, -MINUTE)[:3])
        ]
        self.store.insert("findings", _rows(found))

    def _worker(self) -> dict[str, Any]:
        second = self.now // 1000 * 1000
        rates = [[second - i * 1000, 3400 + (i * 7919 % 613) - 300] for i in range(600, 0, -1)]
        usual: list[tuple[str, int, float | None]] = [
            (BURST, int(self.incidents[0]["observed"]), 31),
            (SCRIPT, int(self.incidents[1]["observed"]), 22),
            ("acct-0963", 33, 28),
            ("acct-1120", 27, 26),
            (RIGHT_TO_LEFT, 25, None),
        ]
        hottest = [
            {
                "account_id": account,
                "requests_1m": requests // 5,
                "requests_5m": requests,
                "tokens_5m": requests * 340,
                "usual_5m": usually,
            }
            for account, requests, usually in usual
        ]
        part = {
            "lag": 0,
            "watermark": self.now - 1_200,
            "next_offset": 48_211,
            "accounts": 12_052,
            "bytes": 24_104_000,
        }
        return {
            "now": self.now,
            "started": self.now - 3_600_000,
            "mode": "demo",
            "rate": 3412.0,
            "stored": 12_204_331,
            "lag": 0,
            "delay_ms": {"p50": 410.0, "p99": 900.0},
            "alert_ms": {"p50": 300.0, "p99": 880.0},
            "watermark": self.now - 1_200,
            "accounts": 48_211,
            "dead": 37,
            "duplicates": 1_204,
            "late": 12,
            "too_late": 0,
            "store": {"ok": True, "sentence": "", "write_ms": 18.0, "since": None, "retries": 0},
            "broker": {"ok": True, "sentence": "", "since": None},
            "policy": {"version": "p1", "problem": "", "budget": None},
            "ticks": 2_880,
            "scoring_s": 41.5,
            "last_batch": self.now - 400,
            "rebuilding": [],
            "memory": {"rss": 512 << 20, "limit": 2 << 30},
            "partitions": [{"partition": number, **part} for number in range(4)],
            "hottest": hottest,
            "incidents": copy.deepcopy(self.incidents),
            "gaps": [],
            "rates": rates,
        }


def _rows(rows: list[dict[str, Any]]) -> pa.Table:
    """Arrow columns of the types the tables have."""
    columns = {
        name: pa.array([row[name] for row in rows], type=_TYPES.get(name)) for name in rows[0]
    }
    return pa.table(columns)


_MOMENT = pa.timestamp("ms", "UTC")
_TYPES = dict.fromkeys(
    ("started_at", "last_seen_at", "resolved_at", "stored_at", "window_start", "window_end"),
    _MOMENT,
)
_TYPES |= dict.fromkeys(("version", "findings"), pa.uint64())
_TYPES |= dict.fromkeys(("reopened", "window_s", "kafka_partition"), pa.uint32())
_TYPES |= dict.fromkeys(("drivers", "parts"), pa.map_(pa.string(), pa.float64()))
