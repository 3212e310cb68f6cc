"""A run of the coordination lab: scenes are staged, every method judges them, figures come out.

    backgrounds -> campaigns  -> ours, co-sharing, similarity -> tallies  \\
                -> negatives  -> ours at every tick                        > document
                -> nulls      -> ours, twenty seeds                       /
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.lab.coordination import requests, sharing
from streams.lab.coordination.candidates import candidates
from streams.lab.coordination.document import Document
from streams.lab.coordination.events import DAY_MS, HOUR_MS
from streams.lab.coordination.honest import judged_negatives, judged_nulls
from streams.lab.coordination.method import Judgement, Pulse, judged
from streams.lab.coordination.scene import Background, Scene, staged
from streams.lab.coordination.shapes import SHAPES, STRENGTHS, Plan, Shape
from streams.lab.coordination.tally import Tally
from streams.lab.coordination.targets import targets

__all__ = ["Spec", "Told", "evaluate"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Told = Callable[[str, float], None]

_TICK_MS: Final = 3 * HOUR_MS
_QUICK_TICK_MS: Final = 8 * HOUR_MS
#: Campaigns of a shape on the API: strength and size, one of each run.
_API_CAMPAIGNS: Final = ((0, 0), (0, 2), (1, 1), (1, 2), (2, 1))
#: Shapes that are planted together on the API: a ring of one never looks like one of the other.
_API_GROUPS: Final = (
    ("unison", "relay_hours", "drip_hour", "template"),
    ("relay_minutes", "drip_day", "addresses", "few"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What to play: `accounts` of the API background, `runs` with other campaigns each.

    traces: directory with the ServeGen and CooRTweet tables, None for built-in backgrounds.
    """

    accounts: int
    runs: int
    api_runs: int
    nulls: int
    viral: int
    seed: int
    traces: Path | None
    quick: bool


def evaluate(spec: Spec, told: Told) -> Document:
    """The whole lab of coordination.

    Raises:
        UsageError, BadInput: the traces cannot be read.
    """
    told("reading backgrounds", 0.0)
    profiles = requests.week_of(spec.seed, spec.traces)
    file = (
        sharing.made_up(6000 if not spec.quick else 2500, spec.seed)
        if spec.traces is None
        else sharing.coortweet(spec.traces)
    )
    source = "built-in clients" if spec.traces is None else "ServeGen clients"
    api = requests.requests_background(spec.accounts, spec.seed, profiles, source)
    document = Document(
        seed=spec.seed,
        accounts=file.accounts + api.accounts,
        actions=0,
        campaigns=0,
        backgrounds={file.name: file.title, api.name: api.title},
        scenarios={shape.name: shape.title for shape in SHAPES},
    )
    work = list(_scenes(spec, file, api, profiles))
    tallies: dict[tuple[str, str], Tally] = {}
    for place, make in enumerate(work):
        told("judging campaigns", 0.05 + 0.65 * place / len(work))
        scene = make()
        document.actions += len(scene.actions)
        document.campaigns += len(scene.plans)
        _judge(scene, spec, tallies)
    for tally in tallies.values():
        document.rows += tally.rows()
    told("judging hard negatives", 0.7)
    judged_negatives(document, file, api, spec.viral, spec.seed, profiles, quick=spec.quick)
    told("judging null traffic", 0.8)
    judged_nulls(document, file, spec.nulls, spec.seed, profiles)
    document.targets = targets(document)
    told("done", 1.0)
    return document


def _scenes(
    spec: Spec, file: Background, api: Background, profiles: Floats
) -> Iterator[Callable[[], Scene]]:
    shapes = {shape.name: shape for shape in SHAPES}
    for run in range(spec.runs):
        for shape in (shape for shape in SHAPES if shape.file):
            yield partial(_file_scene, file, shape, spec.seed + run)
    for run in range(spec.api_runs):
        for group in _API_GROUPS:
            chosen = [shapes[name] for name in group]
            yield partial(_api_scene, api, chosen, spec.seed + run, profiles)


def _file_scene(background: Background, shape: Shape, seed: int) -> Scene:
    """Nine campaigns of one shape, each at a time when many share."""
    rng = np.random.default_rng([seed, 46, SHAPES.index(shape)])
    times, first, plans = background.events.time_ms, background.accounts, []
    for strength in STRENGTHS:
        for size in shape.sizes:
            row = rng.integers(len(times) // 20, len(times) * 17 // 20)
            plans.append(Plan(shape, strength, size, first, int(times[row])))
            first += size
    return staged(background, [(plan, sharing.dressed(plan, background, rng)) for plan in plans])


def _api_scene(background: Background, shapes: list[Shape], seed: int, profiles: Floats) -> Scene:
    """Five campaigns of each shape within the week."""
    rng = np.random.default_rng([seed, 47, len(shapes), SHAPES.index(shapes[0])])
    first, plans = background.accounts, []
    for shape in shapes:
        for strength, size in _API_CAMPAIGNS:
            latest = (requests.DAYS - 0.5 - shape.days) * DAY_MS - shape.lag_s[1] * 1000
            start = requests.START_MS + int(rng.uniform(0.2 * DAY_MS, latest))
            plans.append(Plan(shape, STRENGTHS[strength], shape.sizes[size], first, start))
            first += shape.sizes[size]
    return staged(background, [(plan, requests.dressed(plan, rng, profiles)) for plan in plans])


def _judge(scene: Scene, spec: Spec, tallies: dict[tuple[str, str], Tally]) -> None:
    """Every method on one scene, for each of its shapes; ours at ticks where traffic is live."""
    name = scene.background.name
    shapes = list(dict.fromkeys(plan.shape.name for plan in scene.plans))
    here = [tallies.setdefault((name, s), Tally(name, s, spec.seed)) for s in shapes]
    ever: Bools | None = None
    if scene.background.live:
        ours, ever, after = _followed(scene, _QUICK_TICK_MS if spec.quick else _TICK_MS)
        for number, hours in after.items():
            here[shapes.index(scene.plans[number].shape.name)].found_after(hours)
    else:
        ours = judged(scene.actions, scene.accounts, live=False)
    others = list(candidates(scene, quick=spec.quick))
    for tally in here:
        tally.add(scene, ours, others, ever)


def _followed(scene: Scene, tick_ms: int) -> tuple[Judgement, Bools, dict[int, float]]:
    """The judgement at the end, who was named at any tick, and for each campaign found how many
    hours after its start two members or more stood in one cluster."""
    pulse = Pulse(scene.actions, scene.accounts, live=True)
    ever = np.zeros(scene.accounts, np.bool_)
    after: dict[int, float] = {}
    start, end = scene.background.start_ms, int(scene.actions.time_ms[-1])
    for tick in range(start + tick_ms, end + tick_ms, tick_ms):
        pulse.until(tick)
        ours = pulse.judge()
        ever |= ours.cluster >= 0
        for number, plan in enumerate(scene.plans):
            inside = ours.cluster[plan.members]
            together = np.bincount(inside[inside >= 0], minlength=1).max()
            if number not in after and tick > plan.start_ms and together > 1:
                after[number] = (tick - plan.start_ms) / HOUR_MS
    return ours, ever, after
