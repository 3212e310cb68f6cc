"""What can go wrong in a round: each fault does its damage, waits, and makes it good."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable

from tests.chaos.stage import Stage
from tests.support.worker import WorkerProcess

__all__ = ["FAULTS", "Bag"]

#: SIGTERM must end a worker within this; the machine of a chaos run is a busy one.
_STOP_S = 8.0

Fault = Callable[[Stage, random.Random], str]


def _some_worker(stage: Stage, rng: random.Random) -> str:
    return rng.choice([name for name, worker in stage.workers.items() if worker.running])


def _told_to_stop(worker: WorkerProcess) -> float:
    """SIGTERM; a worker that is up must end well and soon, one that still starts may just end."""
    up = worker.announced
    seconds, code = worker.terminate()
    assert code == 0 or not up, f"{worker.name} ended with code {code}: {worker.said()[-600:]}"
    assert seconds < _STOP_S, f"{worker.name} took {seconds:.1f} s to stop"
    return seconds


def _away(end: Callable[[], object], back: Callable[[], object], pause: float) -> None:
    end()
    time.sleep(pause)
    back()


def kill_worker(stage: Stage, rng: random.Random) -> str:
    name, pause = _some_worker(stage, rng), rng.uniform(0.0, 2.0)
    _away(stage.worker(name).kill, stage.worker(name).start, pause)
    return f"kill -9 of {name}, back after {pause:.1f} s"


def kill_both(stage: Stage, rng: random.Random) -> str:
    for name in ("w1", "w2"):
        stage.worker(name).kill()
        time.sleep(rng.uniform(0.0, 0.3))
    for name in ("w1", "w2"):
        stage.worker(name).start()
    return "kill -9 of w1 and w2"


def stop_worker(stage: Stage, rng: random.Random) -> str:
    name = _some_worker(stage, rng)
    seconds = _told_to_stop(stage.worker(name))
    stage.worker(name).start()
    return f"SIGTERM to {name}, ended in {seconds:.1f} s"


def pause_worker(stage: Stage, rng: random.Random) -> str:
    name, pause = _some_worker(stage, rng), rng.uniform(1.0, 4.0)
    process = stage.worker(name).process
    process.send_signal(signal.SIGSTOP)
    time.sleep(pause)
    process.send_signal(signal.SIGCONT)
    return f"{name} frozen for {pause:.1f} s"


def sleep_worker(stage: Stage, rng: random.Random) -> str:
    """Frozen for longer than its session: others take over before it wakes up."""
    name, pause = _some_worker(stage, rng), rng.uniform(8.0, 11.0)
    process = stage.worker(name).process
    stage.server.orders(slow_insert=0.2)  # so that it is likely to sleep in the middle of a batch
    time.sleep(0.5)
    process.send_signal(signal.SIGSTOP)
    stage.server.orders()
    time.sleep(pause)
    process.send_signal(signal.SIGCONT)
    return f"{name} frozen for {pause:.1f} s, beyond its session"


def rebalance(stage: Stage, rng: random.Random) -> str:
    third = stage.worker("w3")
    if not third.running:
        third.start()
        return "w3 joins"
    third.expected_up = False
    seconds = _told_to_stop(third)
    return f"w3 leaves in {seconds:.1f} s"


def stop_broker(stage: Stage, rng: random.Random) -> str:
    pause = rng.uniform(0.5, 4.0)
    _away(stage.broker.stop, stage.broker.start, pause)
    return f"broker stopped, back after {pause:.1f} s"


def kill_broker(stage: Stage, rng: random.Random) -> str:
    pause = rng.uniform(0.0, 3.0)
    _away(stage.broker.kill, stage.broker.start, pause)
    return f"kill -9 of the broker, back after {pause:.1f} s"


def kill_store(stage: Stage, rng: random.Random) -> str:
    pause = rng.uniform(0.0, 2.0)
    _away(stage.server.kill, stage.server.start, pause)
    return f"kill -9 of the store, back after {pause:.1f} s"


def refuse(stage: Stage, rng: random.Random) -> str:
    seconds = rng.uniform(1.0, 4.0)
    stage.server.orders(refuse_for=seconds)
    time.sleep(seconds)
    stage.server.orders()
    return f"store cuts every connection for {seconds:.1f} s"


def slow(stage: Stage, rng: random.Random) -> str:
    wait, seconds = rng.uniform(0.2, 1.0), rng.uniform(2.0, 4.0)
    stage.server.orders(slow_insert=wait)
    time.sleep(seconds)
    stage.server.orders()
    return f"inserts take {wait:.1f} s longer for {seconds:.1f} s"


def refuse_inserts(stage: Stage, rng: random.Random) -> str:
    count = rng.randint(1, 8)
    stage.server.orders(fail_before=count)
    return f"the next {count} inserts are refused"


def drop_after_commit(stage: Stage, rng: random.Random) -> str:
    count = rng.randint(1, 8)
    stage.server.orders(fail_after=count)
    return f"the next {count} inserts are stored, their connections cut"


def drop_and_kill(stage: Stage, rng: random.Random) -> str:
    """Rows of a batch are stored, its marker is not, and its worker dies."""
    name = _some_worker(stage, rng)
    stage.server.orders(slow_insert=0.3)
    time.sleep(rng.uniform(0.5, 1.5))
    stage.worker(name).kill()
    stage.server.orders()
    stage.worker(name).start()
    return f"kill -9 of {name} in the middle of slow inserts"


FAULTS: tuple[Fault, ...] = (
    kill_worker, kill_both, stop_worker, pause_worker, sleep_worker, rebalance, stop_broker,
    kill_broker, kill_store, refuse, slow, refuse_inserts, drop_after_commit, drop_and_kill,
)  # fmt: skip


class Bag:
    """Faults at random, each once before any comes again."""

    def __init__(self, rng: random.Random, faults: tuple[Fault, ...] = FAULTS) -> None:
        self._rng = rng
        self._faults = faults
        self._left: list[Fault] = []

    def draw(self) -> Fault:
        """The next fault."""
        if not self._left:
            self._left = list(self._faults)
            self._rng.shuffle(self._left)
        return self._left.pop()
