"""Snapshots of the fold: the way back is exact; halves and strangers are not read."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from streams.errors import StoreUnavailable
from streams.features import snapshot as snapshots
from streams.features.fold import Findings, Fold
from streams.features.snapshot import Snapshot
from streams.ingest.partition import Partition
from streams.ingest.recovery import recover
from streams.storage.chdb_store import ChdbStore
from tests.support.bursts import END, HOUR, START, burst_stream, heartbeat, quiet
from tests.support.folding import Driver, encoded, policy, told
from tests.support.partitions import context, feed
from tests.support.states import fold_state
from tests.support.stores import emptied, fresh_store

NAMES = [f"acct-{n}" for n in range(12)]
DAY = 24 * HOUR


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    with fresh_store(tmp_path_factory.mktemp("snapshots")) as store:
        yield store


@pytest.fixture
def store(opened: ChdbStore) -> ChdbStore:
    return emptied(opened)


class Failing(ChdbStore):
    """Stands before a real store and refuses to write one table."""

    def __init__(self, store: ChdbStore, table: str) -> None:
        self.store, self.table = store, table

    def insert(self, table: str, rows: pa.Table, token: str | None = None) -> None:
        if table == self.table:
            raise StoreUnavailable("disk full")
        self.store.insert(table, rows, token)


def driven(lines: list[bytes]) -> Driver:
    driver = Driver(policy())
    driver.feed(lines)
    return driver


def saved(
    store: ChdbStore, driver: Driver, before: Snapshot | None = None, now_ms: int = 1000
) -> Snapshot:
    return snapshots.save(store, 0, driver.fold, before, 0, now_ms)


def loaded(store: ChdbStore) -> Fold:
    fold = Fold(policy())
    known = snapshots.latest(store, 0, fold.layout.identity)
    assert known is not None
    snapshots.load(store, 0, fold, *known)
    return fold


def rows(store: ChdbStore, what: str) -> list[object]:
    result = store.query(f"SELECT {what} AS x FROM account_state ORDER BY x").to_pylist()
    return [row["x"] for row in result]


def test_the_way_back_is_exact_and_the_fold_goes_on_as_if_nothing_had_been(
    store: ChdbStore,
) -> None:
    lines = burst_stream(NAMES)
    half = len(lines) * 3 // 4
    driver = driven(lines[:half])
    driver.finish(driver.watermark.value + 20_000)  # every tick is closed: nothing waits
    assert driver.fold.incidents.by_account
    assert not driver.fold.waiting
    saved(store, driver)
    other = Driver(policy())
    other.fold = loaded(store)
    other.watermark.value = driver.watermark.value
    assert fold_state(other.fold) == fold_state(driver.fold)
    driver.found = Findings()
    for each in (driver, other):
        each.feed(lines[half:])
        each.finish(END)
    assert driver.found
    assert told(driver.found) == told(other.found)
    assert fold_state(other.fold) == fold_state(driver.fold)


def test_readable_columns_say_what_the_bytes_say(store: ChdbStore) -> None:
    driver = driven(encoded(quiet(NAMES, hours=1.0)))
    driver.finish(START + HOUR + 2000)
    saved(store, driver)
    row = store.query(
        "SELECT sum(requests_1h) AS hour, sum(requests_24h) AS day, count() AS accounts "
        "FROM account_state"
    ).to_pylist()
    assert row == [{"hour": 30 * 12, "day": 30 * 12, "accounts": 12}]


def test_later_snapshots_hold_only_what_changed(store: ChdbStore) -> None:
    driver = driven(encoded(quiet(NAMES, hours=1.0)))
    driver.finish(START + HOUR + 400_000)
    last = saved(store, driver)
    assert (last.step, len(rows(store, "account_id"))) == (0, 12)
    generation = last.generation
    for step in range(1, 9):
        ts = START + HOUR + step * 600_000
        driver.feed(encoded([{"event_id": f"x{step}", "ts": ts, "account_id": "acct-3"}]))
        driver.finish(ts + 10_000)
        last = saved(store, driver, last, 1000 + step)
        assert (last.generation, last.step) == (generation, step)
        assert len(rows(store, "account_id")) == 12 + step
        assert fold_state(loaded(store)) == fold_state(driver.fold)
    driver.finish(last.tick + 20_000)
    last = saved(store, driver, last, 2000)
    assert (last.step, last.generation > generation) == (0, True)
    assert set(rows(store, "generation")) == {last.generation}
    assert len(rows(store, "account_id")) == 12
    assert fold_state(loaded(store)) == fold_state(driver.fold)


def test_when_most_changed_everything_is_written_anew(store: ChdbStore) -> None:
    driver = driven(encoded(quiet(NAMES, hours=1.0)))
    driver.finish(START + HOUR)
    first = saved(store, driver)
    driver.feed(
        encoded([{"event_id": f"y{n}", "ts": START + HOUR, "account_id": n} for n in NAMES])
    )
    driver.finish(START + HOUR + 60_000)
    second = saved(store, driver, first)
    assert second.step == 0
    assert set(rows(store, "generation")) == {second.generation} != {first.generation}


@pytest.mark.parametrize("full", [False, True])
def test_a_snapshot_half_written_is_not_read_and_not_kept(store: ChdbStore, full: bool) -> None:
    driver = driven(encoded(quiet(NAMES, hours=1.0)))
    driver.finish(START + HOUR + 400_000)
    first = saved(store, driver)
    before = fold_state(driver.fold)
    names = NAMES if full else NAMES[:2]
    driver.feed(
        encoded(
            [{"event_id": f"y{n}", "ts": START + HOUR + 400_000, "account_id": n} for n in names]
        )
    )
    driver.finish(START + HOUR + 460_000)
    with pytest.raises(StoreUnavailable):
        saved(Failing(store, "fold_snapshots"), driver, first)
    assert len(rows(store, "account_id")) == 12 + len(names)
    assert fold_state(loaded(store)) == before
    driver.finish(START + HOUR + 520_000)
    driver.fold.accounts.dirty[:] = True
    again = saved(store, driver, first, 3000)
    assert again.step == 0
    assert set(rows(store, "generation")) == {again.generation}
    assert fold_state(loaded(store)) == fold_state(driver.fold)


def test_state_of_another_layout_or_partition_is_not_read(store: ChdbStore) -> None:
    driver = driven(encoded(quiet(NAMES, hours=1.0)))
    driver.finish(START + HOUR)
    saved(store, driver)
    assert snapshots.latest(store, 0, "another layout") is None
    assert snapshots.latest(store, 1, driver.fold.layout.identity) is None


def test_an_evicted_account_stays_gone_after_any_number_of_restarts(store: ChdbStore) -> None:
    busy = [
        {"event_id": f"d{n}", "ts": START + n * DAY, "account_id": "acct-1"} for n in range(2, 16)
    ]
    driver = driven(encoded(quiet(NAMES, hours=1.0)))
    driver.finish(START + HOUR)
    last = saved(store, driver)
    driver.feed(encoded(busy))
    driver.finish(START + 15 * DAY + HOUR)
    assert set(driver.fold.accounts.index) == {"acct-1"}
    for restart in range(3):
        driver.finish(START + 15 * DAY + HOUR + (restart + 1) * 10_000)
        last = snapshots.save(store, 0, driver.fold, last, 0, 5000 + restart)
        wanted = fold_state(driver.fold)
        driver.fold = loaded(store)
        assert fold_state(driver.fold) == wanted


@pytest.mark.parametrize("step", [1, 3])
def test_rows_alone_and_snapshot_and_rows_rebuild_the_same(store: ChdbStore, step: int) -> None:
    lines = burst_stream(NAMES)
    part = Partition(context(store), 0)
    for number, first in enumerate(range(0, len(lines), 150)):
        feed(part, lines[first : first + 150], first)
        if number % step == 0:
            part.maybe_snapshot(at_once=True)
    assert part.fold.incidents.by_account

    def rebuilt() -> tuple[dict[str, bytes], int, int | None, int]:
        state = recover(store, policy(), "stream-1", 0, 600_000, 10**6)
        waiting = sum(len(block) for block in state.fold.waiting)
        return fold_state(state.fold), waiting, state.marker, state.watermark

    with_snapshot = rebuilt()
    waiting = sum(len(block) for block in part.fold.waiting)
    assert with_snapshot == (fold_state(part.fold), waiting, len(lines), part.watermark.value)
    store.command("TRUNCATE TABLE fold_snapshots")
    from_rows = rebuilt()
    assert from_rows[1:] == with_snapshot[1:]
    assert from_rows[0] == with_snapshot[0]


def test_a_partition_without_anything_starts_empty(store: ChdbStore) -> None:
    part = Partition(context(store), 7)
    assert (part.marker, part.fresh, len(part.fold.accounts)) == (0, True, 0)
    assert part.maybe_snapshot(at_once=True)
    assert part.snapshot is None
    feed(part, [heartbeat(END)], 0)
    part.maybe_snapshot(at_once=True)
    assert part.snapshot is not None
