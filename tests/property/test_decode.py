"""Lines in any grouping into messages: each one is accounted for, as if it had come alone."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.events.decode import Messages, decode

GOOD: dict[str, Any] = {"event_id": "e", "ts": 1_700_000_000_000, "account_id": "a"}


def encoded(**changed: Any) -> bytes:
    return json.dumps(GOOD | changed).encode()


good = st.builds(
    encoded,
    event_id=st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()),
    account_id=st.sampled_from(("a", "b", "ü'\\")),
    ts=st.sampled_from((1, 1_700_000_000_000, "2023-11-14T22:13:20.5+01:00")),
)
odd = st.sampled_from(
    (
        encoded(zone="x", number=[1, {"a": None}]),
        encoded(moderation={"hate": 0.5}, bands=["1", "2"]),
        b'{"heartbeat": 1700000000000}',
        b'{"heartbeat": 1700000005000, ' + encoded()[1:],
        b" " + encoded() + b" \t\r",
        encoded(pad="x" * 30_000),
    )
)
bad = st.sampled_from(
    (
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff",
        encoded(prompt_tokens=-3),
        encoded(ts="soon"),
        encoded(ts="2023-11-14T22:13:20"),
        encoded(ts=2**70),
        encoded(moderation={"hate": 2}),
        encoded(pad="x" * 65_536),
        encoded()[:-1] + b', "model": "\xff"}',
        encoded()[:-5],
        encoded() + encoded(),
        b'{"heartbeat": -1}',
        b'{"a":' * 3000,
    )
)
line = good | good | good | odd | bad


def events_of(values: list[bytes]) -> tuple[list[Any], list[Any], list[Any]]:
    """(place and row) of each event, (place, reason, ...) of each letter, heartbeats."""
    result = decode(Messages(values, range(len(values)), [9] * len(values)))
    offsets = np.concatenate([np.zeros(0, np.uint64), *result.offsets]).tolist()
    lines = np.concatenate([np.zeros(0, np.uint32), *result.lines]).tolist()
    rows = result.table().to_pylist()
    assert len(rows) == len(offsets) == result.rows
    events = [((o, n), row) for o, n, row in zip(offsets, lines, rows, strict=True)]
    letters = [
        ((item.offset, item.line), (item.reason, item.sentence, item.content))
        for item in result.dead
    ]
    return events, letters, result.heartbeats


@settings(max_examples=250, deadline=None)
@given(st.lists(st.lists(line, min_size=1, max_size=6), max_size=8), st.sampled_from((b"", b"\n")))
def test_a_line_decodes_the_same_alone_and_in_any_company(
    groups: list[list[bytes]], end: bytes
) -> None:
    events, letters, heartbeats = events_of([b"\n".join(group) + end for group in groups])
    assert [place for place, _ in events] == sorted(place for place, _ in events)
    assert [place for place, _ in letters] == sorted(place for place, _ in letters)
    found: dict[Any, Any] = dict(events) | dict(letters)
    assert len(found) == len(events) + len(letters)

    beats = []
    rows = 0
    for offset, group in enumerate(groups):
        for number, content in enumerate(group):
            alone, refused, beat = events_of([content])
            if beat:
                beats.append((rows, beat[0][1]))
            else:
                ((_, wanted),) = alone + refused
                assert found.pop((offset, number)) == wanted
            rows += len(alone)
    assert not found
    assert heartbeats == beats


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=6))
def test_noise_never_raises_and_no_byte_of_it_is_lost(values: list[bytes]) -> None:
    events, letters, heartbeats = events_of(values)
    assert not events
    assert not heartbeats
    for offset, value in enumerate(values):
        kept = b"\n".join(content for (place, _), (_, _, content) in letters if place == offset)
        assert kept.split() == value.split()
