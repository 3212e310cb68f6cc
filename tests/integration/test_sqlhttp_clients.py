"""Real clients over the wire: clickhouse-connect, curl, and what Grafana's plugin sends."""

from __future__ import annotations

import gzip
import json
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from clickhouse_driver.compression import get_decompressor_cls
from clickhouse_driver.reader import read_binary_uint8, read_binary_uint128

from streams.sqlhttp.server import SqlServer
from streams.sqlhttp.settings import LIMITS
from streams.storage.chdb_store import ChdbStore
from tests.support.sqlhttp import EVENTS, ask, connected, filled, served

#: clickhouse-go's, of which Grafana's plugin is made.
PROTOCOL = 54460


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    with filled(tmp_path_factory.mktemp("sqlhttp") / "data") as store:
        yield store


@pytest.fixture(scope="module")
def server(store: ChdbStore) -> Iterator[SqlServer]:
    with served(store.directory, limits=replace(LIMITS, seconds=5.0)) as server:
        yield server


# clickhouse-connect


def test_connect_reads_rows_types_and_times(server: SqlServer) -> None:
    client = connected(server)
    result = client.query(
        "SELECT account_id, count() AS n, min(ts) AS first, any(moderation) FROM events "
        "GROUP BY account_id ORDER BY account_id LIMIT 2"
    )
    assert result.column_names == ("account_id", "n", "first", "any(moderation)")
    account, count, first, moderation = result.result_rows[0]
    assert (account, count) == ("a0", EVENTS // 7 + 1)
    assert first.isoformat() == "2026-03-01T10:00:00"
    assert moderation["spam"] == pytest.approx(0.5)
    assert int(result.summary["read_rows"]) == EVENTS
    client.close()


@pytest.mark.parametrize("compress", ["lz4", "gzip", "deflate", False])
def test_connect_in_every_compression(server: SqlServer, compress: str | bool) -> None:
    client = connected(server, compress=compress)
    result = client.query("SELECT number, toString(number) FROM numbers(100000)")
    assert len(result.result_rows) == 100_000
    assert result.result_rows[-1] == (99_999, "99999")
    client.close()


def test_connect_binds_parameters_and_keeps_to_settings(server: SqlServer) -> None:
    client = connected(server, settings={"max_threads": 1})
    sql = "SELECT count() FROM events WHERE account_id = {account:String} AND ts < {end:DateTime}"
    parameters = {"account": "a'1\t", "end": "2026-03-01 10:00:07"}
    assert client.query(sql, parameters=parameters).result_rows == [(0,)]
    parameters["account"] = "a1"
    assert client.query(sql, parameters=parameters).result_rows == [(1,)]
    assert client.command("SELECT getSetting('max_threads')") == 1
    rows = client.query("SELECT * FROM numbers(5)", settings={"limit": 2}).result_rows
    assert rows == [(0,), (1,)]
    client.close()


def test_connect_makes_frames_arrow_and_streams(server: SqlServer) -> None:
    client = connected(server)
    frame = client.query_df("SELECT status, count() AS n FROM events GROUP BY status ORDER BY 1")
    assert frame["n"].tolist() == [EVENTS * 9 // 10, EVENTS // 10]
    assert client.query_arrow("SELECT event_id FROM events").num_rows == EVENTS
    with client.query_rows_stream("SELECT event_id FROM events") as stream:
        assert sum(1 for _ in stream) == EVENTS
    assert client.query("SELECT event_id, ts FROM events LIMIT 0").column_names == (
        "event_id",
        "ts",
    )
    client.close()


def test_connect_by_form_and_by_session(server: SqlServer) -> None:
    client = connected(server, form_encode_query_params=True, session_id="one")
    assert client.query("SELECT {a:UInt8} + 1", parameters={"a": 1}).result_rows == [(2,)]
    client.close()


def test_connect_hears_clickhouses_errors(server: SqlServer) -> None:
    client = connected(server)
    with pytest.raises(DatabaseError, match=r"code: 47.*Unknown expression identifier `nope`"):
        client.query("SELECT nope FROM events")
    with pytest.raises(DatabaseError, match="failed at position 20"):
        client.query("SELECT count( FROM events")
    with pytest.raises(DatabaseError, match="only reading"):
        client.command("DROP TABLE events")
    with pytest.raises(DatabaseError):
        client.insert("events", [["x"]], column_names=["event_id"], column_type_names=["String"])
    assert client.command("SELECT count() FROM events") == EVENTS
    client.close()


# Grafana's plugin: clickhouse-go over HTTP, gzip


def plugin(server: SqlServer, sql: str, **more: str) -> tuple[int, dict[str, str], bytes]:
    status, headers, body = ask(
        server,
        sql,
        {"Accept-Encoding": "gzip", "User-Agent": "grafana/12.0 clickhouse-go/2.40"},
        database="default",
        default_format="Native",
        client_protocol_version=str(PROTOCOL),
        **more,
    )
    if headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    return status, headers, body


def test_plugin_greets_and_is_told_the_revision_we_speak(server: SqlServer) -> None:
    status, headers, body = plugin(
        server, "SELECT displayName(), version(), revision(), timezone()"
    )
    assert status == 200
    assert headers["X-ClickHouse-Format"] == "Native"
    # As clickhouse-go reads it at its own revision: block info, columns, rows, then each column
    # with its name, type and the flag of a custom serialization.
    assert body[:8] == b"\x01\x00\x02\xff\xff\xff\xff\x00"
    at, values = 10, {}
    assert tuple(body[8:10]) == (4, 1)
    for _ in range(4):
        name, at = text(body, at)
        kind, at = text(body, at)
        assert body[at] == 0
        if kind == "String":
            values[name], at = text(body, at + 1)
        else:
            values[name], at = str(struct.unpack_from("<I", body, at + 1)[0]), at + 5
    assert at == len(body)
    assert values["displayName()"] == "usage-pulse"
    assert values["version()"].count(".") == 3
    assert (values["revision()"], values["timezone()"]) == ("0", "UTC")


def text(body: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + body[at]
    return body[at + 1 : end].decode(), end


def test_plugin_pings_and_asks_in_native_blocks_of_revision_0(server: SqlServer) -> None:
    assert plugin(server, "SELECT 1")[2] == b"\x01\x01\x011\x05UInt8\x01"
    sql = "SELECT toStartOfMinute(ts) AS time, count() AS n FROM events GROUP BY 1 ORDER BY 1"
    status, headers, body = plugin(server, sql, max_execution_time="65", query_id="q-1")
    assert (status, headers["X-ClickHouse-Query-Id"]) == (200, "q-1")
    minutes = EVENTS // 60
    assert body.startswith(bytes((2, minutes)) + b"\x04time")
    counts = struct.unpack(f"<{minutes}Q", body[-8 * minutes :])
    assert counts == (60,) * minutes


@pytest.mark.parametrize(
    "sql",
    [
        "SHOW DATABASES",
        'SHOW TABLES FROM "default"',
        'DESC TABLE "default"."events"',
        "SELECT database, name FROM system.tables ORDER BY database, name",
        "SELECT database, table, name, type, comment FROM system.columns WHERE (database, table) "
        "IN (('default', 'events')) ORDER BY database, table, position",
        "SELECT currentDatabase()",
        "SELECT value FROM system.settings WHERE name='readonly'",
        "SELECT DISTINCT account_id FROM events SETTINGS max_execution_time=5",
        "SELECT name, timezone() FROM system.functions WHERE name ILIKE 'to%' LIMIT 3",
    ],
)
def test_plugin_finds_its_way_through_the_schema(server: SqlServer, sql: str) -> None:
    status, _, body = plugin(server, sql)
    assert (status, len(body) > 8) == (200, True), body


def test_plugin_recognises_errors(server: SqlServer) -> None:
    status, headers, body = plugin(server, "SELECT 1 SETTINGS max_insert_threads = 1")
    assert (status, headers["X-ClickHouse-Exception-Code"]) == (500, "164")
    assert b"DB::Exception" in body


def test_blocks_compressed_by_clickhouses_own_method(server: SqlServer) -> None:
    _, _, body = ask(server, "SELECT number FROM numbers(400000) FORMAT RowBinary", compress="1")
    stream, plain = BytesIO(body), b""
    while stream.tell() < len(body):
        checksum = read_binary_uint128(stream)
        method = read_binary_uint8(stream)
        unpacker = get_decompressor_cls(method)(stream)
        plain += unpacker.get_decompressed_data(method, checksum, 1)  # checks the checksum
    assert struct.unpack("<400000Q", plain) == tuple(range(400_000))


# curl


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_as_the_manual_shows_it(server: SqlServer) -> None:
    def curl(*arguments: str) -> str:
        run = subprocess.run(
            ["curl", "-sS", *arguments], capture_output=True, check=True, timeout=20
        )
        return run.stdout.decode()

    url = server.url
    assert curl(url) == "Ok.\n"
    assert curl(url + "ping") == "Ok.\n"
    assert curl(url + "replicas_status") == "Ok.\n"
    assert curl(url, "-d", "SELECT 1") == "1\n"
    assert curl(url + "?query=SELECT%201") == "1\n"
    assert curl(url + "?query=SELECT%201%20%2B", "-d", "41 FORMAT TSV") == "42\n"
    assert curl("--compressed", url, "-d", "SELECT sum(number) FROM numbers(9)") == "36\n"
    long = curl("--compressed", url, "-d", "SELECT number FROM numbers(9999)")
    assert len(long.splitlines()) == 9999
    answer = json.loads(curl(url + "?default_format=JSON", "-d", "SELECT 7 AS a"))
    assert answer["data"] == [{"a": 7}]
    assert curl(url + "?param_a=b%5Ctc", "-d", "SELECT {a:String}") == "b\\tc\n"
    wrong = curl("-i", url, "-d", "SELECT count( FROM events")
    assert wrong.startswith("HTTP/1.1 400 ")
    assert "X-ClickHouse-Exception-Code: 62" in wrong
    assert "Code: 62. DB::Exception: Syntax error: failed at position 20" in wrong


def test_headers_tell_what_clickhouses_tell(server: SqlServer) -> None:
    status, headers, _ = ask(server, "SELECT 1 AS a FORMAT JSONEachRow", query_id="mine")
    assert status == 200
    assert headers["X-ClickHouse-Server-Display-Name"] == "usage-pulse"
    assert headers["X-ClickHouse-Timezone"] == "UTC"
    assert headers["X-ClickHouse-Query-Id"] == "mine"
    assert headers["X-ClickHouse-Format"] == "JSONEachRow"
    assert headers["Content-Type"].startswith("application/x-ndjson")
    assert json.loads(headers["X-ClickHouse-Summary"])["result_rows"] == "1"
