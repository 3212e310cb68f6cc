"""The coordination lab: scenes by seed, a true truth, and what ours says of them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from streams.errors import BadInput, UsageError
from streams.lab.coordination import nulls, requests, sharing
from streams.lab.coordination.events import DAY_MS, HOUR_MS, Events, actions, joined
from streams.lab.coordination.method import judged
from streams.lab.coordination.negatives import api_negatives, file_negatives
from streams.lab.coordination.scene import Background, Scene, staged
from streams.lab.coordination.shapes import SHAPES, STRENGTHS, Plan, Shape, posted
from tests.support.shares import START, shares

SHAPE = {shape.name: shape for shape in SHAPES}


@pytest.fixture(scope="module")
def file() -> Background:
    return sharing.made_up(800, 1)


@pytest.fixture(scope="module")
def profiles() -> requests.Floats:
    return requests.week_of(1, None)


@pytest.fixture(scope="module")
def api(profiles: requests.Floats) -> Background:
    return requests.requests_background(120, 1, profiles, "built-in")


def plan(background: Background, shape: str, strength: int = 0, size: int = 8) -> Plan:
    start = background.start_ms + DAY_MS
    return Plan(SHAPE[shape], STRENGTHS[strength], size, background.accounts, start)


# Scenes


def test_the_same_seed_gives_the_same_scene(profiles: requests.Floats) -> None:
    for number in (1, 2):
        made = [sharing.made_up(200, number).events for _ in range(2)]
        assert all((a == b).all() for a, b in zip(*map(columns, made), strict=True))
    one, two = (requests.requests_background(60, seed, profiles, "").events for seed in (1, 2))
    assert len(one) != len(two)


def columns(events: Events) -> list[np.ndarray]:
    return [events.account, events.time_ms, events.objects]


def test_truth_names_members_of_a_shape_and_nobody_else(file: Background) -> None:
    first = plan(file, "unison")
    second = Plan(SHAPE["drip_hour"], STRENGTHS[1], 5, first.first + 8, first.start_ms)
    rng = np.random.default_rng(1)
    planted = [(p, sharing.dressed(p, file, rng)) for p in (first, second)]
    scene = staged(file, planted)
    assert scene.accounts == file.accounts + 13
    assert np.flatnonzero(scene.truth("unison")).tolist() == first.members.tolist()
    assert np.flatnonzero(scene.truth("drip_hour")).tolist() == second.members.tolist()
    assert not scene.counted("unison")[second.members].any()  # nor falsely accused
    assert scene.counted("unison")[first.members].all()
    active = np.unique(scene.events.account)
    assert set(first.members.tolist()) <= set(active.tolist())


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_members_act_when_their_shape_says(shape: Shape) -> None:
    it = Plan(shape, STRENGTHS[0], 6, 0, START)
    moments = START + np.arange(STRENGTHS[0].posts) * DAY_MS
    posts = posted(it, moments, np.random.default_rng(1))
    since = (posts.time_ms - moments[posts.post]) / 1000.0
    assert (np.bincount(posts.post) >= 2).all()
    if shape.spread_s:
        assert 0.0 <= since.min() < since.max() <= shape.spread_s
        return
    lags = [np.median(since[posts.member == member]) for member in range(6)]
    low, high = shape.lag_s
    assert all(low <= lag <= high + 20.0 for lag in lags), lags
    for member, lag in enumerate(lags):  # and always the same one
        assert np.abs(since[posts.member == member] - lag).max() < 30.0


@pytest.mark.parametrize(
    ("shape", "common", "own"), [("template", 0, 4), ("addresses", 3, 0), ("unison", 0, 8)]
)
def test_an_api_campaign_shares_what_its_shape_says(
    api: Background, profiles: requests.Floats, shape: str, common: int, own: int
) -> None:
    it = plan(api, shape)
    events = requests.dressed(it, np.random.default_rng(1), profiles)
    posted_rows = events.time_ms < it.end_ms + HOUR_MS
    shared, apart = (events.objects[posted_rows, column] for column in (common, own))
    value, count = np.unique(shared, return_counts=True)
    most = events.account[posted_rows][shared == value[count.argmax()]]
    assert len(np.unique(most)) == 8
    assert len(np.unique(apart)) >= 4


def test_the_slot_keeps_the_earliest_of_what_repeats() -> None:
    events = shares((1, 1, 0.0), (1, 1, 5.0), (1, 2, 6.0), (2, 1, 7.0), (1, 1, 31.0))
    assert len(actions(events)) == 5
    thinned = actions(events, 30_000)
    assert (thinned.time_ms - START).tolist() == [0, 6000, 7000, 31000]
    assert thinned.account.tolist() == [1, 1, 2, 1]


def test_nulls_keep_activity_and_popularity_and_visits(file: Background) -> None:
    plain = actions(file.events)
    rng = np.random.default_rng(1)
    moved, dealt = nulls.times_shuffled(plain, rng), nulls.accounts_permuted(plain, rng)
    for null in (moved, dealt):
        assert (np.bincount(null.account) == np.bincount(plain.account)).all()
        assert (np.sort(null.object) == np.sort(plain.object)).all()
        assert (np.diff(null.time_ms) >= 0).all()
    pairs = {(a, o) for a, o in zip(plain.account.tolist(), plain.object.tolist(), strict=True)}
    kept = {(a, o) for a, o in zip(moved.account.tolist(), moved.object.tolist(), strict=True)}
    assert pairs == kept
    visit = actions(shares((1, 1, 0.0), (1, 1, 60.0), (2, 1, 90_000.0)))
    seen = set()
    for seed in range(8):
        null = nulls.times_shuffled(visit, np.random.default_rng(seed))
        first, second = null.time_ms[null.account == 1]
        assert second - first == 60_000
        seen.add(int(first))
    assert len(seen) == 2


# The method under test


def in_file(file: Background, shape: str) -> Scene:
    it = plan(file, shape)
    return staged(file, [(it, sharing.dressed(it, file, np.random.default_rng(1)))])


def test_a_planted_ring_is_found_among_shares(file: Background) -> None:
    scene = in_file(file, "unison")
    found = judged(scene.actions, scene.accounts, live=False).cluster
    ring = scene.truth("unison")
    assert (found[ring] >= 0).all()
    assert len(np.unique(found[ring])) == 1
    assert (found[~ring] >= 0).sum() <= 1


def test_a_planted_ring_is_found_on_the_api_and_a_classroom_is_not(
    api: Background, profiles: requests.Floats
) -> None:
    it = plan(api, "unison")
    ring = requests.dressed(it, np.random.default_rng(1), profiles)
    honest = api_negatives(api, 300, 1, profiles, first=it.first + it.size)
    scene = staged(api, [(it, ring)], honest)
    found = judged(scene.actions, scene.accounts, live=True).cluster
    assert (found[it.members] >= 0).all()
    for negative in scene.negatives:
        assert not (found[negative.accounts] >= 0).any(), negative.title


def test_honest_crowds_among_shares_are_no_cluster(file: Background) -> None:
    scene = staged(file, negatives=file_negatives(file, 400, 1))
    found = judged(scene.actions, scene.accounts, live=False).cluster
    assert not (found >= 0).any()


# Files


def test_the_real_shares_are_read_and_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=sharing.FILE):
        sharing.coortweet(tmp_path)
    path = tmp_path / sharing.FILE
    path.write_bytes(gzip.compress(b"object_id,account_id\na,b\n"))
    with pytest.raises(BadInput, match="timestamp_share"):
        sharing.coortweet(tmp_path)
    path.write_bytes(gzip.compress(b"object_id,account_id,timestamp_share\na,b,late\n"))
    with pytest.raises(BadInput, match="timestamp_share"):
        sharing.coortweet(tmp_path)


def test_suspects_need_two_methods(tmp_path: Path) -> None:
    """A pair that co-shared twice by chance is not left out, a ring that all see is."""
    rows = [(a, 100 + o, o * 9e4 + a) for o in range(12) for a in range(4)]
    rows += [(a, 100 + o, o * 9e4 + 20_000.0) for o in range(12) for a in (4,)]
    rows += [(10, 200, 5e5), (11, 200, 5e5 + 50), (10, 201, 7e5), (11, 201, 7e5 + 40)]
    rows += [(20 + k % 50, 300 + k // 5, 3e3 * k) for k in range(400)]
    lines = [f"o{o},a{a:03},{1.6e9 + t:.0f}" for a, o, t in rows]
    text = "object_id,account_id,timestamp_share\n" + "\n".join(lines) + "\n"
    (tmp_path / sharing.FILE).write_bytes(gzip.compress(text.encode()))
    found = sharing.coortweet(tmp_path)
    assert found.unsure[:4].all()
    names = sorted({f"a{a:03}" for a, _, _ in rows})
    assert not found.unsure[[names.index("a010"), names.index("a011")]].any()


def test_joined_events_are_in_order(file: Background) -> None:
    events = joined([file.events, shares((1, 1, 0.0), (2, 2, 3.0))])
    assert len(events) == len(file.events) + 2
    assert (np.diff(events.time_ms) >= 0).all()
