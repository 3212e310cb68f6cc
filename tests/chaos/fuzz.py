"""`python -m tests.chaos.fuzz [--messages N] [--seed S]`: broken messages among good ones.

Each goes the real way (decode, judge, store, fold) into an embedded store, in fetches of random
size, with a take-over by a new worker now and then. Then every line is accounted for: a good event
is stored once, a bad line is a dead letter once, with its bytes and an allowed reason.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streams.events.decode import Messages
from streams.events.letters import REASONS
from streams.ingest.partition import Partition
from streams.storage.base import Store
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.chaos.garbage import Case, cases
from tests.support.partitions import context

__all__ = ["accounted", "feed"]

_TAKE_OVER = 0.01


def feed(store: Store, messages: int, seed: int) -> dict[int, Case]:
    """Send the messages through a partition; returns each by its offset."""
    rng = random.Random(seed + 1)
    where = context(store)
    partition = Partition(where, 0)
    stream, sent = cases(messages, seed), dict[int, Case]()
    while fetched := list(itertools.islice(stream, rng.choice((1, 5, 100, 700, 2000)))):
        first = len(sent)
        offsets = range(first, first + len(fetched))
        sent.update(zip(offsets, fetched, strict=True))
        values = [case.value for case in fetched]
        batch = partition.prepare(Messages(values, offsets, [0] * len(values)), offsets[-1] + 1)
        partition.commit(batch)
        if rng.random() < _TAKE_OVER:
            partition = Partition(where, 0)
    return sent


def accounted(store: Store, sent: Mapping[int, Case]) -> list[str]:
    """What is not as it should be, as sentences."""
    found = []
    events = Counter(_rows(store, "SELECT kafka_offset, line, event_id FROM events"))
    letters: dict[tuple[int, int], tuple[str, str, bytes]] = {}
    for offset, line, reason, sentence, content in _rows(
        store, "SELECT kafka_offset, line, reason, sentence, bytes FROM dead_letters"
    ):
        if (offset, line) in letters:
            found.append(f"offset {offset}, line {line}: two dead letters")
        letters[(offset, line)] = (reason, sentence, content)
    for offset, case in sent.items():
        for line, name in case.good.items():
            if (count := events.pop((offset, line, name), 0)) != 1:
                letter = letters.get((offset, line))
                found.append(
                    f"offset {offset}, line {line}: {name} stored {count} times, letter {letter}"
                )
        for line, (content, reasons) in case.bad.items():
            letter = letters.pop((offset, line), None)
            if letter is None:
                found.append(f"offset {offset}, line {line}: no dead letter for {content[:80]!r}")
            elif problem := _wrong(letter, content, reasons):
                found.append(f"offset {offset}, line {line}: {problem}")
    found += [
        f"offset {place[0]}, line {place[1]}: {place[2]} stored, not sent" for place in events
    ]
    found += [
        f"offset {place[0]}, line {place[1]}: refused: {letters[place][:2]}" for place in letters
    ]
    return found


def _wrong(letter: tuple[str, str, bytes], content: bytes, reasons: frozenset[str]) -> str:
    reason, sentence, held = letter
    if held.rstrip(b"\r") != content.rstrip(b"\r"):
        return f"holds {held[:60]!r}, not {content[:60]!r}"
    if reason not in REASONS or (reasons and reason not in reasons):
        return f"{content[:120]!r} is refused as {reason} ({sentence}), expected {sorted(reasons)}"
    return "" if sentence else "no sentence"


def _rows(store: Store, sql: str) -> list[tuple[Any, ...]]:
    return list(zip(*(column.to_pylist() for column in store.query(sql).columns), strict=True))


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.fuzz", description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pulse-fuzz-") as directory:
        store = ChdbStore(Path(directory))
        try:
            migrate(store)
            sent = feed(store, given.messages, given.seed)
            problems = accounted(store, sent)
        finally:
            store.close()
    good = sum(len(case.good) for case in sent.values())
    bad = sum(len(case.bad) for case in sent.values())
    print(
        f"{len(sent):,} messages, {good:,} good events, {bad:,} bad lines, seed {given.seed}, "
        f"{time.monotonic() - started:.0f} s: {len(problems)} not accounted for"
    )
    for problem in problems[:30]:
        print(f"  {problem}")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
