"""What the chaos run sends: simulated traffic with attacks, and with what real streams have.

Same seed, same messages in the same order: duplicates soon and late, events that come late and too
late, and lines that are no events, each of which carries the word `DEFECT`.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from streams.traffic.partition import Partitioner
from streams.traffic.simulate import Attack, Simulation, SimulationSpec
from streams.traffic.simulate.spec import AttackKind

__all__ = ["DEFECT", "Message", "messages"]

#: Stands in every line that must become a dead letter, and in no other.
DEFECT = b"DEFECT"

_START_MS = 1_735_689_600_000  # 2025-01-01
_DAYS = 60
_RATE = 4.0  # events a second of event time: an hour of history comes with 14,400 lines
_FIRST_ATTACK_S = 4_300
_CHUNK = 200
#: Broken lines come in spells, as from one broken sender: 500 lines in every 12,500.
_SPELL, _SPELLS = 500, 25
_KINDS: tuple[AttackKind, ...] = ("burst", "template_spam")


@dataclass(frozen=True, slots=True)
class Message:
    """One Kafka message; `lines` is how many it holds, `ts` the largest event time so far."""

    partition: int
    value: bytes
    lines: int
    ts: int


def messages(seed: int, partitions: int) -> Iterator[Message]:
    """Messages without end (60 days of event time), the attacks about every ten minutes of it."""
    rng = np.random.default_rng([seed, 1])
    simulation = Simulation(_spec(seed))
    partitioner = Partitioner(partitions)
    latest = 0
    for chunk in _chunked(_disturbed(simulation, rng)):
        by_partition: dict[int, list[bytes]] = {}
        partition = partitioner.assign([account for account, _, _ in chunk])
        for number, (_, ts, line) in zip(partition.tolist(), chunk, strict=True):
            by_partition.setdefault(number, []).append(line)
            latest = max(latest, ts)
        for number, lines in sorted(by_partition.items()):
            size = int(rng.choice([1, 7, 50, 200]))
            for start in range(0, len(lines), size):
                part = lines[start : start + size]
                yield Message(number, b"\n".join(part), len(part), latest)


def _spec(seed: int) -> SimulationSpec:
    end_ms = _START_MS + _DAYS * 86_400_000
    rng = np.random.default_rng([seed, 2])
    attacks = []
    ms = _START_MS + _FIRST_ATTACK_S * 1000
    for kind in itertools.cycle(_KINDS):
        if ms >= end_ms:
            break
        length_s, strength = float(rng.uniform(200, 400)), float(rng.uniform(40, 80))
        attacks.append(Attack(kind=kind, start_ms=ms, length_s=length_s, strength=strength))
        ms += round(float(rng.uniform(400_000, 800_000)))
    return SimulationSpec(
        start_ms=_START_MS,
        end_ms=end_ms,
        seed=seed,
        accounts=30,
        clients=20,
        rate_per_s=_RATE,
        volatility=0.12,
        empty_share=0.0,
        day_amplitude=0.2,
        attacks=tuple(attacks),
    )


Line = tuple[str, int, bytes]


def _disturbed(simulation: Simulation, rng: np.random.Generator) -> Iterator[Line]:
    """(account, event time, line) in the order of sending."""
    waiting: list[tuple[int, int, Line]] = []
    count = 0
    for batch in simulation:
        rolls = rng.random(len(batch))
        delays = rng.integers(1, 9_000, len(batch))
        for account, ts, line, roll, delay in zip(
            batch.account_ids(), batch.ts.tolist(), batch.lines, rolls.tolist(), delays.tolist(),
            strict=True,
        ):  # fmt: skip
            count += 1
            while waiting and waiting[0][0] <= count:
                yield heapq.heappop(waiting)[2]
            item = (account, ts, line)
            if roll < 0.01:  # comes late, up to more than an hour
                heapq.heappush(waiting, (count + delay, count, item))
                continue
            yield item
            if roll < 0.03:  # comes again
                again = count + (delay if roll < 0.02 else delay % 40 + 1)
                heapq.heappush(waiting, (again, count, item))
            elif count // _SPELL % _SPELLS == 0 and roll < 0.08:
                yield (account, 0, _broken(line, count))


def _broken(line: bytes, number: int) -> bytes:
    """A line that is no event; which kind goes by its number."""
    tag = b"%s-%d" % (DEFECT, number)
    return (
        line[:60] + tag,
        b'{"event_id":"%s","ts":"yesterday","account_id":"a"}' % tag,
        b'{"event_id":"%s\xff\xfe","ts":1735689600000,"account_id":"a"}' % tag,
        b'["%s"]' % tag,
        b'{"event_id":"%s","ts":1735689600000}' % tag,
        b'{"event_id":"%s","ts":1735689600000,"account_id":"a","prompt_tokens":-3}' % tag,
        b'{"event_id":"%s","ts":"2025-01-01T00:00:00","account_id":"a"}' % tag,
        b'{"event_id":"%s","ts":17356,"account_id":"a"}' % tag,
    )[number % 8]


def _chunked(lines: Iterator[Line]) -> Iterator[list[Line]]:
    while chunk := list(itertools.islice(lines, _CHUNK)):
        yield chunk
