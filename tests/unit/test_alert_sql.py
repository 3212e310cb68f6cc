"""Names of any kind survive the way into the tables and into the SQL that people copy there."""

from __future__ import annotations

from pathlib import Path

from streams.ingest.partition import Partition
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from streams.storage.readers import EmbeddedReader
from tests.support.bursts import END, HOUR, START, heartbeat, quiet
from tests.support.folding import encoded
from tests.support.partitions import context, feed

ODD = [
    "it's",
    "back\\slash",
    "ends with \\",
    "two\\'",
    'double "quotes"',
    "`backticks`",
    "<script>alert(1)</script>",
    "a' OR account_id != '",
    "{account_id} {start} %s",
    "new\nline\ttab",
    "nul\0byte",
    "ü ☃ 𝛑 \u202e",
    "-- comment /* ; */",
    "x" * 256,
]


def test_the_sql_of_an_alert_counts_exactly_its_account(tmp_path: Path) -> None:
    store = ChdbStore(tmp_path)
    try:
        migrate(store)
        part = Partition(context(store), 0)
        events = quiet(ODD)
        for number, name in enumerate(ODD):
            ts = START + 2 * HOUR + 1000
            count = 300 + number
            events += [
                {"event_id": f"b{n}", "ts": ts + n, "account_id": name, "org_id": name[:9]}
                for n in range(count)
            ]
        events.sort(key=lambda event: event["ts"])
        feed(part, [*encoded(events), heartbeat(END)], 0)
        rows = store.query("SELECT * FROM alerts ORDER BY observed").to_pylist()
        assert sorted(row["account_id"] for row in rows) == sorted(ODD)
        with EmbeddedReader(tmp_path) as reader:
            for row in rows:
                assert store.query(row["sql"]).to_pylist() == [{"observed": row["observed"]}]
                answer = reader.text(row["sql"], "CSV").decode()
                assert float(answer) == row["observed"]
                assert row["sentence"].startswith(row["account_id"])
    finally:
        store.close()
