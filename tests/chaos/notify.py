"""Kills a notifier again and again, and counts what arrived: `python -m tests.chaos.notify`.

Every incident's message must arrive, and none twice: the courier outlives the notifier. With
`--courier` both are killed at the same moment. What the channel had taken and nobody had noted then
arrives a second time, under the same Idempotency-Key and saying that it may be a repeat. Exit code
1 when a message is missing, or came twice without such a reason.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from streams.alerting.notify.recovery import AGAIN
from tests.support.notifying import channel
from tests.support.receivers import Taken, hook
from tests.support.worker import ROOT

__all__ = ["Verdict", "chaos"]

_ROUTE = '[[routes]]\nname = "all"\nchannel = "hook"\n'
_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What arrived of so many incidents."""

    incidents: int
    kills: int
    met: int  # kills that met a delivery under way
    lost: tuple[int, ...]
    doubled: int  # arrived again and did not say so
    repeated: int  # arrived again under the same identity and said that it may be a repeat
    confused: int  # incidents whose message came under two identities
    refused: int  # deliveries that the receiver refused, to be tried again
    seconds: float

    def line(self) -> str:
        """In a sentence."""
        return (
            f"{self.incidents} incidents, {self.kills} kills in {self.seconds:.0f} s, {self.met} "
            "of them while a message was under way: "
            f"{len(self.lost)} lost, {self.doubled} doubled, "
            f"{self.confused} under two identities, {self.repeated} repeated that say so, "
            f"{self.refused} refused first"
        )

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing doubled."""
        return not (self.lost or self.doubled or self.confused)


def chaos(
    kills: int, folder: Path, seed: int = 1, pace_ms: int = 40, courier: bool = False
) -> Verdict:
    """Kill the notifier, with its courier if so, at random moments; then let it end by itself."""
    started, desk = time.monotonic(), _Desk(random.Random(seed))
    chance, answer = random.Random(seed + 1), desk.answer
    with hook(answer) as web:
        policy = folder / "policy.toml"
        policy.write_text(channel(folder, "hook", web.address()) + _ROUTE, encoding="utf-8")
        count = 10_000_000
        stored = 0
        for _ in range(kills):
            # From the first incident on, so that every kill meets work.
            moment = chance.uniform(0.0, 0.5)
            process = _process(folder, policy, stored, count, pace_ms)
            stored = _killed(process, stored, desk, moment, courier)
        count = stored + 20
        process = _process(folder, policy, stored, count, pace_ms)
        try:
            code = process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        assert process.stdout is not None
        process.stdout.close()
        if code not in (0, -9):
            raise AssertionError(f"the notifier ended with {code}, see {folder / 'victim.log'}")
        time.sleep(1.0)  # what would come twice comes soon
        taken = list(web.taken)
        refused = len(web.all) - len(taken)
    return _verdict(count, (kills, desk.met), taken, refused, time.monotonic() - started)


class _Desk:
    """The receiver: takes a moment for each message, and refuses one in twenty."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._lock = threading.Lock()
        self.seen = self.under_way = self.met = 0

    def answer(self, _: Taken) -> int:
        """The status of one request; a kill should meet some of them under way."""
        with self._lock:
            self.seen += 1
            self.under_way += 1
            pause, refuses = self._chance.uniform(0.0, 0.2), self._chance.random() < 0.05
        time.sleep(pause)
        with self._lock:
            self.under_way -= 1
        return 503 if refuses else 200


def _verdict(
    count: int, kills: tuple[int, int], taken: list[Taken], refused: int, seconds: float
) -> Verdict:
    identities: dict[int, Counter[str]] = {}
    doubled = repeated = 0
    for one in taken:
        number = int(one.title.split("incident-")[1].split()[0])
        found = identities.setdefault(number, Counter())
        again, said = one.identity in found, one.body.endswith(AGAIN)
        doubled += again and not said
        repeated += again and said
        found[one.identity] += 1
    return Verdict(
        incidents=count,
        kills=kills[0],
        met=kills[1],
        lost=tuple(number for number in range(count) if number not in identities),
        doubled=doubled,
        repeated=repeated,
        confused=sum(len(found) > 1 for found in identities.values()),
        refused=refused,
        seconds=seconds,
    )


def _killed(
    process: subprocess.Popen[str], first: int, desk: _Desk, after_s: float, courier: bool
) -> int:
    """Let it work until some time after its first message has come, then kill; the number of
    incidents that are stored then."""
    assert process.stdout is not None
    stored, deadline, before = first, None, desk.seen
    with process.stdout as lines:
        for line in lines:
            stored = int(line.split()[0]) + 1
            if deadline is None and desk.seen > before:
                deadline = time.monotonic() + after_s
            if deadline is not None and time.monotonic() >= deadline:
                others = psutil.Process(process.pid).children() if courier else []
                desk.met += desk.under_way > 0
                for one in (process, *others):
                    one.kill()
                break
        # What it said between the decision and its end.
        stored = max([stored, *(int(rest.split()[0]) + 1 for rest in lines if rest.endswith("\n"))])
    code = process.wait()
    if code != -9:
        raise AssertionError(f"the notifier ended with {code}, see its victim.log")
    return stored


def _process(
    folder: Path, policy: Path, first: int, count: int, pace: int
) -> subprocess.Popen[str]:
    with (folder / "victim.log").open("ab") as log:
        given = [str(folder / "data"), str(policy), str(first), str(count), str(pace)]
        return subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.notify_victim", *given],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.notify", description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="kill -9 (default 50)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default 1)")
    parser.add_argument("--courier", action="store_true", help="kill its courier, too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pulse-notify-") as folder:
        verdict = chaos(given.kills, Path(folder), given.seed, courier=given.courier)
    print(verdict.line())
    if verdict.lost:
        print(f"lost: {', '.join(map(str, verdict.lost[:20]))}")
    return int(not verdict.clean)


if __name__ == "__main__":
    sys.exit(main())
