"""The baselines: what they answer on plain cases, and that they never look ahead."""

from __future__ import annotations

import numpy as np

from streams.lab.baselines import MINUTE_BASELINES, forest_scores, hourly, minute_scores

RNG = np.random.default_rng(4)
REQUESTS = RNG.poisson(3.0, (3 * 1440, 150)).astype(np.int32)


def scores(requests: np.ndarray[tuple[int, int], np.dtype[np.int32]]) -> dict[str, list[float]]:
    """By baseline, the first account's scores by minute."""
    _, found = next(minute_scores(requests[:, :1]))
    return {name: column[:, 0].tolist() for name, column in found.items()}


def test_they_are_causal() -> None:
    whole = scores(REQUESTS)
    cut = scores(REQUESTS[:2500])
    for name in MINUTE_BASELINES:
        assert np.allclose(whole[name][:2500], cut[name], equal_nan=True)
    changed = REQUESTS.copy()
    changed[2500:] *= 50
    for name, column in scores(changed).items():
        assert np.allclose(whole[name][:2500], column[:2500], equal_nan=True)
        assert column[2500] > whole[name][2500]


def test_every_account_is_scored_once() -> None:
    seen = [which for which, _ in minute_scores(REQUESTS)]
    covered = np.concatenate([np.arange(150)[which] for which in seen])
    assert np.array_equal(covered, np.arange(150))


def test_the_limit_is_the_sum_of_five_minutes() -> None:
    limit = scores(REQUESTS)["fixed_limit"]
    assert limit[2000] == REQUESTS[1996:2001, 0].sum()
    assert limit[0] == REQUESTS[0, 0] or np.isnan(limit[0])


def test_they_warm_up_and_say_nothing_of_silence() -> None:
    requests = REQUESTS[:, :1].copy()
    requests[:500] = 0
    requests[2800:2900] = 0
    found = scores(requests)
    first = 500 + int((requests[500:, 0] > 0).argmax())
    for name in ("ewma_z", "poisson_tail"):
        assert np.isnan(found[name][: first + 1440]).all()
        assert not np.isnan(found[name][first + 1445])
        assert np.isnan(found[name][2805:2900]).all()


def test_a_burst_stands_out_by_the_numbers() -> None:
    requests = np.full((3 * 1440, 1), 2, np.int32)  # ten in five minutes, always
    requests[4000:4005] = 10  # fifty
    found = scores(requests)
    assert found["fixed_limit"][4004] == 50
    assert found["ewma_z"][4004] > 30.0  # deviation at its floor of one
    mean, seen = 10.0, 50.0
    bound = (seen * np.log(seen / mean) - seen + mean) / np.log(10.0)
    assert abs(found["poisson_tail"][4004] - bound) < 0.5


def test_hours_keep_the_largest() -> None:
    minutes = np.full((120, 1), np.nan)
    minutes[[3, 50], 0] = (2.0, 7.0)
    best = hourly(minutes)
    assert best[0, 0] == 7.0
    assert np.isnan(best[1, 0])


def test_the_forest_is_seeded_and_ranks_the_odd_one_first() -> None:
    train = RNG.normal(10.0, 1.0, (2000, 4)).astype(np.float32)
    test = np.vstack([train[:50], np.full((1, 4), 60.0, np.float32)])
    one = forest_scores(train, test, seed=1)
    assert one.argmax() == 50
    assert np.array_equal(one, forest_scores(train, test, seed=1))
