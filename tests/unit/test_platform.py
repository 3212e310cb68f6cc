"""The fleet watch on a real embedded store: finds a flood and an outage, and says how to check."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from streams.alerting.findings import Finding
from streams.platform.parameters import Parameters
from streams.platform.rate import rarity
from streams.platform.telling import usual
from streams.platform.totals import STEP_MS, Metric, busiest_models, read_totals
from streams.platform.watch import PlatformWatch
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate

DAY = 86_400_000
START = 1_760_054_400_000  # 2025-10-10 00:00 UTC
HOUR = 3_600_000
DAYS = 5
FLOOD = START + 4 * DAY + 14 * HOUR  # at a busy hour, by one model
OUTAGE = START + 4 * DAY + 16 * HOUR + 30 * 60_000
HATE = START + 4 * DAY + 9 * HOUR
MODELS = ["large", "small"]
PARAMETERS = Parameters(verdict_windows=3 * 288)
_TIME = pa.timestamp("ms", "UTC")


def requests_a_window() -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    rng = np.random.default_rng(3)
    hour = np.arange(DAYS * 288) % 288 / 12.0
    mean = 40.0 + 80.0 * np.exp(2.0 * (np.cos((hour - 15.0) / 24.0 * 2 * np.pi) - 1.0))
    return rng.negative_binomial(2000, 2000 / (2000 + mean))


def events() -> pa.Table:
    counts = requests_a_window()
    counts[(FLOOD - START) // STEP_MS] = 420
    counts[(OUTAGE - START) // STEP_MS : (OUTAGE - START) // STEP_MS + 3] = 0
    rng = np.random.default_rng(4)
    windows = np.repeat(START + np.arange(len(counts)) * STEP_MS, counts)
    ts = windows + rng.integers(0, STEP_MS, len(windows))
    flood = (windows == FLOOD) & (rng.random(len(ts)) < 0.8)
    model = np.where(flood | (rng.random(len(ts)) < 0.4), "small", "large")
    hate = np.where(windows == HATE, 0.4, 0.01) * rng.random(len(ts))
    tick = (ts // 5000 + 1) * 5000
    late = rng.random(len(ts)) < 0.01
    tick[late] += 600_000
    size = len(ts)
    return pa.table(
        {
            "event_id": [f"e{n}" for n in range(size)],
            "ts": pa.array(ts, _TIME),
            "account_id": [f"a{n % 20}" for n in range(size)],
            "model": model.tolist(),
            "status": pa.array(np.full(size, 200, np.uint16)),
            "prompt_tokens": pa.array(rng.integers(100, 200, size).astype(np.uint32)),
            "moderation": pa.array(
                [[("hate", score)] for score in hate.tolist()],
                pa.map_(pa.string(), pa.float32()),
            ),
            "tick": pa.array(tick, _TIME),
            "arrived_at": pa.array(np.full(size, int(time.time() * 1000)), _TIME),
        }
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    directory: Path = tmp_path_factory.mktemp("platform")
    opened = ChdbStore(directory)
    migrate(opened)
    opened.insert("events", events())
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def found(store: ChdbStore) -> dict[int, list[Finding]]:
    """Findings around what happens on the last day, of one watch."""
    watch = PlatformWatch(store, PARAMETERS, "v1")
    ends = (at + n * STEP_MS for at in (HATE, FLOOD, OUTAGE) for n in range(-8, 9))
    return {end: watch.at(end) for end in ends}


def metrics(findings: list[Finding]) -> set[str]:
    return {finding.metric for finding in findings}


def test_a_flood_is_found_and_named(found: dict[int, list[Finding]]) -> None:
    at = found[FLOOD + STEP_MS]
    assert {"requests", "tokens", "requests by model: small"} <= metrics(at)
    (requests,) = [finding for finding in at if finding.metric == "requests"]
    assert requests.sentence.startswith("The whole platform sent 4")
    assert "requests in 5 minutes; between " in requests.sentence
    assert "is usual at this time of day" in requests.sentence
    assert requests.expected < requests.threshold < requests.observed
    assert (requests.account_id, requests.kind, requests.window_s) == ("", "platform", 300)
    assert (requests.window_start, requests.window_end) == (FLOOD, FLOOD + STEP_MS)


def test_an_outage_is_found_at_its_first_window(found: dict[int, list[Finding]]) -> None:
    at = found[OUTAGE + STEP_MS]
    assert "requests" in metrics(at)
    (requests,) = [finding for finding in at if finding.metric == "requests"]
    assert requests.observed == 0
    assert 0 < requests.threshold < requests.expected


def test_a_category_that_rises_everywhere_is_found(found: dict[int, list[Finding]]) -> None:
    (hate,) = found[HATE + STEP_MS]
    assert hate.observed > 10 * hate.expected
    assert hate.metric == "mean moderation score: hate"
    assert hate.sentence.startswith("The mean hate score of the whole platform was ")


def test_before_and_after_it_is_quiet(found: dict[int, list[Finding]]) -> None:
    expected = {FLOOD + STEP_MS, HATE + STEP_MS, *(OUTAGE + n * STEP_MS for n in (1, 2, 3))}
    other = {end: metrics(items) for end, items in found.items() if items and end not in expected}
    assert not other


def test_the_sql_of_every_finding_returns_what_was_observed(
    store: ChdbStore, found: dict[int, list[Finding]]
) -> None:
    findings = [finding for items in found.values() for finding in items]
    assert findings
    for finding in findings:
        (row,) = store.query(finding.sql).to_pylist()
        assert row["observed"] == pytest.approx(finding.observed, rel=1e-12)
        assert 0 < finding.p_value <= PARAMETERS.p_value


def test_a_new_watch_finds_the_same(store: ChdbStore, found: dict[int, list[Finding]]) -> None:
    watch = PlatformWatch(store, PARAMETERS, "v1")
    assert watch.at(OUTAGE + STEP_MS) == found[OUTAGE + STEP_MS]
    assert watch.at(FLOOD + STEP_MS) == found[FLOOD + STEP_MS], "and so does one asked again"


def test_what_counts_late_changes_no_window(store: ChdbStore) -> None:
    totals = read_totals(store, START, START + DAY, MODELS)
    every = store.query(
        "SELECT count() AS n, countIf(tick <= toStartOfInterval(ts, INTERVAL 5 MINUTE) + "
        "INTERVAL 5 MINUTE) AS counted FROM events WHERE ts < toDateTime64('2025-10-11', 3, 'UTC')"
    ).to_pylist()[0]
    requests = totals.numbers[Metric("requests")]
    assert requests.sum() == every["counted"] < every["n"]
    models = [totals.numbers[Metric("requests by model", model)] for model in MODELS]
    np.testing.assert_array_equal(models[0] + models[1], requests)
    assert busiest_models(store, START, START + DAY, 1) == ["large"]


def test_windows_can_be_read_in_any_pieces(store: ChdbStore) -> None:
    whole = read_totals(store, START, START + DAY, MODELS).numbers
    cuts = [START, START + STEP_MS, START + 100 * STEP_MS, START + DAY]
    parts = [read_totals(store, a, b, MODELS).numbers for a, b in itertools.pairwise(cuts)]
    for metric, numbers in whole.items():
        np.testing.assert_allclose(np.concatenate([part[metric] for part in parts]), numbers)


def test_nothing_is_said_before_it_knows_the_fleet(store: ChdbStore) -> None:
    watch = PlatformWatch(store, Parameters(), "v1")
    assert watch.at(FLOOD + STEP_MS) == []
    assert watch.at(START) == [], "no row at all"


def test_a_boundary_between_windows_is_refused(store: ChdbStore) -> None:
    with pytest.raises(ValueError, match="multiple of 300000 ms, got 17600544000"):
        PlatformWatch(store, PARAMETERS, "v1").at(START + 1)


@pytest.mark.parametrize("wrong", [{"p_value": 0.0}, {"history_days": 1}, {"far": float("nan")}])
def test_wrong_parameters_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"platform {next(iter(wrong))}: expected"):
        Parameters(**wrong)  # type: ignore[arg-type]


def test_a_model_may_have_any_name() -> None:
    sql = Metric("requests by model", "{start}'\\").sql(0, STEP_MS)
    assert sql.endswith(r" AND model = '{start}\'\\'")


def test_rarity_is_a_rate_of_the_past() -> None:
    rng = np.random.default_rng(0)
    scores = 1.0 - np.exp(-rng.exponential(0.2, 4000))
    later = 1.0 - np.exp(-rng.exponential(0.2, 100_000))
    nominal = np.array([0.1, 0.01, 0.001, 0.0001])
    levels = np.quantile(later, 1.0 - nominal)
    rates = np.array([rarity(scores, float(level)) for level in levels])
    assert (np.abs(np.log2(rates / nominal)) < np.log2(3.0)).all(), rates
    assert (np.diff(rates) < 0).all()


def test_an_incident_of_last_week_does_not_hide_the_next() -> None:
    rng = np.random.default_rng(0)
    scores = 1.0 - np.exp(-rng.exponential(0.1, 4000))
    quiet = rarity(scores, 0.9)
    scores[1000:1040] = 0.97
    assert quiet <= rarity(scores, 0.9) < 1e-5
    assert rarity(np.empty(0), 0.9) == 1.0
    assert rarity(np.zeros(1000), 0.0) == 1.0


def test_usual_is_about_this_time_of_earlier_days() -> None:
    day = np.where(np.arange(288) == 100, 50.0, 5.0)
    numbers = np.concatenate([np.tile(day, 3), day[:101]])
    numbers[-1] = 1e9
    low, middle, high = usual(numbers)
    assert (low, middle) == (5.0, 5.0)
    assert high == 50.0
    assert usual(np.array([1.0, 2.0, 3.0, 99.0]))[1] == 2.0
