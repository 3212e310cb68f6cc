"""One suite for both stores: values come back as they were written, and misfits are refused."""

from __future__ import annotations

import pyarrow as pa
import pytest

from streams.errors import StoreError
from streams.storage.base import Store
from tests.contract.every_type import (
    EVERY_TYPE,
    MILLIS,
    NASTY,
    SECONDS,
    create_every_type,
    every_type,
    read_every_type,
)


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


def test_a_stream_brings_the_same_as_a_query(store: Store) -> None:
    create_every_type(store)
    store.insert("every_type", every_type())
    rows = read_every_type(store)
    batches = list(store.stream(f"SELECT {', '.join(EVERY_TYPE)} FROM every_type ORDER BY n"))
    streamed = pa.Table.from_batches([batch for batch in batches if batch.num_rows])
    assert streamed.to_pylist() == rows.to_pylist()
    assert streamed.schema.types == rows.schema.types


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
    assert sum(batch.num_rows for batch in store.stream("SELECT * FROM every_type")) == 0


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
