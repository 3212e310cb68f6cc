"""The embedded store's own promises: one owner a directory, safe to close at any time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from streams.errors import DataDirectoryLocked, StoreError, StoreUnavailable
from streams.storage.chdb_store import ChdbStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChdbStore]:
    store = ChdbStore(tmp_path / "data")
    yield store
    store.close()


def test_a_second_owner_is_told_who_holds_the_directory(store: ChdbStore) -> None:
    with pytest.raises(DataDirectoryLocked) as raised:
        ChdbStore(store.directory, wait=0.1)
    assert str(raised.value) == (
        f"{store.directory / 'lock'}: held by process {os.getpid()}; "
        "stop it or choose another --data"
    )


def test_the_next_owner_waits_for_the_last_and_finds_its_rows(store: ChdbStore) -> None:
    store.command("CREATE TABLE kept (n UInt8) ENGINE = MergeTree ORDER BY n")
    store.insert("kept", pa.table({"n": pa.array([1, 2], pa.uint8())}))
    closer = threading.Timer(0.3, store.close)
    closer.start()
    started = time.monotonic()
    following = ChdbStore(store.directory, wait=5.0)
    assert time.monotonic() - started > 0.2
    assert following.query("SELECT sum(n) AS n FROM kept")["n"].to_pylist() == [3]
    following.close()


def test_a_killed_owner_leaves_rows_and_no_lock(tmp_path: Path) -> None:
    program = (
        "import sys, os, pathlib, pyarrow as pa\n"
        "from streams.storage.chdb_store import ChdbStore\n"
        "store = ChdbStore(pathlib.Path(sys.argv[1]))\n"
        "store.command('CREATE TABLE kept (n UInt8) ENGINE = MergeTree ORDER BY n')\n"
        "store.insert('kept', pa.table({'n': pa.array([7], pa.uint8())}))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    root = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path / "d")], cwd=root)
    assert ended.returncode == -9
    store = ChdbStore(tmp_path / "d", wait=0.0)
    assert store.query("SELECT n FROM kept")["n"].to_pylist() == [7]
    store.close()


def test_a_closed_store_says_so_and_ends_its_streams(store: ChdbStore) -> None:
    stream = store.stream("SELECT number FROM numbers(1000000)")
    assert next(stream).num_rows
    store.close()
    store.close()
    with pytest.raises(StoreError, match="the store is closed"):
        for _ in stream:
            pass
    with pytest.raises(StoreError, match="the store is closed"):
        store.query("SELECT 1")


def test_a_failed_statement_leaves_nothing_in_the_next_result(store: ChdbStore) -> None:
    for _ in range(3):
        with pytest.raises(StoreError):
            store.query("SELECT throwIf(number > 70000, 'late') AS wrong FROM numbers(100000)")
        assert store.query("SELECT 1 AS n").to_pylist() == [{"n": 1}]


def test_a_slow_statement_of_one_thread_does_not_hold_up_another(store: ChdbStore) -> None:
    slow = "SELECT sum(sipHash64(number)) FROM numbers(200000000) SETTINGS max_threads = 1"
    worker = threading.Thread(target=store.query, args=(slow,))
    worker.start()
    time.sleep(0.1)
    started = time.monotonic()
    store.query("SELECT 1")
    assert worker.is_alive()
    assert time.monotonic() - started < 0.5
    worker.join()


def test_threads_that_ended_leave_no_connection_behind(store: ChdbStore) -> None:
    for _ in range(20):
        thread = threading.Thread(target=store.query, args=("SELECT 1",))
        thread.start()
        thread.join()
    assert len(store._connections) <= 2


def test_a_second_directory_in_one_process_is_refused_readably(
    store: ChdbStore, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="already initialized with path"):
        ChdbStore(tmp_path / "other")


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match=r"file/data: cannot be used"):
        ChdbStore(tmp_path / "file" / "data")
