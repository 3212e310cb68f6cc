"""One suite for both stores: what goes in comes out, once, whole, and errors can be read."""

from __future__ import annotations

import math
import threading
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from streams.errors import StoreError, StoreUnavailable
from streams.storage.base import MAX_INSERT_ROWS, Store
from tests.support.event_rows import event_rows

EVERY_TYPE = {
    "n": "UInt64",
    "text": "String",
    "bytes": "String",
    "word": "LowCardinality(String)",
    "u8": "UInt8",
    "u16": "UInt16",
    "u32": "UInt32",
    "f32": "Float32",
    "f64": "Float64",
    "second": "DateTime('UTC')",
    "milli": "DateTime64(3, 'UTC')",
    "maybe": "Nullable(DateTime64(3, 'UTC'))",
    "texts": "Array(String)",
    "scores": "Map(LowCardinality(String), Float32)",
    "drivers": "Map(LowCardinality(String), Float64)",
    "extra": "Map(LowCardinality(String), String)",
}
MAX_TIME = datetime(2200, 1, 1, tzinfo=UTC)
NASTY = ["", "\0a\0", "é😀 \u202e", "<script>alert('1')</script>", "a'b\\c\n\t\"`{x}", "x" * 70_000]
SECONDS, MILLIS = pa.timestamp("s", "UTC"), pa.timestamp("ms", "UTC")


def every_type() -> pa.Table:
    """Six rows with the extremes of every column."""
    count = len(NASTY)
    zero = datetime(1970, 1, 1, tzinfo=UTC)
    now = datetime(2026, 5, 4, 3, 2, 1, 987_000, tzinfo=UTC)
    last_second = datetime.fromtimestamp(2**32 - 1, UTC)
    raw = [b"", b"\xff\xfe\0\x80", bytes(range(256)), b"plain", b"\0", b"\xc3" * 300]
    return pa.table(
        {
            "n": pa.array([0, 1, 2, 3, 4, 2**64 - 1], pa.uint64()),
            "text": pa.array(NASTY),
            "bytes": pa.array(raw, pa.binary()),
            "word": pa.array(NASTY).dictionary_encode(),
            "u8": pa.array([0, 255] * 3, pa.uint8()),
            "u16": pa.array([0, 2**16 - 1] * 3, pa.uint16()),
            "u32": pa.array([0, 2**32 - 1] * 3, pa.uint32()),
            "f32": pa.array([0.0, -0.5, 3.0e38, math.inf, -math.inf, 1.25], pa.float32()),
            "f64": pa.array([0.0, 5e-324, 1.7e308, math.inf, -math.inf, 0.1], pa.float64()),
            "second": pa.array([zero, last_second] * 3, SECONDS),
            "milli": pa.array([zero, now, MAX_TIME] * 2, MILLIS),
            "maybe": pa.array([None, now, MAX_TIME] * 2, MILLIS),
            "texts": pa.array([[], NASTY, [""], ["a", "b"], [], ["z"]], pa.list_(pa.string())),
            "scores": pa.array(
                [[], [("hate", 0.5), ("", 0.25)], [], [("é", 1.0)], [("a\0", 0.0)], []],
                pa.map_(pa.string(), pa.float32()),
            ),
            "drivers": pa.array([[("m", 1e-300)]] * count, pa.map_(pa.string(), pa.float64())),
            "extra": pa.array([[("k", text)] for text in NASTY], pa.map_(pa.string(), pa.string())),
        }
    )


def create_every_type(store: Store) -> None:
    columns = ", ".join(f"{name} {kind}" for name, kind in EVERY_TYPE.items())
    store.command(f"CREATE TABLE every_type ({columns}) ENGINE = MergeTree ORDER BY n")


def read_every_type(store: Store) -> pa.Table:
    return store.query(f"SELECT {', '.join(EVERY_TYPE)} FROM every_type ORDER BY n")


def sums(store: Store) -> tuple[int, int, int]:
    """Rows of `events`, requests and prompt tokens of the roll-up."""
    row = store.query(
        "SELECT (SELECT count() FROM events) AS events, sum(requests) AS requests, "
        "sum(prompt_tokens) AS tokens FROM account_minute"
    ).to_pylist()[0]
    return row["events"], row["requests"], row["tokens"]


def test_every_column_type_of_the_schema_is_covered_here(store: Store) -> None:
    used = store.query("SELECT DISTINCT type FROM system.columns WHERE database = 'default'")
    unzoned = {"DateTime64(3)": "DateTime64(3, 'UTC')"}
    kinds = {unzoned.get(kind, kind) for kind in used["type"].to_pylist()}
    assert kinds <= set(EVERY_TYPE.values())


def test_values_come_back_as_they_were_written(store: Store) -> None:
    create_every_type(store)
    rows = every_type()
    store.insert("every_type", rows)
    back = read_every_type(store)
    assert back.to_pylist() == rows.to_pylist()
    assert back.schema.field("text").type == pa.string()
    assert back.schema.field("bytes").type == pa.binary()
    assert back.schema.field("word").type == pa.string()
    assert back.schema.field("second").type == SECONDS
    assert back.schema.field("milli").type == MILLIS


@pytest.mark.parametrize("shape", ["plain", "large", "chunks", "slice", "slice_of_chunks", "wide"])
def test_every_arrow_shape_of_the_same_rows_is_stored_alike(store: Store, shape: str) -> None:
    create_every_type(store)
    rows = every_type()
    words = rows["word"].cast(pa.string())
    place = rows.schema.get_field_index("word")
    one = rows.slice(0, 2), rows.slice(2, 3), rows.slice(5)
    pieces = [
        part.set_column(place, "word", part["word"].cast(pa.string()).dictionary_encode())
        for part in one
    ]
    shaped = {
        "plain": rows.set_column(place, "word", words),
        "large": rows.set_column(place, "word", words.cast(pa.large_string())),
        "chunks": pa.concat_tables(pieces),
        "slice": pa.concat_tables([rows, rows, rows]).combine_chunks().slice(6, 6),
        "slice_of_chunks": pa.concat_tables([pieces[2], *pieces, *pieces]).slice(1, 6),
        "wide": rows.set_column(
            place,
            "word",
            pa.DictionaryArray.from_arrays(
                pa.array(range(1000, 1006), pa.uint16()),
                [f"unused {n}" for n in range(1000)] + NASTY,
            ),
        ),
    }[shape]
    store.insert("every_type", shaped)
    assert read_every_type(store).to_pylist() == rows.to_pylist()


def test_empty_tables_and_empty_results_keep_their_columns(store: Store) -> None:
    create_every_type(store)
    store.insert("every_type", every_type().slice(0, 0))
    back = read_every_type(store)
    assert back.num_rows == 0
    assert back.schema.names == list(EVERY_TYPE)
    assert back.schema.field("second").type == SECONDS
    assert list(store.stream("SELECT * FROM every_type WHERE n = 7")) in (
        [],
        [batch for batch in back.to_batches() if batch.num_rows],
    ) or all(not batch.num_rows for batch in store.stream("SELECT * FROM every_type"))


def test_text_that_is_not_utf8_can_still_be_read(store: Store) -> None:
    assert store.query("SELECT unhex('ff00') AS odd")["odd"].to_pylist() == [b"\xff\x00"]


MISFITS: list[tuple[str, pa.Array, str]] = [
    ("u32", pa.array([1.5]), "column 'u32': expected an unsigned integer of at most 32 bits"),
    ("u32", pa.array([-1], pa.int32()), "column 'u32': expected an unsigned integer"),
    ("u8", pa.array([256], pa.uint16()), "at most 8 bits for UInt8, got uint16"),
    ("f32", pa.array([1e300]), "column 'f32': expected float for Float32, got double"),
    ("text", pa.array([1]), "column 'text': expected string"),
    ("text", pa.array(["a", None]), "column 'text': expected String without NULL, got NULL"),
    ("word", pa.array([None, "a"]).dictionary_encode(), "without NULL, got NULL"),
    ("milli", pa.array([0], pa.timestamp("ms")), "column 'milli': expected timestamp with a time"),
    ("milli", pa.array([0], pa.timestamp("us", "UTC")), "no finer unit"),
    ("second", pa.array([0], MILLIS), "expected timestamp[s] with a time zone"),
    ("texts", pa.array([["a", None]]), "column 'texts': expected String without NULL"),
    ("scores", pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), "'scores', value"),
    ("nope", pa.array([1]), "the table has no column 'nope'"),
]


@pytest.mark.parametrize(("name", "column", "expected"), MISFITS)
def test_what_does_not_fit_is_refused_and_nothing_is_stored(
    store: Store, name: str, column: pa.Array, expected: str
) -> None:
    create_every_type(store)
    with pytest.raises(StoreError) as raised:
        store.insert("every_type", pa.table({name: column}))
    assert "insert into every_type" in str(raised.value)
    assert expected in str(raised.value)
    assert read_every_type(store).num_rows == 0


def test_events_are_plain_to_count_and_summed_by_the_minute(store: Store) -> None:
    first, second = event_rows(3000, seed=1), event_rows(2000, seed=2)
    store.insert("events", first, "sums-1")
    store.insert("events", second, "sums-2")
    tokens = sum(first["prompt_tokens"].to_pylist()) + sum(second["prompt_tokens"].to_pylist())
    assert store.query("SELECT count() AS n FROM events")["n"].to_pylist() == [5000]
    assert sums(store) == (5000, 5000, tokens)
    per_account = store.query(
        "SELECT count() AS wrong FROM (SELECT account_id, toStartOfMinute(ts) AS minute, "
        "count() AS requests, sum(e.prompt_tokens) AS p, sum(e.completion_tokens) AS c, "
        "countIf(status = 429) AS throttled, countIf(status >= 400 AND status != 429) AS errors "
        "FROM events AS e GROUP BY account_id, minute) AS raw "
        "FULL JOIN account_minute AS sums USING (account_id, minute) "
        "WHERE raw.requests != sums.requests OR p != sums.prompt_tokens "
        "OR c != sums.completion_tokens OR raw.throttled != sums.throttled "
        "OR raw.errors != sums.errors"
    )
    assert per_account["wrong"].to_pylist() == [0]


def test_a_token_counts_once_in_the_table_and_in_the_roll_up(store: Store) -> None:
    rows = event_rows(1000, seed=3)
    tokens = sum(rows["prompt_tokens"].to_pylist())
    for _ in range(3):
        store.insert("events", rows, "once'\\")
    assert sums(store) == (1000, 1000, tokens)
    store.insert("events", event_rows(1000, seed=4), "another")
    assert sums(store)[:2] == (2000, 2000)
    store.insert("events", event_rows(10, seed=5))
    store.insert("events", event_rows(10, seed=6))
    assert sums(store)[:2] == (2020, 2020)


def test_without_its_own_window_the_roll_up_would_count_twice(store: Store) -> None:
    """The reason for the setting on `account_minute_parts`: this is what it prevents."""
    setting = "ALTER TABLE account_minute_parts MODIFY SETTING"
    store.command(f"{setting} non_replicated_deduplication_window = 0")
    try:
        for _ in range(2):
            store.insert("events", event_rows(100, seed=7), "no-window")
        assert sums(store)[:2] == (100, 200)
    finally:
        store.command(f"{setting} non_replicated_deduplication_window = 1000")


def test_an_insert_is_one_part_however_large(store: Store) -> None:
    rows = event_rows(200_000, seed=8, accounts=5000)
    store.insert("events", rows, "large")
    parts = store.query("SELECT uniqExact(_part) AS parts, count() AS n FROM events")
    assert parts.to_pylist() == [{"parts": 1, "n": 200_000}]


def test_more_rows_than_one_block_holds_are_refused(store: Store) -> None:
    create_every_type(store)
    many = pa.table({"n": pa.array(range(MAX_INSERT_ROWS + 1), pa.uint64())})
    with pytest.raises(StoreError, match="1000001 rows, at most 1000000"):
        store.insert("every_type", many)


def test_a_large_result_comes_in_blocks(store: Store) -> None:
    count, total, largest = 0, 0, 0
    for batch in store.stream(
        "SELECT number, toString(number) AS s FROM numbers({n})", {"n": 10**6}
    ):
        assert batch.num_rows == 0 or batch["s"][0].as_py() == str(batch["number"][0].as_py())
        largest = max(largest, batch.num_rows)
        count, total = count + batch.num_rows, total + sum(batch["number"].to_pylist())
    assert (count, total) == (10**6, 10**6 * (10**6 - 1) // 2)
    assert largest <= 200_000


def test_statements_run_beside_an_open_stream_and_it_may_be_left(store: Store) -> None:
    stream = store.stream("SELECT number FROM numbers(1000000)")
    first = next(batch for batch in stream if batch.num_rows)
    assert store.query("SELECT 7 AS n")["n"].to_pylist() == [7]
    second = next(stream)
    assert second["number"][0].as_py() == first.num_rows
    stream.close()  # type: ignore[attr-defined]
    assert store.query("SELECT 8 AS n")["n"].to_pylist() == [8]


def test_a_failure_inside_a_stream_is_told(store: Store) -> None:
    sql = "SELECT throwIf(number > 500000, 'too far') FROM numbers(1000000)"
    with pytest.raises(StoreError, match="too far"):
        for _ in store.stream(sql):
            pass


def test_a_reader_beside_a_writer_sees_whole_inserts(store: Store) -> None:
    rows, blocks, seen = 500, 30, []
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                seen.append(sums(store)[0])
        except StoreError as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for block in range(blocks):
        store.insert("events", event_rows(rows, seed=100 + block), f"beside-{block}")
    done.set()
    for reader in readers:
        reader.join()
    assert not failures
    assert len(seen) >= 2
    assert all(count % rows == 0 for count in seen)
    assert sums(store)[:2] == (rows * blocks, rows * blocks)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
VALUES: Any = st.one_of(
    TEXTS,
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=40),
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(value=VALUES)
@example(value="'; DROP TABLE events; --")
@example(value="\\'{value}\0")
@example(value="\0" + "1")
@example(value=-(2**63))
def test_a_parameter_arrives_as_the_value_it_is(migrated: Store, value: object) -> None:
    name = "bytes" if isinstance(value, bytes) else "value"
    back = migrated.query(f"SELECT {{value}} AS {name}", {"value": value})  # type: ignore[dict-item]
    assert back[name].to_pylist() == [value]


def test_parameters_of_the_other_kinds(store: Store) -> None:
    when = datetime(2026, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC)
    row = store.query(
        "SELECT {when} AS at, {none} AS none, {yes} AS yes, 'b' IN {texts} AS inside, "
        "3 IN {empty} AS nowhere",
        {"when": when, "none": None, "yes": True, "texts": ["a'", "b"], "empty": []},
    ).to_pylist()[0]
    assert row == {"at": when, "none": None, "yes": 1, "inside": 1, "nowhere": 0}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT nope", "ClickHouse: Unknown expression identifier `nope` (UNKNOWN_IDENTIFIER)"),
        ("SELECT 1 FROM nope", "nope"),
        ("SELEC 1", "SYNTAX_ERROR"),
        ("SELECT throwIf(1, 'stop here')", "ClickHouse: stop here (FUNCTION_THROW_IF"),
    ],
)
def test_an_error_is_one_readable_line(store: Store, sql: str, expected: str) -> None:
    with pytest.raises(StoreError) as raised:
        store.query(sql)
    line = str(raised.value)
    assert expected in line
    assert not isinstance(raised.value, StoreUnavailable)
    assert not any(noise in line for noise in ("DB::", "Stack trace", "In scope", "\n", "0x"))
    assert store.query("SELECT 1 AS n")["n"].to_pylist() == [1]


def test_a_shortage_of_memory_is_worth_a_retry(store: Store) -> None:
    with pytest.raises(StoreUnavailable, match="MEMORY_LIMIT_EXCEEDED"):
        store.query(
            "SELECT length(groupArray(number)) FROM numbers(100000000) "
            "SETTINGS max_memory_usage = 10000000"
        )


def test_inserting_into_a_missing_table_names_it(store: Store) -> None:
    with pytest.raises(StoreError, match=r"nowhere.*UNKNOWN_TABLE"):
        store.insert("nowhere", pa.table({"a": [1]}))
    with pytest.raises(StoreError, match="not a table name"):
        store.insert("events; DROP TABLE events", pa.table({"a": [1]}))
