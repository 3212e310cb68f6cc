"""The record of a clock hour: when it is emptied, what it can hold, and what it cannot tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detectors.base import all_detectors
from streams.features import hourly
from streams.features.groups import grouped
from streams.features.hourly_record import COUNTS, HOURLY, PASSING
from streams.features.layout import COUNTS as RING_COUNTS
from streams.features.layout import HOUR
from streams.features.rows import UNKNOWN, Rows
from tests.support.folding import Driver, encoded, policy

START = 1_700_000_000_000 // HOUR * HOUR
DAY = 24 * HOUR
TICK = 5000
#: The contract of the stride detectors: width of each input, but for `cohort_profile`.
INPUTS = {
    **dict.fromkeys(("requests", "errors", "throttled", "outputs", "short_outputs"), ()),
    **dict.fromkeys(("prompt_tokens", "completion_tokens", "templated", "novel"), ()),
    **dict.fromkeys(("quota_max", "quota_first", "keys", "addresses", "end_users"), ()),
    **dict.fromkeys(("active_ticks", "throttled_ticks", "retried_ticks"), ()),
    **dict.fromkeys(("moderation_sum", "flagged", "flagged_short"), (8,)),
    **dict.fromkeys(("endpoints", "countries", "prompt_sizes", "output_sizes"), (8,)),
    "template_counts": (32,),
    "new_short_counts": (32,),
}


def event(number: int, ts: int, **changed: Any) -> dict[str, Any]:
    return {"event_id": f"e{number}", "ts": ts, "account_id": "a"} | changed


def inputs(driver: Driver, now_ms: int | None = None) -> dict[str, Any]:
    fold = driver.fold
    records = hourly.take(fold.accounts.state["hourly"], np.array([fold.accounts.index["a"]]))
    now_ms = fold.closed if now_ms is None else now_ms
    return {name: values[0] for name, values in hourly.inputs(records, now_ms).items()}


def added(table: Any, rows: Rows) -> None:
    names = [f"acct-{n}" for n in range(len(table))]
    for tick, groups in grouped(rows, TICK).ticks():
        accounts, place = groups.accounts()
        hourly.add(table, accounts, groups, place, tick, TICK, names)


def plain(count: int, tick: int, **columns: Any) -> Rows:
    """Rows of account 0 in one tick that name nothing."""
    none = np.zeros(count, np.uint64)
    values: dict[str, Any] = {
        "account": np.zeros(count, np.int64),
        "ts": np.full(count, tick - 1),
        "tick": np.full(count, tick),
        "status": np.full(count, 200, np.uint16),
        "prompt": np.ones(count, np.int64),
        "completion": np.ones(count, np.int64),
        **dict.fromkeys(("address", "user", "template"), none),
        **dict.fromkeys(("quota", "moderation")),
    }
    return Rows(**(values | columns))


def test_every_input_of_the_contract_is_there_in_its_shape() -> None:
    found = hourly.inputs(np.zeros(3, HOURLY), START)
    assert {name: values.shape for name, values in found.items()} == {
        name: (3, *shape) for name, shape in INPUTS.items()
    }
    assert all(values.dtype == np.float64 and not values.any() for values in found.values())


def test_no_stride_detector_reads_an_input_that_does_not_exist() -> None:
    known = {*INPUTS, "cohort_profile", "alarmed"}
    for detector in all_detectors():
        if detector.CADENCE == "stride":
            assert set(detector.INPUTS) <= known, detector.NAME


def test_an_hour_is_whole_at_its_end_and_gone_after_it() -> None:
    driver = Driver(policy())
    driver.feed(encoded([event(n, START + HOUR - 1000 * n - 1) for n in range(5, -1, -1)]))
    driver.finish(START + HOUR + 2000)
    assert driver.fold.closed == START + HOUR
    assert inputs(driver)["requests"] == 6
    assert inputs(driver, START + HOUR - TICK)["requests"] == 6
    assert inputs(driver, START + HOUR + 1)["requests"] == 0
    assert inputs(driver, START)["requests"] == 0
    driver.feed(encoded([event(9, START + HOUR + 3000)]))
    driver.finish(START + HOUR + 7000)
    assert inputs(driver)["requests"] == 1


def test_what_outlives_the_hour_outlives_it() -> None:
    driver = Driver(policy())
    midnight = (START // DAY + 1) * DAY
    driver.feed(
        encoded(
            [
                event(0, midnight - 1, template="ab", use_case="tutoring", status=429),
                event(1, midnight, template="ab"),
                event(2, midnight, template="cd"),
            ]
        )
    )
    driver.finish(midnight + 7000)
    found = inputs(driver)
    assert (found["templated"], found["novel"], found["retried_ticks"]) == (2, 1, 1)
    row = driver.fold.accounts.state["hourly"][driver.fold.accounts.index["a"]]
    assert row["cohort"] > 0
    assert 1 <= row["place"] <= 512


def test_a_late_row_counts_in_the_hour_that_runs() -> None:
    driver = Driver(policy())
    driver.feed(encoded([event(0, START - 1), event(1, START + 60_000), event(2, START - 2)]))
    driver.finish(START + 70_000)
    assert driver.late == [0, 0, 1]
    assert inputs(driver)["requests"] == 2


def test_a_template_new_today_is_novel_for_all_of_its_requests() -> None:
    driver = Driver(policy())
    driver.feed(encoded([event(n, START + n, template="ab" if n % 2 else "cd") for n in range(40)]))
    driver.feed(encoded([event(99, START + TICK, template="ab")]))
    driver.finish(START + 3 * TICK)
    found = inputs(driver)
    assert (found["templated"], found["novel"]) == (41, 41)
    assert sorted(found["template_counts"])[-3:] == [0, 20, 21]


def test_short_outputs_of_new_templates_are_counted_by_template_until_the_day_is_over() -> None:
    driver = Driver(policy())
    midnight = (START // DAY + 1) * DAY
    lengths = {"ab": 5, "cd": 32, "ef": 33, "gh": 0}
    for hour, start in enumerate((midnight - HOUR, midnight - HOUR + 100, midnight)):
        told = [
            event(100 * hour + n, start + n, template=name, completion_tokens=lengths[name])
            for n, name in enumerate(["ab"] * 7 + ["cd"] * 4 + ["ef"] * 9 + ["gh"])
        ]
        driver.feed(encoded(told))
    driver.finish(midnight)
    found = inputs(driver)["new_short_counts"]
    assert sorted(found)[-3:] == [0, 8, 14]
    driver.finish(midnight + 7000)
    assert inputs(driver)["short_outputs"] == 11
    assert not inputs(driver)["new_short_counts"].any()


def test_an_idle_account_is_forgotten_whole() -> None:
    driver = Driver(policy())
    driver.feed(encoded([event(0, START, template="ab", use_case="tutoring")]))
    for day in range(1, 16):
        driver.feed(encoded([event(day, START + day * 24 * HOUR, account_id="busy")]))
    driver.feed(encoded([event(99, START + 15 * 24 * HOUR + 1, template="ab")]))
    driver.finish(START + 15 * 24 * HOUR + 7000)
    assert inputs(driver)["novel"] == 1
    assert driver.fold.accounts.state["hourly"]["cohort"][driver.fold.accounts.index["a"]] == 0


def test_the_first_quota_is_the_smallest_of_the_first_tick_that_carries_one() -> None:
    table = np.zeros(1, HOURLY)
    for number, told in enumerate(([0.0, 0.0], [0.6, 0.5], [0.2, 0.9])):
        quota = np.array(told, np.float32)
        added(table, plain(2, START + (number + 1) * TICK, quota=quota))
    found = hourly.inputs(table, START + 3 * TICK)
    assert found["quota_first"][0] == 0.5
    assert found["quota_max"][0] == pytest.approx(0.9)


def test_a_score_of_one_half_is_flagged_and_one_below_is_not() -> None:
    driver = Driver(policy())
    scores = [{"hate": 0.5}, {"hate": 0.49}, {"hate": 0.5}]
    tokens = [32, 32, 33]
    driver.feed(
        encoded(
            [
                event(n, START + n, moderation=scores[n], completion_tokens=tokens[n])
                for n in range(3)
            ]
        )
    )
    driver.finish(START + 2 * TICK)
    found = inputs(driver)
    assert found["flagged"].tolist() == [2, 0, 0, 0, 0, 0, 0, 0]
    assert found["flagged_short"].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    assert found["moderation_sum"][0] == pytest.approx(1.49, abs=0.005)


def test_nothing_of_the_hour_before_is_left() -> None:
    table = np.ones(1, HOURLY)
    table["bins"], table["hour"] = 1, hourly.hour_of(START)
    added(table, plain(1, START + TICK))
    found = hourly.inputs(table, START + TICK)
    assert found["output_sizes"].tolist() == [[0, 1, 0, 0, 0, 0, 0, 0]]
    assert found["template_counts"].sum() == found["moderation_sum"].sum() == 0
    assert (found["requests"][0], found["prompt_tokens"][0], found["active_ticks"][0]) == (1, 1, 1)


def test_columns_that_no_event_fills_count_nowhere() -> None:
    table = np.zeros(1, HOURLY)
    added(table, plain(3, START + TICK))
    found = hourly.inputs(table, START + TICK)
    quiet = ("keys", "addresses", "end_users", "templated", "quota_max", "quota_first")
    assert not any(found[name].any() for name in (*quiet, "endpoints", "countries", "flagged"))
    assert found["requests"][0] == found["prompt_sizes"].sum() == found["output_sizes"][0, 1] == 3


def test_a_column_missing_from_some_batches_is_unknown_there() -> None:
    whole = plain(2, START + TICK, endpoint=np.array([3, UNKNOWN], np.uint8))
    rows = Rows.concat([plain(4, START + TICK), whole])
    assert rows.endpoint is not None
    assert rows.endpoint.tolist() == [UNKNOWN] * 4 + [3, UNKNOWN]
    table = np.zeros(1, HOURLY)
    added(table, rows)
    assert hourly.inputs(table, START + TICK)["endpoints"].tolist() == [[0, 0, 0, 1, 0, 0, 0, 0]]


def test_a_busy_hour_keeps_its_proportions() -> None:
    """Two million requests: 16-bit bins are thinned, everything else stays exact."""
    random = np.random.default_rng(1)
    table = np.zeros(1, HOURLY)
    size, share = 5000, {"template": [0.9, 0.08, 0.02], "endpoint": [0.7, 0.299, 0.001]}
    total = np.zeros((2, 3))
    for number in range(400):
        template = random.choice(3, size, p=share["template"])
        endpoint = random.choice(3, size, p=share["endpoint"])
        total += [np.bincount(template, minlength=3), np.bincount(endpoint, minlength=3)]
        columns = {
            "template": (template + 1).astype(np.uint64),
            "endpoint": endpoint.astype(np.uint8),
            "moderation": np.full((size, 8), 255, np.uint8),
        }
        added(table, plain(size, START + (number + 1) * TICK, **columns))
    found = hourly.inputs(table, START + 400 * TICK)
    assert found["requests"][0] == found["templated"][0] == found["flagged"][0, 0] == 2_000_000
    assert found["moderation_sum"][0, 7] == pytest.approx(2_000_000)
    templates = np.sort(found["template_counts"][0])[:-4:-1]
    assert templates == pytest.approx(total[0], abs=1500)
    assert found["endpoints"][0, :3] == pytest.approx(total[1], abs=1500)
    assert found["prompt_sizes"][0, 1] == pytest.approx(2_000_000, abs=1500)


@pytest.mark.parametrize("requests", [1, 32_767])
def test_bins_are_exact_in_an_hour_that_is_not_busy(requests: int) -> None:
    table = np.zeros(1, HOURLY)
    added(table, plain(requests, START + TICK, endpoint=np.full(requests, 5, np.uint8)))
    assert hourly.inputs(table, START + TICK)["endpoints"][0, 5] == requests


@pytest.mark.parametrize("requests", [32_768, 65_535, 65_536, 1_000_000])
def test_one_tick_can_bring_more_than_a_bin_holds(requests: int) -> None:
    table = np.zeros(1, HOURLY)
    added(table, plain(requests, START + TICK, endpoint=np.full(requests, 5, np.uint8)))
    found = hourly.inputs(table, START + TICK)["endpoints"][0]
    assert found[5] == pytest.approx(requests, rel=1e-3)
    assert found.sum() == found[5]


def test_the_first_counts_are_those_of_the_rolling_windows() -> None:
    assert COUNTS[: len(RING_COUNTS)] == RING_COUNTS
    assert PASSING == 370
    assert HOURLY.itemsize == 576
