"""What must stay silent: hard negatives at every tick, and null traffic in many seeds."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.lab.coordination.candidates import candidates
from streams.lab.coordination.document import ALL, PULSE, Document, Measure, Row
from streams.lab.coordination.events import HOUR_MS, actions
from streams.lab.coordination.measures import share_figure
from streams.lab.coordination.method import Pulse, judged
from streams.lab.coordination.negatives import api_negatives, file_negatives
from streams.lab.coordination.nulls import accounts_permuted, times_shuffled
from streams.lab.coordination.requests import requests_background
from streams.lab.coordination.scene import Background, Scene, staged
from streams.lab.resample import Figure

__all__ = ["NULLS", "judged_negatives", "judged_nulls"]

Floats = NDArray[np.float64]

_TICK_MS: Final = 6 * HOUR_MS
_QUICK_TICK_MS: Final = 24 * HOUR_MS
_SMALL: Final = 250  # accounts of the API's null traffic: twenty seeds of it
NULLS: Final = {"times": times_shuffled, "accounts": accounts_permuted}


def judged_negatives(
    document: Document,
    file: Background,
    api: Background,
    viral: int,
    seed: int,
    profiles: Floats,
    *,
    quick: bool,
) -> None:
    """False clusters of each hard negative, and how many of its accounts the others name."""
    for scene in (
        staged(file, negatives=file_negatives(file, viral, seed)),
        staged(api, negatives=api_negatives(api, viral, seed, profiles)),
    ):
        named = _named_by_us(scene, _QUICK_TICK_MS if quick else _TICK_MS)
        others = [c for c in candidates(scene, quick=True) if c.flagged is not None]
        untouched = np.arange(scene.background.accounts)
        kinds = {"background": ("the background itself", untouched[~scene.background.unsure])}
        for n in scene.negatives:
            before = kinds.get(n.name, (n.title, n.accounts[:0]))[1]
            kinds[n.name] = (n.title, np.concatenate([before, n.accounts]))
        for name, (title, members) in kinds.items():
            document.scenarios.setdefault(name, title)
            clusters = {place for place, who in enumerate(named) if who[members].any()}
            ever = np.any([who[members] for who in named], axis=0) if named else None
            shares = {PULSE: float(ever.mean()) if ever is not None else 0.0}
            for other in others:
                assert other.flagged is not None
                share = float(other.flagged[members].mean())
                shares[other.method] = min(share, shares.get(other.method, 1.0))
            _row(document, "false_clusters", PULSE, scene, name, len(clusters), len(members))
            for method, share in shares.items():
                _row(document, "named", method, scene, name, share, len(members))


def judged_nulls(
    document: Document, file: Background, seeds: int, seed: int, profiles: Floats
) -> None:
    """Clusters a run on shuffled traffic; the shares, and a small API background."""
    small = requests_background(_SMALL, seed, profiles, "")
    for background in (file, small):
        plain = actions(background.events, background.slot_ms)
        for name, shuffled in NULLS.items():
            counts = []
            for number in range(seeds):
                rng = np.random.default_rng([seed + number, 48])
                null = shuffled(plain, rng)
                found = judged(null, background.accounts, live=background.live)
                counts.append(len(np.unique(found.cluster[found.cluster >= 0])))
            figure = share_figure(np.array(counts, np.float64), seed)
            document.rows.append(
                Row("false_clusters", PULSE, background.name, f"null_{name}", ALL, figure)
            )
    document.scenarios |= {
        "null_times": "times shuffled within each object",
        "null_accounts": "accounts permuted within a signal",
    }


def _named_by_us(scene: Scene, tick_ms: int) -> list[NDArray[np.bool_]]:
    """Every cluster at every tick, those that persist counted once: who was in it."""
    pulse = Pulse(scene.actions, scene.accounts, live=scene.background.live)
    last = int(scene.actions.time_ms[-1])
    ticks = [last + 1]
    if scene.background.live:
        ticks = [*range(scene.background.start_ms + tick_ms, last, tick_ms), last + 1]
    found: list[NDArray[np.bool_]] = []
    for tick in ticks:
        pulse.until(tick)
        cluster = pulse.judge().cluster
        for label in np.unique(cluster[cluster >= 0]).tolist():
            who = cluster == label
            same = next((place for place, old in enumerate(found) if (old & who).any()), None)
            if same is None:
                found.append(who)
            else:
                found[same] |= who
    return found


def _row(
    document: Document,
    measure: Measure,
    method: str,
    scene: Scene,
    name: str,
    value: float,
    number: int,
) -> None:
    figure = Figure(float(value), float(value), float(value), number)
    document.rows.append(Row(measure, method, scene.background.name, name, ALL, figure))
