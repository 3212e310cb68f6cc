"""Measured process: the coordination stream fed with signals, by number of accounts.

Content comes and goes: a signal is about one of the latest objects, fresh ones more than old ones,
a few far more than most, so that what an object meets does not depend on how many accounts there
are. Accounts are as unequally active as people. With `viral` one signal in five is about one object
that all share. The method is tuned as for the live flow, or with `file` as for `pulse clusters`.
Reported are signals a core-second of `Stream.push`, and bytes a live signal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.coordination.parameters import Parameters
from detectors.coordination.stream import Stream
from tests.bench.measure import Spent, order, report, rss_bytes, spent_since

_PORTION = 20_000
_PER_S = 50.0  # signals a second of event time: 8.6 million within the horizon
_SHARED = 30.0  # signals an object: an action meets about twelve
_VIRAL = 1 << 40
Signals = tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.uint8], NDArray[np.int64]]


def signals(seed: int, count: int, accounts: int, start: float, *, viral: bool) -> Signals:
    """The next `count` signals from second `start` on."""
    draw = np.random.default_rng(seed)
    account = (accounts * draw.power(0.6, count)).astype(np.int64)
    second = start + np.sort(draw.random(count)) * count / _PER_S
    newest = (second * _PER_S / _SHARED).astype(np.int64)
    age = np.minimum(draw.zipf(1.5, count), 1_000_000)
    thing = np.maximum(newest + 1_000_000 - age, 0)
    if viral:
        thing = np.where(draw.random(count) < 0.2, _VIRAL, thing)
    time_ms = (second * 1000).astype(np.int64)
    return account, thing.astype(np.uint64), np.zeros(count, np.uint8), time_ms


def _main() -> None:
    what = order()
    report(_measure(what))


def _measure(what: dict[str, Any]) -> dict[str, object]:
    count, accounts, viral = int(what["signals"]), int(what["accounts"]), bool(what["viral"])
    tuned = Parameters() if what.get("file") else Parameters().live()
    warm = Stream(tuned)
    warm.push(*signals(0, _PORTION, accounts, 0.0, viral=viral))
    warm.judge()
    del warm
    before = rss_bytes()
    stream = Stream(tuned)
    spent = 0.0
    for number in range(count // _PORTION):
        start = number * _PORTION / _PER_S
        portion = signals(number + 1, _PORTION, accounts, start, viral=viral)
        begun = Spent.now()
        stream.push(*portion)
        spent += spent_since(begun).cpu_s
    begun = Spent.now()
    stream.judge()
    return {
        "rate": count / spent,
        "judge_s": spent_since(begun).cpu_s,
        "bytes_per_signal": max(stream.nbytes, rss_bytes() - before) / count,
        "evicted": stream.evicted,
    }


if __name__ == "__main__":
    _main()
