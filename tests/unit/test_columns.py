"""Events to Arrow columns: types, empty columns, lists and maps, times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pytest

from streams.events.columns import EVENT_SCHEMA, FIELDS, NaiveTime, to_columns, to_millis
from streams.events.schema import Event


def event(**changed: object) -> Event:
    return Event(**({"event_id": "e", "ts": 5, "account_id": "a"} | changed))  # type: ignore[arg-type]


def test_the_schema_has_every_field_of_an_event_and_its_unknown_ones() -> None:
    assert EVENT_SCHEMA.names == [*FIELDS, "extra"]
    batch = to_columns([event(), event()], None)
    assert batch.schema.equals(EVENT_SCHEMA)
    batch.validate(full=True)


def test_lists_and_maps_belong_to_their_own_row() -> None:
    events = [
        event(bands=["1"], moderation={"hate": 0.5, "sexual": 0.25}),
        event(),
        event(bands=["2", "3"], moderation={"violence": 1.0}),
    ]
    batch = to_columns(events, [{}, {"zone": '"x"'}, {}])
    batch.validate(full=True)
    assert batch.column("bands").to_pylist() == [["1"], [], ["2", "3"]]
    assert batch.column("moderation").to_pylist() == [
        [("hate", 0.5), ("sexual", 0.25)],
        [],
        [("violence", 1.0)],
    ]
    assert batch.column("extra").to_pylist() == [[], [("zone", '"x"')], []]


def test_words_are_dictionaries_and_batches_can_be_joined() -> None:
    one = to_columns([event(account_id="a", org_id="o"), event(account_id="b")], None)
    two = to_columns([event(account_id="b"), event(account_id="c")], None)
    table = pa.Table.from_batches([one, two], EVENT_SCHEMA).unify_dictionaries()
    assert table["account_id"].to_pylist() == ["a", "b", "b", "c"]
    assert table["org_id"].to_pylist() == ["o", "", "", ""]
    assert {len(chunk.dictionary) for chunk in table["account_id"].chunks} == {3}


def test_times_of_both_kinds_may_be_mixed() -> None:
    cest = timezone(timedelta(hours=2))
    moments = [datetime(2024, 5, 1, 12, 0, 0, 1500, cest), 7, datetime(1970, 1, 1, tzinfo=UTC)]
    column = to_columns([event(ts=moment) for moment in moments], None).column("ts")
    assert column.cast(pa.int64()).to_pylist() == [1_714_557_600_002, 7, 0]


def test_a_time_without_an_offset_is_refused() -> None:
    with pytest.raises(NaiveTime):
        to_millis(datetime(2024, 5, 1))
    with pytest.raises(NaiveTime):
        to_columns([event(account_created_at=datetime(2024, 5, 1))], None)
