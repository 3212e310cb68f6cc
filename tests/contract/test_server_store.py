"""What only a server can do to us: refuse, stall, vanish, come back; wrong credentials, TLS."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from clickhouse_driver import Client
from clickhouse_driver.block import ColumnOrientedBlock
from clickhouse_driver.errors import ServerException

from streams.errors import StoreError, StoreUnavailable
from streams.storage.migrations import migrate
from streams.storage.server_store import ServerStore
from tests.support.certificates import Certificates
from tests.support.clickhouse_server import ServerProcess
from tests.support.event_rows import event_rows


@pytest.fixture
def remote(server: ServerProcess) -> Iterator[ServerStore]:
    """A migrated store on the test server, its events empty, no orders left behind."""
    store = ServerStore(server.url, connect_timeout=2.0)
    migrate(store)
    for table in ("events", "account_minute_parts"):
        store.command(f"TRUNCATE TABLE {table}")
    yield store
    server.orders()
    store.close()


def counts(store: ServerStore) -> tuple[int, int]:
    sql = "SELECT (SELECT count() FROM events) AS n, sum(requests) AS r FROM account_minute"
    row = store.query(sql).to_pylist()[0]
    return row["n"], row["r"]


def test_a_connection_lost_after_the_commit_counts_once_when_retried(
    server: ServerProcess, remote: ServerStore
) -> None:
    rows = event_rows(700, seed=21)
    server.orders(fail_after=2)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=str(server.port)):
            remote.insert("events", rows, "lost-answer")
    assert counts(remote) == (700, 700)
    remote.insert("events", rows, "lost-answer")
    assert counts(remote) == (700, 700)


def test_an_insert_refused_before_it_was_stored_stores_nothing(
    server: ServerProcess, remote: ServerStore
) -> None:
    rows = event_rows(50, seed=22)
    server.orders(fail_before=1)
    with pytest.raises(StoreUnavailable, match="insert into events: ClickHouse: as ordered"):
        remote.insert("events", rows, "refused")
    assert counts(remote) == (0, 0)
    remote.insert("events", rows, "refused")
    assert counts(remote) == (50, 50)


def test_an_insert_cut_off_in_the_middle_stores_nothing(
    server: ServerProcess, remote: ServerStore
) -> None:
    """A client that dies between two blocks of one insert."""
    client = Client(server.host, server.port, client_revision=54453)
    try:
        client.establish_connection({})
        client.connection.send_query("INSERT INTO events (event_id) VALUES")
        client.connection.send_external_tables(None)
        sample = client.receive_sample_block()
        assert sample.columns_with_types == [("event_id", "String")]
        client.connection.send_data(ColumnOrientedBlock(sample.columns_with_types, [["a", "b"]]))
    finally:
        client.disconnect()
    time.sleep(0.2)
    assert counts(remote)[0] == 0


def test_a_server_that_refuses_is_named_and_used_again_when_it_is_back(
    server: ServerProcess, remote: ServerStore
) -> None:
    server.orders(refuse_for=0.6)
    with pytest.raises(StoreUnavailable) as raised:
        remote.query("SELECT 1")
    assert f"clickhouse://127.0.0.1:{server.port} cannot be reached" in str(raised.value)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            rows = remote.query("SELECT 1 AS n")
            break
        except StoreUnavailable:
            time.sleep(0.1)
    assert rows["n"].to_pylist() == [1]


def test_a_slow_server_is_given_up_on_after_the_timeout(
    server: ServerProcess, remote: ServerStore
) -> None:
    server.orders(slow_insert=1.5)
    hasty = ServerStore(server.url, timeout=0.3)
    with pytest.raises(StoreUnavailable, match=r"cannot be reached: .*timed out"):
        hasty.insert("events", event_rows(10, seed=23), "slow")
    hasty.close()
    deadline = time.monotonic() + 10
    while counts(remote)[0] < 10 and time.monotonic() < deadline:
        time.sleep(0.1)
    server.orders()
    remote.insert("events", event_rows(10, seed=23), "slow")
    assert counts(remote) == (10, 10)


def test_closing_ends_the_call_of_another_thread(
    server: ServerProcess, remote: ServerStore
) -> None:
    server.orders(slow_insert=0.5)
    rows = event_rows(1, seed=40)
    for number in range(20):
        store = ServerStore(server.url)
        store.query("SELECT 1")
        with ThreadPoolExecutor(1) as thread:
            call = thread.submit(store.insert, "events", rows, f"closed-{number}")
            time.sleep(0.02)
            store.close()
            error = call.exception(10)
        assert type(error) is StoreError
        assert str(error) == f"{store.address}: the store is closed"


def test_what_was_stored_survives_kill_9_and_the_client_reconnects(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        store = ServerStore(server.url)
        migrate(store)
        for block in range(5):
            store.insert("events", event_rows(100, seed=30 + block), f"kill-{block}")
        server.kill()
        with pytest.raises(StoreUnavailable, match=r"refused"):
            store.query("SELECT 1")
        server.start()
        assert counts(store) == (500, 500)
        store.insert("events", event_rows(100, seed=34), "kill-4")
        assert counts(store) == (500, 500)
        store.close()


def test_nobody_listening_is_worth_a_retry() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(StoreUnavailable, match=f"clickhouse://127.0.0.1:{port} cannot be reached"):
        ServerStore(f"clickhouse://127.0.0.1:{port}").query("SELECT 1")


def test_wrong_credentials_are_told_without_the_password(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with ServerProcess(tmp_path, user="pulse", password="right-secret") as server:
        with pytest.raises(StoreError) as raised:
            ServerStore(server.url, "pulse", "wrong-secret").query("SELECT 1")
        address = f"clickhouse://127.0.0.1:{server.port}"
        assert str(raised.value) == f"wrong user or password for {address}"
        assert not isinstance(raised.value, StoreUnavailable)
        store = ServerStore(server.url, "pulse", "right-secret")
        assert store.query("SELECT 1 AS n")["n"].to_pylist() == [1]
        store.close()
        with pytest.raises(StoreError, match="has no database 'elsewhere'"):
            ServerStore(f"{address}/elsewhere", "pulse", "right-secret").query("SELECT 1")
    written = capfd.readouterr()
    assert "secret" not in written.out + written.err
    assert "Traceback" not in written.err


def test_over_tls_the_authority_is_checked(tmp_path: Path) -> None:
    try:
        certificates = Certificates(tmp_path / "certificates")
        bundle, authority = certificates.server_bundle, certificates.authority
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("needs openssl 3")
    with ServerProcess(tmp_path / "server", tls=(bundle, bundle)) as server:
        store = ServerStore(server.url, secure=True, ca_file=str(authority))
        assert store.query("SELECT 1 AS n")["n"].to_pylist() == [1]
        store.close()
        for ca_file in (str(certificates.stranger), ""):
            with pytest.raises(StoreError, match="not signed by the expected authority"):
                ServerStore(server.url, secure=True, ca_file=ca_file).query("SELECT 1")


@pytest.mark.parametrize("compression", [False, "lz4"])
def test_any_client_of_the_protocol_can_talk_to_the_test_server(
    server: ServerProcess, remote: ServerStore, compression: bool | str
) -> None:
    """The double is judged by clickhouse-driver as it is, not only by our own use of it."""
    client = Client(
        server.host, server.port, compression=compression, settings={"insert_block_size": 2}
    )
    client.execute(
        "CREATE TABLE IF NOT EXISTS plain (n UInt32, w LowCardinality(String), "
        "m Map(String, UInt8)) ENGINE = MergeTree ORDER BY n"
    )
    client.execute("TRUNCATE TABLE plain")
    rows = [(n, f"w{n % 2}", {"k": n}) for n in range(7)]
    client.execute("INSERT INTO plain (n, w, m) VALUES", rows, settings={"no_such_setting": 1})
    assert client.execute("SELECT n, w, m FROM plain ORDER BY n") == rows
    parts = client.execute("SELECT uniqExact(_part) FROM plain")
    assert parts == [(1,)], "several blocks of one insert are stored as one"
    assert client.execute("SELECT getSetting('max_threads')", settings={"max_threads": 1}) == [(1,)]
    with pytest.raises(ServerException, match="nope") as raised:
        client.execute("SELECT nope")
    assert raised.value.code == 47
    assert sum(n for (n,) in client.execute_iter("SELECT number FROM numbers(200000)")) > 0
    client.disconnect()
    assert pa.types.is_uint32(remote.query("SELECT n FROM plain").schema.field("n").type)
