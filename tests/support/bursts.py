"""A small stream with something to find: quiet accounts, a burst of requests and one of tokens."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.support.folding import encoded

__all__ = ["END", "HOUR", "START", "burst_stream", "heartbeat", "quiet"]

HOUR = 3_600_000
START = 1_700_000_000_000 // HOUR * HOUR
END = START + 3 * HOUR


def quiet(
    names: list[str], *, seed: int = 0, hours: float = 2.0, label: str = "q"
) -> list[dict[str, Any]]:
    """Thirty requests an hour of each account, from START on, in order of time."""
    rng = np.random.default_rng(seed)
    events = []
    for number, name in enumerate(names):
        ts = START + 1 + np.sort(rng.integers(0, int(hours * HOUR) - 1, int(30 * hours)))
        events += [
            {"event_id": f"{label}{number}-{n}", "ts": int(t), "account_id": name}
            | {"prompt_tokens": int(t % 700), "completion_tokens": int(t % 90)}
            for n, t in enumerate(ts)
        ]
    return sorted(events, key=lambda event: event["ts"])


def burst_stream(names: list[str], *, seed: int = 0, label: str = "e") -> list[bytes]:
    """Lines as they arrive: the first two accounts burst, some events come late, some twice."""
    rng = np.random.default_rng(seed)
    events = quiet(names, seed=seed, hours=2.5, label=label)
    for name, begin, count, tokens in (
        (names[0], 1.5, 400, 10),
        (names[1], 1.7, 25, 1_000_000),
        (names[0], 1.9, 1200, 10),
    ):
        ts = START + int(begin * HOUR) + np.sort(rng.integers(0, 180_000, count))
        events += [
            {"event_id": f"{label}b{begin}-{n}", "ts": int(t), "account_id": name}
            | {"prompt_tokens": tokens, "org_id": "org"}
            for n, t in enumerate(ts)
        ]
    late = np.where(rng.random(len(events)) < 0.1, rng.integers(1000, 400_000, len(events)), 0)
    late[rng.integers(0, len(events), 5)] = 3 * HOUR
    order = np.argsort(np.array([event["ts"] for event in events]) + late, kind="stable")
    lines = encoded([events[place] for place in order.tolist()])
    for place in rng.integers(0, len(lines), 60).tolist():
        lines.insert(min(len(lines), place + int(rng.integers(0, 300))), lines[place])
    return lines


def heartbeat(ms: int) -> bytes:
    """The line that tells a partition the time."""
    return b'{"heartbeat": %d}' % ms
