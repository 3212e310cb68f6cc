"""The demonstration keeps its word: every kind of attack that it plants is found and explained."""

from __future__ import annotations

from datetime import date
from importlib.resources import files

import numpy as np
import pytest

from streams.alerting.findings import Finding
from streams.features.fold import Policy
from streams.policy.load import parse
from streams.scoreboard import Scoreboard
from streams.traffic.partition import Partitioner
from streams.traffic.simulate import Simulation
from streams.traffic.simulate.demo import DEMO_KINDS, demo_spec
from tests.support.folding import Driver

START = 1_790_000_000_000
PARTITIONS = 4
#: Which detectors are there to see each kind; one of them must.
SEEN_BY = {
    "burst": {"burst"},
    "dormant": {"cold_start", "burst"},
    "new_account": {"cold_start"},
    "ramp": {"burst", "ramp"},
    "template_spam": {"burst", "content", "low_and_slow"},
    "low_and_slow": {"low_and_slow"},
    "medical_spam": {"content"},
    "use_case_drift": {"use_case"},
    "retry_abuse": {"quota"},
    "key_hopping": {"quota"},
}


@pytest.mark.slow
def test_every_kind_of_planted_attack_is_found_and_explained_within_minutes() -> None:
    text = files("streams.policy").joinpath("demo.toml").read_text(encoding="utf-8")
    detection = parse(text, "demo.toml", today=date(2026, 1, 1))
    policy = Policy(
        tick_ms=5000, idle_ms=14 * 86_400_000, detection=detection, partitions=PARTITIONS
    )
    simulation = Simulation(demo_spec(START, 7, live_hours=0.07))
    drivers = [Driver(policy) for _ in range(PARTITIONS)]
    partitioner = Partitioner(PARTITIONS)
    for batch in simulation:
        partition = partitioner.assign(batch.accounts)[batch.account]
        for number, driver in enumerate(drivers):
            rows = np.flatnonzero(partition == number).tolist()
            if rows:
                driver.feed([batch.lines[row] for row in rows])
    for driver in drivers:
        driver.finish(simulation.spec.end_ms + 10_000)

    findings = [item for driver in drivers for item in driver.found.findings if item.severity]
    scoreboard = Scoreboard()
    scoreboard.plant(simulation.truth, START)
    scoreboard.see([_row(item) for item in sorted(findings, key=lambda item: item.window_end)])
    assert {attack.truth.kind for attack in scoreboard.planted} == DEMO_KINDS
    # A group is found by the keeper, across partitions: tests/contract has that part.
    scoreboard.planted = [one for one in scoreboard.planted if one.truth.kind != "coordinated"]
    told = scoreboard.summary(simulation.spec.end_ms)
    for attack in scoreboard.planted:
        assert attack.found is not None, told
        assert attack.found.sentence.startswith(attack.truth.account_id)
        assert attack.found.sentence in told
        speakers = {
            name
            for item in findings
            if item.account_id == attack.truth.account_id
            and item.window_end >= attack.truth.started_at
            for name, p_value in item.parts.items()
            if p_value < 0.02
        }
        assert speakers & SEEN_BY[attack.truth.kind], (attack.truth.kind, speakers)
    assert scoreboard.headline(simulation.spec.end_ms).startswith(
        f"{len(scoreboard.planted)} attacks planted, {len(scoreboard.planted)} found"
    )

    attackers = {row.account_id for row in simulation.truth}
    alerts = [alert.finding for driver in drivers for alert in driver.found.alerts]
    assert sum(finding.account_id not in attackers for finding in alerts) <= 3


def _row(item: Finding) -> dict[str, object]:
    return {
        "account_id": item.account_id,
        "detector": item.detector,
        "kind": item.kind,
        "at": item.window_end,
        "sentence": item.sentence,
    }
