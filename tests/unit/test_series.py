"""The single-series detector: what stands out stands out at its onset, what is usual stays low."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest

from detectors import base
from detectors.series import Parameters, SeriesDetector, score
from detectors.series_memory import Memory
from detectors.series_season import Season
from detectors.series_shape import Shapes
from tests.bench.series_kinds import KINDS, make
from tests.bench.series_measures import measure

STEP = 300.0
DAY = 288


def days(count: int, seed: int = 0) -> tuple[base.FloatArray, base.FloatArray]:
    """Five-minute load with a daily hump."""
    rng = np.random.default_rng(seed)
    t = np.asarray(1_700_006_400.0 + np.arange(count * DAY) * STEP, dtype=np.float64)
    hump = np.exp(3.0 * (np.cos((t % 86400) / 86400 * 2 * np.pi - 4.0) - 1.0))
    return t, 50.0 + 200.0 * hump + rng.normal(0.0, 5.0, len(t))


def test_a_spike_is_the_top_row() -> None:
    t, x = days(8)
    at = 7 * DAY + 30
    x[at] += 300.0
    scores = score(t, x)
    assert scores.argmax() == at
    assert scores[at] > 0.9


def test_the_score_points_at_the_onset_of_a_shift_and_falls_after_it() -> None:
    t, x = days(9)
    at = 7 * DAY + 30
    x[at:] += 400.0
    scores = score(t, x)
    assert at <= scores[DAY:].argmax() + DAY <= at + 12
    assert scores[at + DAY :].max() < 0.5 * scores[at : at + 12].max()


def test_daily_peaks_are_no_news() -> None:
    t, x = days(10)
    assert score(t, x)[DAY:].max() < 0.5


def test_an_afternoon_at_night_stands_out_though_no_value_is_new() -> None:
    t, x = days(9)
    afternoon, night = 8 * DAY - 105, 8 * DAY + 20
    assert x[afternoon - 6 : afternoon + 6].mean() > 240
    x[night : night + 12] = x[afternoon : afternoon + 12]
    scores = score(t, x)
    assert night <= scores[DAY:].argmax() + DAY < night + 12


def test_a_stuck_sensor_stands_out() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(20.0, 1.0, 3000)
    x[2500:] = x[2499]
    scores = score(np.arange(3000.0), x)
    assert 2500 <= scores[500:].argmax() + 500 < 2530


def test_the_second_identical_incident_is_old_news_but_no_secret() -> None:
    t, x = days(12)
    first, second = 7 * DAY + 30, 10 * DAY + 30
    x[first : first + 6] += 400.0
    x[second : second + 6] += 400.0
    scores = score(t, x)
    usual = np.median(scores[2 * DAY :])
    assert scores[first] > scores[second : second + 6].max() > 2.0 * usual


def test_constants_score_nothing_and_the_first_change_everything() -> None:
    x = np.full(1000, 7.25)
    x[800] = 7.5
    scores = score(np.arange(1000.0) * 60, x)
    assert scores[:800].max() < 0.15
    assert scores[800] > 0.99
    assert scores[801:].max() < scores[800]


def test_a_missing_value_scores_nothing_and_teaches_nothing() -> None:
    t, x = days(3)
    missing = np.zeros(len(x), dtype=bool)
    missing[::7] = missing[:3] = True
    with_holes = np.where(missing, np.nan, x)
    scores = score(t, with_holes)
    assert (scores[missing] == 0).all()
    np.testing.assert_array_equal(scores[~missing], score(t[~missing], x[~missing]))
    np.testing.assert_array_equal(score(t[:5], np.full(5, np.nan)), np.zeros(5))


def test_equal_times_are_fine() -> None:
    assert np.isfinite(score(np.zeros(500), np.arange(500.0) % 7)).all()


def test_an_hour_series_of_years_and_a_series_of_days() -> None:
    for step, rows in ((3600.0, 5000), (86400.0, 1500), (30 * 86400.0, 300)):
        rng = np.random.default_rng(2)
        x = rng.normal(100.0, 5.0, rows)
        x[-20] = 190.0
        scores = score(np.arange(rows) * step, x)
        assert scores.argmax() == rows - 20, step


def test_one_row_and_none() -> None:
    assert score([5.0], [1.0]).tolist() == [0.0]
    assert score([], []).tolist() == []


@pytest.mark.parametrize(
    ("times", "values", "said"),
    [
        ([1.0, 2.0], [1.0], "as many values as timestamps"),
        ([2.0, 1.0], [1.0, 1.0], "row 1 is earlier than the one before"),
        ([1.0, math.nan], [1.0, 1.0], "timestamps: row 1 is not finite"),
        ([1.0, 2.0], [1.0, math.inf], "values: row 1 is infinite"),
    ],
)
def test_bad_input_is_refused(times: list[float], values: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        score(times, values)


def test_times_go_on_from_update_to_update() -> None:
    detector = SeriesDetector()
    detector.update([1.0, 2.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="row 0 is earlier"):
        detector.update([1.5], [1.0])


@pytest.mark.parametrize("name", ["scale", "shape_rows", "leaders", "capacity", "block"])
def test_wrong_parameters_are_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"series {name}: expected"):
        Parameters(**{name: 0})


def test_a_detector_can_be_stored_and_copied() -> None:
    t, x = days(4)
    detector = SeriesDetector()
    detector.update(t[:700], x[:700])
    rest = [
        one.update(t[700:], x[700:])
        for one in (copy.deepcopy(detector), pickle.loads(pickle.dumps(detector)), detector)
    ]
    np.testing.assert_array_equal(rest[0], rest[2])
    np.testing.assert_array_equal(rest[1], rest[2])


def test_it_is_no_account_detector() -> None:
    assert not [d for d in base.all_detectors() if "series" in getattr(d, "__name__", "")]


def test_memory_is_exact_while_it_is_small() -> None:
    memory = Memory(1000)
    memory.add(np.array([3.0, 1.0, 1.0, 7.0]))
    np.testing.assert_array_equal(memory.nearest(np.array([0.0, 1.0, 4.5, 9.0])), [1, 0, 1.5, 2])
    np.testing.assert_array_equal(
        memory.share_above(np.array([0.0, 1.0, 4.0, 8.0])) * 5, [5, 5, 2, 1]
    )
    assert memory.deviation == pytest.approx(np.std([3.0, 1.0, 1.0, 7.0]))


def test_memory_stays_bounded_and_nearly_exact() -> None:
    rng = np.random.default_rng(0)
    numbers = rng.normal(0.0, 1.0, 20_000)
    memory = Memory(512)
    for part in np.split(numbers, 100):
        memory.add(part)
    assert memory.count == len(numbers)
    asked = rng.normal(0.0, 1.5, 200)
    true = np.abs(asked[:, None] - numbers).min(axis=1)
    assert np.abs(memory.nearest(asked) - true).max() < 0.05
    shares = (1 + (numbers >= asked[:, None]).sum(axis=1)) / (1 + len(numbers))
    assert np.abs(memory.share_above(asked) - shares).max() < 0.03
    assert memory.spread == pytest.approx(1.0, rel=0.1)
    assert memory.nearest(np.array([numbers.max(), numbers.min()])).tolist() == [0.0, 0.0]


def test_the_season_knows_only_cycles_that_are_over() -> None:
    season = Season(24.0, 1.0)
    hours = np.arange(24.0)
    first = season.step(hours, hours)
    assert all(np.isnan(column).all() for column in first)
    residual, _, nearest = season.step(hours + 24, hours + 10.0)
    np.testing.assert_allclose(residual, 10.0)
    np.testing.assert_allclose(nearest[1:-1], 9.0)  # the neighbour's value counts as well
    assert np.isnan(season.step(np.array([47.9]), np.array([5.0]))[0]).sum() == 0


def test_a_time_of_day_never_seen_is_no_residual() -> None:
    season = Season(24.0, 1.0)
    season.step(np.arange(6.0), np.full(6, 100.0))
    residual, _, nearest = season.step(np.array([24.0, 36.0]), np.array([103.0, 7.0]))
    assert residual.tolist() == [3.0, 0.0]
    assert nearest.tolist() == [3.0, 0.0]


def test_shapes_stay_bounded_and_know_what_they_saw() -> None:
    shapes = Shapes(8, 64, 128)
    t = np.arange(4000)
    wave = np.sin(t * 2 * np.pi / 40) + np.random.default_rng(0).normal(0.0, 0.02, 4000)
    for part in np.split(wave, 40):
        _, windows = shapes.step(part)
        shapes.add(windows)
    assert len(shapes._leaders) <= 64
    known, _ = shapes.step(np.sin(np.arange(4000, 4040) * 2 * np.pi / 40))
    other, _ = shapes.step(np.sin(np.arange(40) * 2 * np.pi / 5))
    assert known.max() < 0.25 < other[10:].min()


def test_it_is_ahead_of_what_practitioners_use() -> None:
    """A sixth of the benchmark; `python -m tests.bench.series_quality` prints all of it."""
    from tests.bench.series_baselines import BASELINES

    kinds = [kind for place, kind in enumerate(KINDS) if place % 6 == 0]
    series = [make(kind, 0) for kind in kinds]
    ours = measure(series, [score(one.times, one.values) for one in series])
    for name, baseline in BASELINES.items():
        theirs = measure(series, [baseline(one.times, one.values) for one in series])
        assert ours.early > theirs.early + 10.0, name
        assert ours.roc > theirs.roc, name
        assert ours.pr > theirs.pr, name
