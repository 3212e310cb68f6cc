"""Packing loses nothing, doubles nothing, keeps each account's order and the message's bounds."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.traffic.batch import Batch
from streams.traffic.packing import Message, Packer
from streams.traffic.partition import Partitioner

EVENTS = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 120)), max_size=200)


def cut(events: list[tuple[int, int]], pieces: list[int]) -> list[Batch]:
    names = [f"acct-{number}" for number in range(13)]
    lines = [f"{row}:".encode().ljust(size, b".") for row, (_, size) in enumerate(events)]
    account = np.array([who for who, _ in events], np.int32)
    whole = Batch(names, account, np.arange(len(events), dtype=np.int64), lines)
    edges = sorted({0, len(events), *(piece % (len(events) + 1) for piece in pieces)})
    return [whole.slice(a, b) for a, b in pairwise(edges)]


@settings(max_examples=200, deadline=None)
@given(
    events=EVENTS,
    pieces=st.lists(st.integers(0, 200), max_size=5),
    partitions=st.integers(1, 5),
    most=st.integers(1, 20),
    size=st.integers(1, 300),
    flushing=st.booleans(),
)
def test_messages_hold_each_event_once_in_order_and_in_bounds(
    events: list[tuple[int, int]],
    pieces: list[int],
    partitions: int,
    most: int,
    size: int,
    flushing: bool,
) -> None:
    batches = cut(events, pieces)
    packer = Packer(partitions, events=most, message_bytes=size)
    messages: list[Message] = []
    for batch in batches:
        messages += packer.add(batch)
        if flushing:
            messages += packer.flush()
    messages += packer.flush()
    assert packer.flush() == []

    expected: dict[int, list[bytes]] = defaultdict(list)
    for batch in batches:
        for account, line in zip(batch.account_ids(), batch.lines, strict=True):
            expected[int(Partitioner(partitions).assign([account])[0])].append(line)
    got: dict[int, list[bytes]] = defaultdict(list)
    for message in messages:
        lines = message.value.split(b"\n")
        assert message.events == len(lines) <= most
        assert len(message.value) <= size or len(lines) == 1
        got[message.partition] += lines
    assert got == expected


@settings(max_examples=50, deadline=None)
@given(events=EVENTS, pieces=st.lists(st.integers(0, 200), max_size=5))
def test_where_batches_are_cut_does_not_change_the_messages(
    events: list[tuple[int, int]], pieces: list[int]
) -> None:
    def by_partition(batches: list[Batch]) -> dict[int, list[bytes]]:
        packer = Packer(3, events=7, message_bytes=150)
        result: dict[int, list[bytes]] = defaultdict(list)
        for batch in batches:
            for message in packer.add(batch):
                result[message.partition].append(message.value)
        for message in packer.flush():
            result[message.partition].append(message.value)
        return result

    assert by_partition(cut(events, pieces)) == by_partition(cut(events, []))
