"""Kills a notifier again and again, and counts what arrived: `python -m tests.chaos.notify`.

Every incident's message must arrive. A message that a killed process had delivered but not yet
noted as sent arrives a second time under the same Idempotency-Key, by which a receiver knows it;
how many did is printed, and none may arrive twice under two. Exit code 1 when one is missing.
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
    lost: tuple[int, ...]
    doubled: int  # arrived again under the same identity
    confused: int  # incidents whose message came under two identities
    refused: int  # deliveries that the receiver refused, to be tried again
    seconds: float

    def line(self) -> str:
        """In a sentence."""
        return (
            f"{self.incidents} incidents, {self.kills} kills in {self.seconds:.0f} s: "
            f"{len(self.lost)} lost, {self.confused} doubled under another identity, "
            f"{self.doubled} delivered again under the same one, {self.refused} refused first"
        )


def chaos(kills: int, folder: Path, seed: int = 1, pace_ms: int = 40) -> Verdict:
    """Kill the notifier `kills` times at random moments, then let it end by itself."""
    started, chance = time.monotonic(), random.Random(seed)
    lock = threading.Lock()

    def answer(_: Taken) -> int:
        time.sleep(chance.uniform(0.0, 0.03))  # a kill should meet deliveries under way
        with lock:
            return 503 if chance.random() < 0.05 else 200

    with hook(answer) as web:
        policy = folder / "policy.toml"
        policy.write_text(channel(folder, "hook", web.address()) + _ROUTE, encoding="utf-8")
        count = 10_000_000
        stored = 0
        for _ in range(kills):
            # From the first incident on, so that every kill meets work.
            stored = _killed(folder, policy, stored, count, pace_ms, chance.uniform(0.05, 1.0))
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
        taken = list(web.taken)
        refused = len(web.all) - len(taken)
    return _verdict(count, kills, taken, refused, time.monotonic() - started)


def _verdict(count: int, kills: int, taken: list[Taken], refused: int, seconds: float) -> Verdict:
    identities: dict[int, Counter[str]] = {}
    for one in taken:
        number = int(one.title.split("incident-")[1].split()[0])
        identities.setdefault(number, Counter())[one.identity] += 1
    return Verdict(
        incidents=count,
        kills=kills,
        lost=tuple(number for number in range(count) if number not in identities),
        doubled=sum(sum(found.values()) - len(found) for found in identities.values()),
        confused=sum(len(found) > 1 for found in identities.values()),
        refused=refused,
        seconds=seconds,
    )


def _killed(folder: Path, policy: Path, first: int, count: int, pace: int, after_s: float) -> int:
    """Run from incident `first` on, kill; the number of incidents that are stored then."""
    process = _process(folder, policy, first, count, pace)
    assert process.stdout is not None
    stored, deadline = first, None
    with process.stdout as lines:
        for line in lines:
            stored = int(line.split()[0]) + 1
            deadline = deadline or time.monotonic() + after_s
            if time.monotonic() >= deadline:
                process.kill()
                break
        # What it said between the decision and its end.
        stored = max([stored, *(int(rest.split()[0]) + 1 for rest in lines if rest.endswith("\n"))])
    code = process.wait()
    if code != -9:
        raise AssertionError(f"the notifier ended with {code}, see {folder / 'victim.log'}")
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
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pulse-notify-") as folder:
        verdict = chaos(given.kills, Path(folder), given.seed)
    print(verdict.line())
    if verdict.lost:
        print(f"lost: {', '.join(map(str, verdict.lost[:20]))}")
    return int(bool(verdict.lost or verdict.confused))


if __name__ == "__main__":
    sys.exit(main())
