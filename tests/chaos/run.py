"""One chaos run: rounds of faults under traffic, then drain, then the proof."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import kafka

from streams.broker import admin
from streams.storage.base import Store
from streams.storage.server_store import ServerStore
from tests.chaos.faults import FAULTS, Bag
from tests.chaos.producer import SteadyProducer
from tests.chaos.proof import Verdict, compared, contents, expected_of, judged
from tests.chaos.stage import PARTITIONS, Stage, drained, records
from tests.chaos.traffic import messages
from tests.support.clickhouse_server import ServerProcess
from tests.support.kafka import RealKafka
from tests.support.worker import WorkerProcess, wait_until

__all__ = ["Plan", "Result", "chaos"]

_DRAIN_S = 180.0
#: Share of rounds that end when events are stored again; in the others the next fault comes on top.
_RECOVERED = 0.7
_PROGRESS_S = 20.0


@dataclass(frozen=True, slots=True)
class Plan:
    """`rate` is lines a second; `faults` names those to draw from (all when empty)."""

    rounds: int
    seed: int
    rate: float = 1500.0
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to."""

    verdict: Verdict
    events: int
    letters: int
    incidents: int
    seconds: float


def chaos(
    plan: Plan, directory: Path, say: Callable[[str], None], broker: RealKafka | None = None
) -> Result:
    """Run it and judge it; raises AssertionError when it does not come to an end."""
    started = time.monotonic()
    rng = random.Random(plan.seed)
    chosen = tuple(f for f in FAULTS if not plan.faults or f.__name__ in plan.faults)
    bag = Bag(rng, chosen)
    name = f"chaos-{plan.seed}-{time.time_ns() % 10**9}"
    with contextlib.ExitStack() as stack:
        stage = stack.enter_context(Stage(directory, broker=broker, name=name))
        stream = messages(plan.seed, PARTITIONS)
        producer = SteadyProducer(stage.broker.bootstrap, stage.settings.topic, stream, plan.rate)
        stack.callback(producer.close)
        producer.start()
        wait_until(lambda: (stage.stored() or 0) > 0, "the first events are stored")
        for number in range(1, plan.rounds + 1):
            before = stage.stored() or 0
            done = bag.draw()(stage, rng)
            if rng.random() < _RECOVERED:
                _await_progress(stage, before)
            time.sleep(rng.uniform(0.5, 2.0))
            if dead := stage.dead_workers():
                raise AssertionError("; ".join(dead))
            say(f"round {number:3}  {done:<58} {_progress(stage, producer)}")
        stage.server.orders()
        producer.stop()
        say(f"{producer.acknowledged:,} lines sent in {time.monotonic() - started:.0f} s; draining")
        seconds = drained(stage.settings, stage.server.url, _DRAIN_S)
        say(f"drained in {seconds:.1f} s; proving")
        expected = expected_of(records(stage.broker.bootstrap, stage.settings.topic))
        with contextlib.closing(stage.reader()) as store:
            verdict = judged(store, expected)
            if expected.lines < producer.acknowledged:
                verdict.lost.append(
                    f"{producer.acknowledged} lines acknowledged, {expected.lines} in the topic"
                )
            verdict.lost += _letters_sent(stage, store)
            verdict.markers += _committed(stage)
            verdict.incidents += _undisturbed(stage, store)
            incidents = int(store.query("SELECT count() AS n FROM incidents")["n"][0].as_py())
    return Result(
        verdict, len(expected.events), len(expected.letters), incidents, time.monotonic() - started
    )


def _await_progress(stage: Stage, before: int) -> None:
    deadline = time.monotonic() + _PROGRESS_S
    while (stage.stored() or 0) <= before and time.monotonic() < deadline:
        time.sleep(0.2)


def _progress(stage: Stage, producer: SteadyProducer) -> str:
    stored, lag = stage.stored(), stage.lag()
    shown = ["?" if value is None else f"{value:,}" for value in (stored, lag)]
    return f"sent {producer.acknowledged:>9,}  stored {shown[0]:>9}  lag {shown[1]:>6}"


def _committed(stage: Stage) -> list[str]:
    """The group's offsets, once the workers had time to commit."""
    with contextlib.suppress(AssertionError):
        wait_until(lambda: stage.lag() == 0, "offsets committed")
    return [
        f"partition {row.partition}: committed {row.committed}, end {row.end}"
        for row in admin.lag(stage.settings)
        if row.committed != row.end
    ]


def _letters_sent(stage: Stage, store: Store) -> list[str]:
    """Dead letters must also stand in their topic, at least once."""
    consumer = kafka.KafkaConsumer(
        stage.settings.dead_letter_topic,
        bootstrap_servers=stage.broker.bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=2000,
    )
    try:
        sent = {record.key.decode() for record in consumer if record.key}
    finally:
        consumer.close()
    wanted = store.query("SELECT letter_id FROM dead_letters")["letter_id"].to_pylist()
    return [f"dead letter {name} is not in its topic" for name in wanted if name not in sent]


def _undisturbed(stage: Stage, store: Store) -> list[str]:
    """The same topic, read once more by one worker into an empty store."""
    settings = replace(
        stage.settings,
        group=f"{stage.settings.group}-again",
        dead_letter_topic=f"{stage.settings.dead_letter_topic}.again",
        signals_topic=f"{stage.settings.signals_topic}.again",
    )
    admin.create_topics(settings, 1)
    with ServerProcess(stage.directory / "undisturbed") as server:
        worker = WorkerProcess(
            stage.directory / "workers",
            worker="undisturbed",
            broker=settings.broker,
            store=server.url,
            topic=settings.topic,
            dead_letter_topic=settings.dead_letter_topic,
            signals_topic=settings.signals_topic,
            group=settings.group,
            tick=10,
            policy=stage.policy,
        )
        with worker:
            drained(settings, server.url, _DRAIN_S)
            with contextlib.closing(ServerStore(server.url)) as other:
                return compared(contents(store), contents(other))
