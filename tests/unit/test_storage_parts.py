"""Small parts of the store: messages, settings to store, migration files, native columns."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from clickhouse_driver.bufferedreader import BufferedReader
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import StoreError, StoreUnavailable, UsageError
from streams.settings import Settings
from streams.storage.chdb_store import ChdbStore
from streams.storage.failures import failure
from streams.storage.migrations import load, parsed
from streams.storage.native import decode_column, encode_block
from streams.storage.open import open_store
from streams.storage.server_store import ServerStore


class Bytes(BufferedReader):  # type: ignore[misc]
    """clickhouse-driver's reader over bytes, a few at a time."""

    def __init__(self, content: bytes, step: int) -> None:
        self._content = BytesIO(content)
        self._step = step
        super().__init__(step)

    def read_into_buffer(self) -> None:
        self.buffer = bytearray(self._content.read(self._step))
        self.current_buffer_size = len(self.buffer)
        if not self.buffer:
            raise EOFError


def through_the_wire(column: pa.Array, kind: str, step: int = 1000) -> pa.Array:
    content = b"".join(encode_block(pa.table({"c": column}), [("c", kind)]))
    start = content.index(kind.encode()) + len(kind)
    source = Bytes(content[start:], step)
    result = decode_column(kind, len(column), source)
    with pytest.raises(EOFError):
        source.read(1)
    return result


@given(values=st.lists(st.binary(max_size=300), min_size=1, max_size=50), step=st.integers(1, 4000))
def test_strings_of_any_length_keep_their_bytes(values: list[bytes], step: int) -> None:
    column = pa.array(values, pa.binary())
    for kind in ("String", "LowCardinality(String)"):
        assert through_the_wire(column, kind, step).to_pylist() == values
    assert through_the_wire(column.dictionary_encode(), "String").to_pylist() == values


@pytest.mark.parametrize("length", [0, 1, 127, 128, 16_383, 16_384, 2_100_000])
def test_lengths_around_the_steps_of_a_varint(length: int) -> None:
    for values in ([b"x" * length] * 2, [b"x" * length, b"y"]):
        assert through_the_wire(pa.array(values, pa.binary()), "String").to_pylist() == values


@pytest.mark.parametrize("different", [1, 255, 256, 257, 65_536, 65_537])
def test_dictionaries_of_any_size(different: int) -> None:
    values = [f"{n}".encode() for n in range(different)] * 2
    column = pa.array(values, pa.binary()).dictionary_encode()
    assert through_the_wire(column, "LowCardinality(String)").to_pylist() == values


def test_nulls_and_times_of_other_units() -> None:
    column = pa.array([1, None, 3], pa.uint32())
    assert through_the_wire(column, "Nullable(UInt64)").to_pylist() == [1, None, 3]
    seconds = pa.array([0, 1_800_000_000], pa.timestamp("s", "UTC"))
    back = through_the_wire(seconds, "DateTime64(3, 'UTC')")
    assert back.type == pa.timestamp("ms", "UTC")
    assert back.to_pylist() == seconds.to_pylist()
    nothing = pa.array([None, None], pa.timestamp("ms", "UTC"))
    assert through_the_wire(nothing, "Nullable(DateTime64(3, 'UTC'))").null_count == 2


def test_lists_of_slices_carry_only_what_they_show() -> None:
    lists = pa.array([["a"], ["b", "c"], [], ["d"]]).slice(1, 2)
    assert through_the_wire(lists, "Array(String)").to_pylist() == [[b"b", b"c"], []]
    maps = pa.array([[("a", 1.0)], [("b", 2.0)]], pa.map_(pa.string(), pa.float32())).slice(1)
    back = through_the_wire(maps, "Map(LowCardinality(String), Float32)")
    assert back.to_pylist() == [[(b"b", 2.0)]]


def test_a_type_that_cannot_travel_is_named() -> None:
    with pytest.raises(StoreError, match=r"Decimal\(9, 2\) cannot be written"):
        list(encode_block(pa.table({"c": pa.array([1])}), [("c", "Decimal(9, 2)")]))
    with pytest.raises(StoreError, match="wrap it in toString"):
        decode_column("UUID", 1, Bytes(b"0" * 16, 16))


def test_what_the_engine_says_is_cut_to_what_helps() -> None:
    raw = (
        "Code: 60. DB::Exception: Table default.nope does not exist. Maybe you meant system.one?: "
        "While executing X. Stack trace:\n\n0. frame @ 0xff (UNKNOWN_TABLE)"
    )
    assert str(failure(raw)) == "ClickHouse: Table default.nope does not exist (UNKNOWN_TABLE)"
    long = str(failure("Code: 1. DB::Exception: " + "x" * 5000 + " (NAME)"))
    assert len(long) < 400


@pytest.mark.parametrize(
    "raw",
    [
        "Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)",
        "Code: 75. DB::Exception: Cannot write to file. (CANNOT_WRITE_TO_FILE_DESCRIPTOR)",
        "Code: 252. DB::Exception: Too many parts (300). Merges are slow. (TOO_MANY_PARTS)",
        "Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)",
        "Code: 159. DB::Exception: Timeout exceeded. (TIMEOUT_EXCEEDED)",
        "Code: 1001. DB::Exception: std::exception: No space left on device (STD_EXCEPTION)",
    ],
)
def test_shortages_are_worth_a_retry(raw: str) -> None:
    assert isinstance(failure(raw), StoreUnavailable)


def test_settings_choose_the_store(tmp_path: Path) -> None:
    embedded = open_store(Settings(data=str(tmp_path / "data")))
    assert isinstance(embedded, ChdbStore)
    embedded.close()
    server = open_store(Settings(store="clickhouse://db.example:9001/usage", store_password="x"))
    assert isinstance(server, ServerStore)
    assert server.address == "clickhouse://db.example:9001"
    secure = open_store(Settings(store="clickhouse://db.example", store_secure=True))
    assert isinstance(secure, ServerStore)
    assert secure.address == "clickhouse://db.example:9440"


@pytest.mark.parametrize(
    "url",
    ["http://db:8123", "clickhouse://", "db:9000", "clickhouse://db:x", "clickhouse://db/a/b"],
)
def test_a_bad_url_is_wrong_usage(url: str) -> None:
    with pytest.raises(UsageError, match="expected clickhouse://host:9000/database, got"):
        open_store(Settings(store=url))


def test_a_password_in_the_url_is_refused_without_repeating_it() -> None:
    with pytest.raises(UsageError, match="PULSE_STORE_PASSWORD") as raised:
        open_store(Settings(store="clickhouse://me:hunter2@db/usage"))
    assert "hunter2" not in str(raised.value)


def test_statements_end_at_semicolons_at_the_end_of_a_line() -> None:
    text = (
        "-- one; two\nCREATE TABLE a (s String COMMENT 'x; y')\nENGINE = Memory;\n\n"
        "DROP TABLE IF EXISTS b;"
    )
    migration = parsed(1, "x", text)
    assert [statement.split("\n")[0] for statement in migration.statements] == [
        "CREATE TABLE IF NOT EXISTS a (s String COMMENT 'x; y')",
        "DROP TABLE IF EXISTS b",
    ]
    assert migration.checksum == parsed(1, "x", text.replace("-- one; two", "")).checksum
    assert migration.checksum != parsed(1, "x", text.replace("a (s", "a (t")).checksum


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO a SELECT 1;",
        "DROP TABLE a;",
        "ALTER TABLE a ADD COLUMN b UInt8;",
        "RENAME TABLE a TO b;",
    ],
)
def test_a_statement_that_cannot_be_run_twice_is_refused(statement: str) -> None:
    with pytest.raises(StoreError, match="migration 0003_x: expected a statement that can be run"):
        parsed(3, "x", statement)


def test_numbers_of_migrations_have_no_gap(tmp_path: Path) -> None:
    for number in (1, 3):
        (tmp_path / f"{number:04d}_x.sql").write_text("DROP TABLE IF EXISTS a;")
    with pytest.raises(StoreError, match="0003_x found where 0002 was expected"):
        load(tmp_path)
    assert [m.version for m in load()] == list(range(1, len(load()) + 1))


def test_offsets_of_empty_columns() -> None:
    assert through_the_wire(pa.array([], pa.list_(pa.string())), "Array(String)").to_pylist() == []
    assert np.asarray(through_the_wire(pa.array([], pa.uint8()), "UInt8")).size == 0
