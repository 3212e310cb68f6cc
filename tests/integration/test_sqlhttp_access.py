"""Who may ask the SQL endpoint, how much, and what happens to those that ask too much."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from streams.errors import PulseError
from streams.sqlhttp.server import SqlServer
from streams.sqlhttp.settings import LIMITS
from streams.storage.chdb_store import ChdbStore
from tests.support.sqlhttp import ask, connected, filled, served

TOKEN = "a token of some length"
ENDLESS = "SELECT sum(cityHash64(number)) FROM numbers(1000000000000)"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    with filled(tmp_path_factory.mktemp("sqlhttp") / "data") as store:
        yield store


@pytest.fixture(scope="module")
def server(store: ChdbStore) -> Iterator[SqlServer]:
    with served(store.directory, limits=replace(LIMITS, seconds=5.0)) as server:
        yield server


def test_neither_foreign_names_nor_web_pages_are_answered(server: SqlServer) -> None:
    port = urlsplit(server.url).port
    for headers in (
        {"Host": f"evil.example:{port}"},
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        status, _, body = ask(server, "SELECT 1", headers)
        assert status == 403
        assert b"Code: 497" in body
    assert ask(server, "SELECT 1", {"Host": f"localhost:{port}"})[0] == 200
    assert ask(server, "SELECT 1", database="system")[0] == 404
    assert ask(server, "SELECT 1", decompress="1")[0] == 501
    status, headers, _ = ask(server, "SELECT " + " " * LIMITS.request + "1")
    assert (status, headers["X-ClickHouse-Exception-Code"]) == (413, "307")


def test_a_token_is_asked_for_in_every_way_clickhouse_knows(store: ChdbStore) -> None:
    with served(store.directory, TOKEN) as server:
        assert ask(server, "SELECT 1")[0] == 401
        assert ask(server, "SELECT 1", {"X-ClickHouse-Key": "wrong"})[0] == 403
        assert ask(server, "SELECT 1", {"Authorization": "Basic %"})[0] == 403
        ways: list[dict[str, str]] = [
            {"X-ClickHouse-User": "default", "X-ClickHouse-Key": TOKEN},
            {"Authorization": f"Bearer {TOKEN}"},
        ]
        for headers in ways:
            assert ask(server, "SELECT 1", headers)[2] == b"1\n"
        assert ask(server, "SELECT 1", password=TOKEN)[2] == b"1\n"
        assert ask(server, method="GET", path="/ping")[2] == b"Ok.\n"
        client = connected(server, username="analyst", password=TOKEN)
        assert client.command("SELECT 1") == 1
        client.close()
        with pytest.raises(DatabaseError, match="516"):
            connected(server, username="analyst", password="wrong")


def test_elsewhere_than_on_loopback_nothing_starts_without_a_token(store: ChdbStore) -> None:
    with (
        pytest.raises(PulseError, match="PULSE_SQL_TOKEN"),
        served(store.directory, host="0.0.0.0"),
    ):
        pass
    with served(store.directory, TOKEN, host="0.0.0.0") as server:
        assert ask(server, "SELECT 1")[0] == 401


def running(store: ChdbStore) -> int:
    found = store.query(
        "SELECT count() AS n FROM system.processes WHERE query LIKE '%cityHash64(number)%' "
        "AND Settings['log_comment'] LIKE 'pulse-http%'"
    )
    return int(found["n"][0].as_py())


def waited(until: Any, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_a_client_that_goes_away_takes_its_query_with_it(store: ChdbStore) -> None:
    with served(store.directory) as server:
        place = urlsplit(server.url)
        caller = socket.create_connection((str(place.hostname), place.port or 0))
        request = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(ENDLESS)}\r\n\r\n"
        caller.sendall(request.encode() + ENDLESS.encode())
        assert waited(lambda: running(store) == 1)
        caller.close()
        assert waited(lambda: running(store) == 0, 3.0)
        assert ask(server, "SELECT 1")[2] == b"1\n"


def test_a_long_query_ends_in_time_and_holds_up_neither_writer_nor_stop(store: ChdbStore) -> None:
    with served(store.directory, limits=replace(LIMITS, seconds=1.0)) as server:
        began = time.monotonic()
        status, headers, body = ask(server, ENDLESS)
        assert (status, headers["X-ClickHouse-Exception-Code"]) == (408, "159")
        assert time.monotonic() - began < 4
        assert b"Timeout exceeded" in body
    with served(store.directory) as server:
        asking = threading.Thread(target=lambda: ask(server, ENDLESS))
        asking.start()
        assert waited(lambda: running(store) == 1)
        store.command("CREATE TABLE IF NOT EXISTS scratch (a UInt8) ENGINE = Memory")
        store.command("DROP TABLE scratch")
        began = time.monotonic()
    assert time.monotonic() - began < 3
    asking.join(5)
    assert not asking.is_alive()


def test_callers_take_turns(store: ChdbStore) -> None:
    """One that asks much does not keep out one that asks once."""
    slow = "SELECT sum(cityHash64(number)) FROM numbers(150000000) SETTINGS max_threads = 1"
    ended: list[str] = []

    def call(name: str) -> None:
        assert ask(shared, slow, {"User-Agent": name})[0] == 200
        ended.append(name)

    with served(store.directory, limits=replace(LIMITS, at_once=1)) as shared:
        threads = [threading.Thread(target=call, args=("board",)) for _ in range(5)]
        for thread in threads:
            thread.start()
        assert waited(lambda: running(store) == 1)
        threads.append(threading.Thread(target=call, args=("analyst",)))
        threads[-1].start()
        for thread in threads:
            thread.join(60)
    assert "analyst" in ended[:3]
    assert len(ended) == 6


def test_many_at_once_are_answered_and_too_many_refused(store: ChdbStore) -> None:
    statuses: list[int] = []

    def call() -> None:
        statuses.append(ask(shared, "SELECT count() FROM events")[0])

    with served(store.directory) as shared:
        threads = [threading.Thread(target=call) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert statuses == [200] * 40
    with served(store.directory, limits=replace(LIMITS, at_once=1, waiting=0, seconds=2.0)) as full:
        caller = threading.Thread(target=lambda: ask(full, ENDLESS))
        caller.start()
        assert waited(lambda: running(store) == 1)
        status, headers, _ = ask(full, "SELECT 1")
        assert (status, headers["X-ClickHouse-Exception-Code"]) == (429, "202")
        caller.join(20)
