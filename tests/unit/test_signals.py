"""Signals of events and their messages, against a plain version that takes a row at a time."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from streams.coordination.hashing import hash_text, hash_word
from streams.coordination.sender import Outbox
from streams.coordination.signals import KINDS, SLOT_MS, Signals, columns_of, signals, slot_end
from streams.coordination.wire import Header, Unreadable, decode, encode, header_of
from streams.events.decode import Messages
from streams.events.decode import decode as decode_events
from streams.features.watermark import NEVER
from tests.support.coordination import START, traffic
from tests.support.worker import ROOT

HEADER = Header(0, "kafka/usage.events/x", 3, 0, 10_000, START, 7, ",".join(KINDS))


def rows_of(events: list[dict[str, Any]], tick: int | None = None) -> pa.Table:
    """Events as ingest stores them: a message each, counted at the tick after their time."""
    values = [msgspec.json.encode(event) for event in events]
    decoded = decode_events(Messages(values, range(len(values)), [0] * len(values)))
    table = decoded.table()
    ticks = [tick if tick is not None else event["ts"] // 5000 * 5000 + 5000 for event in events]
    table = table.append_column("tick", pa.array(ticks, pa.int64()))
    return table.append_column("kafka_offset", pa.array(range(len(values)), pa.uint64()))


def naive(events: list[dict[str, Any]], kinds: dict[str, str]) -> dict[tuple[Any, ...], int]:
    """(account, kind, value, slot) -> earliest time, by rows and by words."""
    found: dict[tuple[Any, ...], int] = {}
    for event in events:
        slot = -(-(event["ts"] // 5000 * 5000 + 5000) // SLOT_MS) * SLOT_MS
        for kind, made_of in kinds.items():
            for value in naive_values(event, made_of):
                key = (event["account_id"], kind, value, slot)
                found[key] = min(found.get(key, event["ts"]), event["ts"])
    return found


def naive_values(event: dict[str, Any], made_of: str) -> list[Any]:
    if made_of == "signup":
        created = event.get("account_created_at", 0)
        return [(created // 3_600_000, event.get("source", ""))] if created else []
    if made_of == "band":
        return [band for band in event.get("bands", []) if band]
    value = event.get({"ip": "ip_hash"}.get(made_of, made_of), "")
    return [value] if value else []


def earliest(found: Signals, kinds: dict[str, str]) -> dict[tuple[Any, ...], int]:
    """What `signals` found, thinned to the end: (account, kind, object, slot) -> earliest time."""
    names = list(kinds)
    result: dict[tuple[Any, ...], int] = {}
    for row in range(len(found)):
        key = (
            found.names[found.account[row]].decode(),
            names[found.kind[row]],
            int(found.object[row]),
            int(slot_end(found.tick[row : row + 1])[0]),
        )
        result[key] = min(result.get(key, int(found.ts[row])), int(found.ts[row]))
    return result


@pytest.mark.parametrize("seed", range(3))
def test_every_row_brings_the_signals_that_a_plain_loop_finds(seed: int) -> None:
    kinds = {**KINDS, "plan": "tier", "region": "country"}
    events = traffic(seconds=300, accounts=20, seed=seed)
    for number, event in enumerate(events):
        event["tier"] = ["free", "", "paid"][number % 3]
        event["country"] = ["", "CH"][number % 2]
    found = earliest(signals(rows_of(events), kinds), kinds)
    wanted = naive(events, kinds)
    assert len(wanted) > 1000
    objects: dict[tuple[str, Any], int] = {}
    by_time: dict[tuple[str, str, int], list[int]] = {}
    for (account, kind, _, slot), ts in wanted.items():
        by_time.setdefault((account, kind, slot), []).append(ts)
    got: dict[tuple[str, str, int], list[int]] = {}
    for (account, kind, _, slot), ts in found.items():
        got.setdefault((account, kind, slot), []).append(ts)
    assert {key: sorted(times) for key, times in got.items()} == {
        key: sorted(times) for key, times in by_time.items()
    }
    # Values and objects correspond one to one, whoever acts and whenever.
    for (account, kind, value, slot), ts in wanted.items():
        same = {o for (a, k, o, s), t in found.items() if (a, k, s, t) == (account, kind, slot, ts)}
        known = objects.get((kind, value))
        assert same if known is None else known in same
        if len(same) == 1:
            objects[kind, value] = same.pop()
    assert len(set(objects.values())) == len(objects) > 100


def test_an_object_is_the_same_in_every_process_and_differs_by_kind() -> None:
    code = "from streams.coordination.hashing import hash_word; print(hash_word('naïve'))"
    words = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    }
    # Stored meetings name objects by this number: it must never change.
    assert words == {str(hash_word("naïve"))} == {"1158825142788745140"}
    one = signals(
        rows_of([{"event_id": "e", "ts": START, "account_id": "a", "network": "x"}]), KINDS
    )
    two = signals(
        rows_of([{"event_id": "e", "ts": START, "account_id": "a", "payment": "x"}]), KINDS
    )
    assert one.object[0] != two.object[0]


def test_hashes_of_many_words_are_those_of_each_alone() -> None:
    rng = random.Random(4)
    words = ["", *("".join(rng.choices("aé\0x9", k=rng.randint(1, 40))) for _ in range(300))]
    hashes = hash_text(pa.array(words))
    assert [int(h) for h in hashes] == [int(hash_word(word)) for word in words]
    assert len(set(hashes.tolist())) == len(set(words))
    assert hash_text(pa.array(words)[7:20]).tolist() == hashes[7:20].tolist()


def test_what_came_too_late_to_count_brings_no_signal() -> None:
    events = traffic(seconds=60)
    assert len(signals(rows_of(events, tick=NEVER), KINDS)) == 0
    assert len(signals(rows_of([]), KINDS)) == 0


def test_rows_as_the_store_gives_them_back_bring_the_same() -> None:
    rows = rows_of(traffic(seconds=200))
    plain = rows.select(columns_of(KINDS))
    for name in ("account_id", "template", "network", "ip_hash", "payment", "user_agent"):
        place = plain.schema.get_field_index(name)
        plain = plain.set_column(place, name, plain.column(name).cast(pa.string()))
    assert earliest(signals(plain, KINDS), dict(KINDS)) == earliest(
        signals(rows, KINDS), dict(KINDS)
    )


def same(one: Signals, two: Signals) -> bool:
    names = [found.names[code] for found in (one,) for code in found.account.tolist()]
    others = [found.names[code] for found in (two,) for code in found.account.tolist()]
    columns = ("kind", "object", "ts", "offset")
    return (
        names == others
        and all((getattr(one, c) == getattr(two, c)).all() for c in columns)
        and bool((slot_end(one.tick) == slot_end(two.tick)).all())
    )


@pytest.mark.parametrize("stretch", [1, 10_000])
def test_a_message_carries_every_signal(stretch: int) -> None:
    events = traffic(seconds=200)
    for event in events:  # months in one batch, as a replay may bring them
        event["ts"] = START + (event["ts"] - START) * stretch
    found = signals(rows_of(events), KINDS)
    ((_, value),) = encode(HEADER, found, 1 << 20, 0)
    told, got = decode(value)
    assert (told.source, told.next_offset, told.since) == (3, 10_000, 7)
    assert header_of(value) == told
    assert same(got, found)
    assert len(value) < 14 * len(found)


def test_a_large_range_is_cut_between_offsets_and_covers_the_same() -> None:
    found = signals(rows_of(traffic(seconds=200)), KINDS)
    messages = list(encode(HEADER, found, 600, 5))
    assert len(messages) > 5
    assert max(len(value) for _, value in messages) <= 600
    headers = [decode(value)[0] for _, value in messages]
    assert [h.first_offset for h in headers] == [0, *(h.next_offset for h in headers[:-1])]
    assert headers[-1].next_offset == 10_000
    assert [h.watermark for h in headers] == [5] * (len(headers) - 1) + [START]
    total = 0
    for _, value in messages:
        header, part = decode(value)
        total += len(part)
        assert (part.offset >= header.first_offset).all()
        assert (part.offset < header.next_offset).all()
    assert total == len(found)


def test_signals_of_one_offset_that_fit_into_no_message_are_left_to_the_store() -> None:
    found = signals(rows_of(traffic(seconds=200)), KINDS)
    crowd = Signals(
        found.names,
        found.account,
        found.kind,
        found.object,
        found.ts,
        found.tick,
        np.where(found.offset < 100, found.offset, np.uint64(100)),
    )
    sent = [decode(value)[0] for _, value in encode(HEADER, crowd, 2000, 5)]
    assert sent[0].first_offset == 0
    assert sent[-1].next_offset <= 100  # the gap after it is seen with the next message


def test_garbage_is_told_in_one_line() -> None:
    found = signals(rows_of(traffic(seconds=60)), KINDS)
    ((_, value),) = encode(HEADER, found, 1 << 20, 0)
    rng = random.Random(1)
    broken = [b"", b"{}", value[:3], value[:60], value[:-9], b"\xff" * 400]
    for _ in range(300):
        bad = bytearray(value)
        bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        broken.append(bytes(bad))
    told = []
    for text in broken:
        try:
            decode(text)
        except Unreadable as error:
            told.append(str(error))
    assert len(told) > 6
    assert not any("\n" in sentence for sentence in told)


def test_a_silent_partition_is_told_only_when_a_slot_ends() -> None:
    outbox = Outbox("s", 0, 4, {"template": "template"}, 10)
    nothing = rows_of([])
    assert len(outbox.messages(nothing, 11, START, 0)) == 4  # a new reader has to know
    assert outbox.messages(nothing, 12, START + 1, 0) == []
    event = {"event_id": "e", "ts": START, "account_id": "a", "template": "ab"}
    ((number, value),) = outbox.messages(rows_of([event]), 13, START + 2, 0)
    assert (header_of(value).first_offset, header_of(value).next_offset) == (11, 13)
    passed = outbox.messages(nothing, 14, START + SLOT_MS, 0)
    assert [place for place, _ in passed] == [0, 1, 2, 3]
    firsts = [header_of(told).first_offset for _, told in passed]
    assert firsts == [13 if place == number else 11 for place in range(4)]
