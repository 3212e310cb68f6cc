"""Measures of the coordination lab against sklearn, and the public methods against a hand count."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.metrics import average_precision_score
from sklearn.metrics.pairwise import cosine_similarity

from streams.lab.coordination import measures, sharing
from streams.lab.coordination.candidates import candidates
from streams.lab.coordination.cosharing import shared_within
from streams.lab.coordination.scene import Background, staged
from streams.lab.coordination.similarity import network
from tests.support.shares import shares


@pytest.fixture(scope="module")
def file() -> Background:
    return sharing.made_up(400, 1)


# Measures


def test_average_precision_is_that_of_sklearn() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        score = rng.integers(0, 6, 60).astype(float)  # many ties
        truth = rng.random(60) < 0.2
        truth[0] = True
        unit = np.arange(60)
        wanted = average_precision_score(truth, score)
        assert measures.average_precision(score, truth) == pytest.approx(wanted)
        drawn = measures.Drawn.of(score, score > 4, truth, unit, 1)
        figure = drawn.average_precision()
        assert figure.value == pytest.approx(wanted)
        assert figure.low <= wanted <= figure.high


def test_precision_recall_and_purity_by_hand() -> None:
    score = np.array([9.0, 8.0, 7.0, 6.0, 1.0, 0.0])
    truth = np.array([True, True, False, True, False, False])
    drawn = measures.Drawn.of(score, score >= 7, truth, np.arange(6), 1)
    assert drawn.precision().value == pytest.approx(2 / 3)
    assert drawn.recall().value == pytest.approx(2 / 3)
    assert drawn.precision_at(0.9).value == pytest.approx(3 / 4)
    assert drawn.precision_at(0.5).value == 1.0
    assert measures.best_threshold(score, truth) == 6.0
    share, which = measures.purity(np.array([0, 0, 0, 1, 1, -1]), np.array([4, 4, -1, 5, 4, 4]))
    assert share.tolist() == [pytest.approx(2 / 3), 0.5]
    assert which.tolist() == [4, 4]


def test_a_campaign_is_drawn_as_a_whole() -> None:
    truth = np.repeat([True, False], [20, 20])
    found = np.arange(40) < 10  # one of two campaigns
    unit = np.where(np.arange(40) < 20, 100 + np.arange(40) // 10, np.arange(40))
    recall = measures.Drawn.of(found.astype(float), found, truth, unit, 1).recall()
    assert (recall.low, recall.high) == (0.0, 1.0)


# The public methods


def test_cosharing_counts_every_pair_of_actions_within_the_window() -> None:
    events = shares(
        (0, 1, 0.0), (1, 1, 10.0), (2, 1, 11.0), (0, 2, 100.0), (1, 2, 110.0), (1, 2, 200.0),
        (3, 3, 0.0),
    )  # fmt: skip
    ten = shared_within(events, 10.0)
    assert list(zip(ten.a.tolist(), ten.b.tolist(), ten.times.tolist(), strict=True)) == [
        (0, 1, 2),
        (1, 2, 1),
    ]
    assert ten.least(2).strongest(4).tolist() == [2.0, 2.0, 0.0, 0.0]
    assert ten.strength(4).tolist() == [2.0, 3.0, 1.0, 0.0]
    hundred = shared_within(events, 100.0)
    assert hundred.times.tolist() == [3, 1, 1]


def test_cosharing_is_that_of_a_plain_loop(file: Background) -> None:
    events = file.events.only(np.arange(len(file.events)) < 1500)
    counted: dict[tuple[int, int], int] = {}
    rows = zip(*(c.tolist() for c in (events.account, events.time_ms, events.objects[:, 0])),
               strict=True)  # fmt: skip
    for (a, t, o), (b, u, p) in itertools.combinations(list(rows), 2):
        if o == p and a != b and abs(t - u) <= 3_600_000:
            pair = (min(a, b), max(a, b))
            counted[pair] = counted.get(pair, 0) + 1
    found = shared_within(events, 3600.0)
    told = zip(found.a.tolist(), found.b.tolist(), found.times.tolist(), strict=True)
    assert {(a, b): n for a, b, n in told} == counted


def test_similarities_are_those_of_sklearn(file: Background) -> None:
    events, accounts = file.events, file.accounts
    item = np.unique(events.objects[:, 0], return_inverse=True)[1]
    counts = np.zeros((accounts, item.max() + 1))
    np.add.at(counts, (events.account, item), 1)
    wanted = cosine_similarity(TfidfTransformer().fit_transform(counts))
    np.fill_diagonal(wanted, 0.0)
    found = network(events, accounts)
    assert np.allclose(found.similar.toarray(), wanted, atol=1e-5)
    assert np.allclose(found.strongest(), wanted.max(axis=1), atol=1e-5)
    values = np.linalg.eigh(wanted)[1][:, -1]
    assert np.allclose(found.centrality(), np.abs(values), atol=1e-3)
    kept = found.top().similar.data
    assert kept.min() >= np.quantile(wanted[wanted > 0], 0.995) - 1e-5
    assert len(kept) >= 0.005 * (wanted > 0).sum()  # more where many are as similar


def test_a_window_and_a_support_leave_out_what_they_should() -> None:
    events = shares((0, 1, 0.0), (1, 1, 50_000.0), (0, 2, 0.0), (1, 2, 1.0), (2, 1, 0.0))
    assert network(events, 3).linked().tolist() == [True, True, True]
    assert network(events, 3, support=2).linked().tolist() == [True, True, False]
    bucket = network(events, 3, window_s=3600.0).similar.toarray() > 0
    assert bucket[0].tolist() == [False, True, True]
    assert bucket[1].tolist() == [True, False, False]


def test_both_methods_are_asked_at_their_published_settings(file: Background) -> None:
    told = [c for c in candidates(staged(file), quick=True) if c.flagged is not None]
    assert [c.method for c in told] == ["co-sharing", "similarity"]
    assert "60 s, at least 2" in told[0].setting
    assert "without a window, 10 actions" in told[1].setting
