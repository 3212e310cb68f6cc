"""The clock-hour accumulators against a naive recount of events, however fetches were cut."""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.events.schema import MODERATION_CATEGORIES
from streams.features import hourly, seen
from streams.features.groups import grouped
from streams.features.hourly_record import HOURLY, SIZE_EDGES
from streams.features.layout import HOUR
from streams.features.rows import Rows
from tests.support.folding import Driver, encoded, policy

START = 1_700_000_000_000 // HOUR * HOUR + 3_500_000  # the first hour soon ends
TICK = 5000
IDLE = 3 * HOUR
NAMES = ("acct-a", "acct-b", "acct-ü")
# Words that do not share a bin or a bit, so that what is counted can be told apart.
ENDPOINTS = ("", "chat", "completion", "image")
COUNTRIES = ("", "DE", "KE", "US")
KEYS = ("", "key-1", "key-2", "key-3")
USE_CASES = ("", "support", "tutoring")
TEMPLATES = ("", "a1", "b22", "c333", "d4444")
SIZES = st.sampled_from((0, 1, 31, 32, 128, 600, 2048, 9000, 40_000, 10_000_000))

events: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "gap": st.integers(0, 9000) | st.integers(0, 1_500_000) | st.just(5 * HOUR),
        "back": st.just(0) | st.integers(0, 30_000) | st.integers(0, 5_000_000),
        "account_id": st.sampled_from(NAMES),
        "status": st.sampled_from((200, 200, 400, 429, 429, 500)),
        "prompt_tokens": SIZES,
        "completion_tokens": SIZES,
        "key_id": st.sampled_from(KEYS),
        "ip_hash": st.sampled_from(("", "1", "2", "3")),
        "end_user": st.sampled_from(("", "u1", "u2")),
        "endpoint": st.sampled_from(ENDPOINTS),
        "country": st.sampled_from(COUNTRIES),
        "use_case": st.sampled_from(USE_CASES),
        "template": st.sampled_from(TEMPLATES),
        "quota_used": st.sampled_from((0.0, 0.0, 0.25, 0.5, 1.5)),
        "moderation": st.dictionaries(
            st.sampled_from(("hate", "medical_spam", "other")),
            st.integers(0, 255).map(lambda units: units / 255),
            max_size=2,
        ),
    }
)


def as_events(drawn: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Drawn steps as events: time moves on by `gap`, an event happened `back` earlier."""
    now, result = START, []
    for number, step in enumerate(drawn):
        now += step["gap"]
        event = {name: value for name, value in step.items() if name not in ("gap", "back")}
        result.append({"event_id": f"e{number}", "ts": max(START, now - step["back"]), **event})
    return result


@dataclass
class Naive:
    """One account, tick by tick, as a person would count it."""

    stamp: int = 0
    seen: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)  # today, the first time
    throttled: int = 0
    use_case: str = ""
    hour: int = 0
    sums: dict[str, Any] = field(default_factory=dict)

    def take(self, tick: int, rows: list[dict[str, Any]]) -> None:
        if self.stamp and self.stamp < (tick - 1) // HOUR * HOUR - IDLE:
            self.__init__()  # type: ignore[misc]
        hour = (tick - 1) // HOUR
        if hour // 24 != self.hour // 24:
            self.seen, self.sent = self.seen | self.sent, set()
        if hour != self.hour:
            self.hour, self.sums = hour, {"numbers": Counter(), "sets": defaultdict(set)}
            self.sums |= {"mixes": defaultdict(Counter), "quota": [], "scores": Counter()}
            self.sums["mixes"]["new_short_counts"] = Counter()
        numbers, mixes = self.sums["numbers"], self.sums["mixes"]
        numbers["active_ticks"] += 1
        numbers["throttled_ticks"] += any(row["status"] == 429 for row in rows)
        numbers["retried_ticks"] += self.throttled == tick - TICK
        if any(row["status"] == 429 for row in rows):
            self.throttled = tick
        for row in rows:
            short = 0 < row["completion_tokens"] <= 32
            numbers["requests"] += 1
            numbers["errors"] += row["status"] in (400, 500)
            numbers["throttled"] += row["status"] == 429
            numbers["outputs"] += row["completion_tokens"] > 0
            numbers["short_outputs"] += short
            numbers["prompt_tokens"] += row["prompt_tokens"]
            numbers["completion_tokens"] += row["completion_tokens"]
            numbers["templated"] += row["template"] != ""
            numbers["novel"] += row["template"] not in self.seen | {""}
            for name, column in (
                ("keys", "key_id"),
                ("addresses", "ip_hash"),
                ("end_users", "end_user"),
            ):
                self.sums["sets"][name] |= {row[column]} - {""}
            mixes["new_short_counts"][row["template"]] += short and row[
                "template"
            ] not in self.seen | {""}
            for name, column in (
                ("template_counts", "template"),
                ("endpoints", "endpoint"),
                ("countries", "country"),
            ):
                mixes[name][row[column]] += row[column] != ""
            for name, column in (
                ("prompt_sizes", "prompt_tokens"),
                ("output_sizes", "completion_tokens"),
            ):
                mixes[name][sum(row[column] >= edge for edge in SIZE_EDGES)] += 1
            for category, score in row["moderation"].items():
                self.sums["scores"]["moderation_sum", category] += score
                self.sums["scores"]["flagged", category] += score >= 0.5
                self.sums["scores"]["flagged_short", category] += score >= 0.5 and short
        if told := sorted(row["quota_used"] for row in rows if row["quota_used"]):
            self.sums["quota"].append(told)
        cases = {row["use_case"] for row in rows} - {""}
        self.use_case = max(
            cases, key=lambda word: zlib.crc32(word.encode()), default=self.use_case
        )
        self.sent |= {row["template"] for row in rows}
        self.stamp = tick


def check(driver: Driver, stream: list[dict[str, Any]]) -> None:
    """Every account's inputs now are those of the naive recount."""
    fold = driver.fold
    by_tick: dict[int, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for event, tick in zip(stream, driver.ticks, strict=False):
        if tick <= fold.closed:
            by_tick[tick][event["account_id"]].append(event)
    known: dict[str, Naive] = defaultdict(Naive)
    for tick in sorted(by_tick):
        for name, rows in by_tick[tick].items():
            known[name].take(tick, rows)
    for name, row in fold.accounts.index.items():
        records = hourly.take(fold.accounts.state["hourly"], np.array([row]))
        found = hourly.inputs(records, fold.closed)
        one = known[name]
        if not one.stamp or one.hour != (fold.closed - 1) // HOUR:
            assert not any(values.any() for values in found.values())
            continue
        compare({name: values[0] for name, values in found.items()}, one.sums)
        if one.stamp == fold.accounts.stamp[row]:
            code = zlib.crc32(one.use_case.encode()) if one.use_case else 0
            assert records["cohort"][0] == code


def compare(found: dict[str, Any], sums: dict[str, Any]) -> None:
    for name, number in sums["numbers"].items():
        assert found[name] == number, name
    for name in ("keys", "addresses", "end_users"):
        assert found[name] == len(sums["sets"][name]), name
    for name in ("template_counts", "new_short_counts", "endpoints", "countries"):
        counts = sorted(count for count in sums["mixes"][name].values() if count)
        assert sorted(found[name][found[name] > 0]) == counts, name
    for name in ("prompt_sizes", "output_sizes"):
        assert found[name].tolist() == [sums["mixes"][name][size] for size in range(8)], name
    for name in ("moderation_sum", "flagged", "flagged_short"):
        expected = [sums["scores"][name, category] for category in MODERATION_CATEGORIES]
        assert found[name].tolist() == pytest.approx(expected), name
    told = sums["quota"]
    assert found["quota_first"] == (told[0][0] if told else 0)
    assert found["quota_max"] == max((max(tick) for tick in told), default=0)


@settings(max_examples=20, deadline=None)
@given(st.lists(events, min_size=1, max_size=60), st.lists(st.integers(0, 60), max_size=6))
def test_an_hour_equals_a_naive_recount(drawn: list[dict[str, Any]], cuts: list[int]) -> None:
    stream = as_events(drawn)
    driver = Driver(replace(policy(), idle_ms=IDLE))
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    for start, stop in pairwise(edges):
        driver.feed(encoded(stream[start:stop]))
        check(driver, stream)
    driver.finish(max(event["ts"] for event in stream) + 7000)
    check(driver, stream)
    driver.finish((driver.fold.closed // HOUR + 1) * HOUR + 2000)
    assert driver.fold.closed % HOUR == 0
    check(driver, stream)


@settings(max_examples=12, deadline=None)
@given(st.lists(events, min_size=2, max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_records_do_not_depend_on_where_fetches_were_cut(
    drawn: list[dict[str, Any]], cuts: list[int]
) -> None:
    stream = as_events(drawn)
    whole, cut = Driver(replace(policy(), idle_ms=IDLE)), Driver(replace(policy(), idle_ms=IDLE))
    whole.feed(encoded(stream))
    edges = sorted({0, len(stream), *(min(place, len(stream)) for place in cuts)})
    for start, stop in pairwise(edges):
        cut.feed(encoded(stream[start:stop]))
    states = []
    for driver in (whole, cut):
        driver.finish(max(event["ts"] for event in stream) + 7000)
        accounts = driver.fold.accounts
        rows = np.array([accounts.index[name] for name in sorted(accounts.index)], np.int64)
        states.append(hourly.take(accounts.state["hourly"], rows).tobytes())
    assert states[0] == states[1]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_the_order_of_rows_within_a_tick_does_not_matter(seed: int, late: bool) -> None:
    random = np.random.default_rng(seed)
    count, tick = 400, START // TICK * TICK + TICK
    ticks = np.sort(tick + TICK * random.integers(0, 4, count))
    rows = Rows(
        account=random.integers(0, 5, count),
        ts=ticks - random.integers(1, 60_000 if late else TICK, count),
        tick=ticks,
        status=random.choice([200, 429, 500], count).astype(np.uint16),
        prompt=random.integers(0, 50_000, count),
        completion=random.integers(0, 100, count),
        address=np.uint64(1) << random.integers(0, 64, count).astype(np.uint64),
        user=np.uint64(1) << random.integers(0, 64, count).astype(np.uint64),
        template=random.integers(0, 200, count).astype(np.uint64),
        quota=random.random(count).astype(np.float32),
        moderation=random.integers(0, 256, (count, 8)).astype(np.uint8),
        key=np.uint64(1) << random.integers(0, 64, count).astype(np.uint64),
        endpoint=random.choice([0, 3, 255], count).astype(np.uint8),
        country=random.integers(0, 8, count).astype(np.uint8),
        cohort=random.integers(0, 3, count).astype(np.uint32),
    )
    shuffled = np.lexsort((random.random(count), ticks))
    assert accumulated(rows) == accumulated(rows.take(shuffled))


def accumulated(rows: Rows) -> bytes:
    table = np.zeros(5, HOURLY)
    table["counts"][3, 0] = 70_000  # a busy account: its bins are thinned
    table["hour"] = hourly.hour_of(int(rows.tick[0]))
    for tick, groups in grouped(rows, TICK).ticks():
        accounts, place = groups.accounts()
        hourly.add(table, accounts, groups, place, tick, TICK, ["a", "b", "c", "d", "e"])
    return table.tobytes()


def test_the_reference_can_tell_words_apart() -> None:
    def places(words: Sequence[str], count: int) -> set[int]:
        return {zlib.crc32(word.encode()) % count for word in words}

    assert len(places(ENDPOINTS[1:], 8)) == len(places(COUNTRIES[1:], 8)) == 3
    assert len(places(KEYS[1:], 64)) == len(places(("1", "2", "3"), 64)) == 3
    assert len(places(("u1", "u2"), 64)) == 2
    templates = np.array([int(word, 16) for word in TEMPLATES[1:]], np.uint64)
    assert len(set((seen.spread(templates) >> np.uint64(32)) % np.uint64(32))) == len(templates)
