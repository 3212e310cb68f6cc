"""The ring that `pulse demo` plants: one cluster of its members and nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from streams.traffic.simulate import Simulation
from streams.traffic.simulate.demo import STEADY_S, demo_spec
from tests.support.rings import Action, Meetings, keeper, store_events

START = 1_760_000_400_000
_FIELDS = ("template", "network", "ip_hash", "payment", "user_agent", "end_user")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChdbStore]:
    made = ChdbStore(tmp_path / "data")
    migrate(made)
    yield made
    made.close()


@pytest.mark.parametrize("seed", [3, 7])
def test_the_ring_is_one_incident_with_its_members_only(store: ChdbStore, seed: int) -> None:
    simulation = Simulation(demo_spec(START, seed, history_hours=0.6, live_hours=0.05))
    ring = {row.account_id for row in simulation.truth if row.kind == "coordinated"}
    actions = _actions(simulation, START - 1000 * STEADY_S + 60_000)
    meetings = Meetings(store, store_events(store, actions))
    meetings.close(meetings.last)
    keeper(store).follow()

    (incident,) = store.query("SELECT incident_id, account_id FROM incidents").to_pylist()
    assert incident["account_id"] == ""
    told = store.query("SELECT account_id, incident_id, sentence FROM alerts").to_pylist()
    assert {row["account_id"] for row in told} == ring
    assert {row["incident_id"] for row in told} == {incident["incident_id"]}
    (cluster,) = store.query(
        "SELECT sentence, toInt64(toUnixTimestamp64Milli(found_at)) AS ms, chance_log10, members "
        "FROM clusters WHERE incident_id != ''"
    ).to_pylist()
    assert cluster["sentence"].startswith("20 accounts pushed the same template within 1 second")
    assert "all share one network" in cluster["sentence"]
    assert cluster["members"] == len(ring) == 20
    assert cluster["chance_log10"] < -10
    assert cluster["ms"] < START - 900_000, "ten minutes after it began at the latest"


def _actions(simulation: Simulation, since: int) -> list[Action]:
    found: list[Action] = []
    for batch in simulation:
        for line in batch.lines:
            event = msgspec.json.decode(line)
            if event["ts"] >= since:
                what = {name: event[name] for name in _FIELDS if event.get(name)}
                found.append((event["account_id"], event["ts"], what))
    return found
