"""One suite for both stores: what goes in comes out, once, whole, and errors can be read."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from streams.errors import StoreError, StoreUnavailable
from streams.storage.base import MAX_INSERT_ROWS, Store
from tests.contract.every_type import create_every_type
from tests.support.event_rows import event_rows


def sums(store: Store) -> tuple[int, int, int]:
    """Rows of `events`, requests and prompt tokens of the roll-up."""
    row = store.query(
        "SELECT (SELECT count() FROM events) AS events, sum(requests) AS requests, "
        "sum(prompt_tokens) AS tokens FROM account_minute"
    ).to_pylist()[0]
    return row["events"], row["requests"], row["tokens"]


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


def test_an_insert_that_failed_half_way_is_completed_by_its_retry(store: Store) -> None:
    """The events may be in before the roll-up says no: the same token then adds only the rest."""
    rows = event_rows(300, seed=9)
    table = "ALTER TABLE account_minute_parts"
    store.command(f"{table} ADD CONSTRAINT refuse CHECK requests > 1000000")
    try:
        for _ in range(2):
            with pytest.raises(StoreError, match="Constraint `refuse`"):
                store.insert("events", rows, "half-way")
    finally:
        store.command(f"{table} DROP CONSTRAINT refuse")
    for _ in range(2):
        store.insert("events", rows, "half-way")
        assert sums(store)[:2] == (300, 300)


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
