"""Simulated attacks: each does what its name says, and the truth written beside it is true."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from streams.errors import UsageError
from streams.events.schema import Event
from streams.traffic.simulate import Attack, Simulation, write_truth
from streams.traffic.simulate.spec import AttackKind
from tests.support.simulated import CALM, HOUR, START

DECODER = msgspec.json.Decoder(Event)


def events(simulation: Simulation) -> list[Event]:
    return [DECODER.decode(line) for batch in simulation for line in batch.lines]


def attacked(kind: AttackKind, **changes: object) -> tuple[Simulation, list[Event], list[Event]]:
    """A simulation with one attack, its events, and those of the attackers during the attack."""
    attack = Attack(kind=kind, start_ms=START + int(1.5 * HOUR), length_s=300, strength=30)
    attack = replace(attack, **changes)  # type: ignore[arg-type]
    simulation = Simulation(replace(CALM, attacks=(attack,)))
    everything = events(simulation)
    accounts = {row.account_id for row in simulation.truth}
    during = [
        event
        for event in everything
        if event.account_id in accounts and attack.start_ms <= event.ts < attack.end_ms  # type: ignore[operator]
    ]
    return simulation, everything, during


@pytest.mark.parametrize("kind", ["burst", "template_spam"])
def test_a_loud_account_sends_the_stated_multiple_of_its_own_past(kind: AttackKind) -> None:
    simulation, everything, during = attacked(kind)
    (row,) = simulation.truth
    before = [e for e in everything if e.account_id == row.account_id and e.ts < row.started_at]  # type: ignore[operator]
    normal = len(before) / 5400
    assert normal == pytest.approx(row.normal_per_s, rel=0.5)
    assert len(during) / 300 == pytest.approx(row.attack_per_s + normal, rel=0.1)
    assert row.attack_per_s == pytest.approx(30 * row.normal_per_s, rel=1e-4)
    after = [e for e in everything if e.account_id == row.account_id and e.ts >= row.ended_at]  # type: ignore[operator]
    assert len(after) / 1500 < 3 * normal


def test_template_spam_is_short_and_of_one_template() -> None:
    _, _, during = attacked("template_spam")
    ((template, count),) = Counter(event.template for event in during).most_common(1)
    assert template
    assert count > 0.9 * len(during)
    spam = [event for event in during if event.template == template]
    assert max(event.completion_tokens for event in spam) <= 32
    assert np.mean([event.moderation["medical_spam"] for event in spam]) > 0.4
    assert len({event.ip_hash for event in spam}) > 20


def test_a_dormant_account_was_there_long_ago_and_a_new_one_was_not() -> None:
    for kind, earlier in (("dormant", 40), ("new_account", 0)):
        simulation, everything, during = attacked(kind)  # type: ignore[arg-type]
        (row,) = simulation.truth
        own = [event for event in everything if event.account_id == row.account_id]
        before = [event for event in own if event.ts < row.started_at]  # type: ignore[operator]
        assert len(before) == earlier
        assert all(event.ts < START + HOUR / 2 for event in before)  # type: ignore[operator]
        assert len(own) == earlier + len(during)
        assert len(during) / 300 == pytest.approx(row.attack_per_s, rel=0.1)
        age_ms = row.started_at - own[0].account_created_at  # type: ignore[operator]
        assert (age_ms < 10 * 60_000) == (kind == "new_account")


def test_a_ramp_grows_evenly() -> None:
    simulation, _, during = attacked("ramp", length_s=1200)
    (row,) = simulation.truth
    quarters = np.bincount([(e.ts - row.started_at) // 300_000 for e in during], minlength=4)  # type: ignore[operator]
    assert quarters.sum() == pytest.approx(
        row.attack_per_s * 600 + row.normal_per_s * 1200, rel=0.1
    )
    assert quarters[3] / quarters[1] == pytest.approx(7 / 3, rel=0.25)
    assert quarters[0] < quarters[1] < quarters[2] < quarters[3]


def test_a_group_sends_one_template_in_the_same_seconds_and_is_not_loud() -> None:
    simulation, _, during = attacked("coordinated", strength=2, members=12)
    assert len({row.account_id for row in simulation.truth}) == 12
    assert len({row.attack_id for row in simulation.truth}) == 1
    ((template, _),) = Counter(event.template for event in during).most_common(1)
    shared = [event for event in during if event.template == template]
    assert len({event.account_id for event in shared}) == 12
    assert len({event.network for event in shared}) == 1
    offsets = [(event.ts - START - int(1.5 * HOUR)) % 30_000 for event in shared]  # type: ignore[operator]
    near = [min(offset, 30_000 - offset) for offset in offsets]
    assert max(near) < 8_000
    assert max(Counter(event.account_id for event in shared).values()) <= 10


def own(kind: AttackKind, **changes: object) -> tuple[list[Event], list[Event], float]:
    """The attacked account's events before the attack and during it, and its normal requests/s."""
    simulation, everything, during = attacked(kind, length_s=1500, account=12, **changes)
    (row,) = simulation.truth
    before = [e for e in everything if e.account_id == row.account_id and e.ts < row.started_at]  # type: ignore[operator]
    return before, during, row.normal_per_s


@pytest.mark.parametrize("kind", ["low_and_slow", "medical_spam", "use_case_drift"])
def test_a_quiet_attack_changes_requests_and_adds_none(kind: AttackKind) -> None:
    _, during, normal = own(kind, strength=0.5)
    assert len(during) / 1500 == pytest.approx(normal, rel=0.4)


def test_low_and_slow_is_a_share_of_short_outputs_by_one_new_template() -> None:
    before, during, _ = own("low_and_slow", strength=0.7)
    ((template, count),) = Counter(event.template for event in during).most_common(1)
    assert template not in {event.template for event in before}
    assert count / len(during) == pytest.approx(0.7, abs=0.15)
    assert max(e.completion_tokens for e in during if e.template == template) <= 32
    assert max(e.moderation.get("medical_spam", 0.0) for e in during) < 0.4


def test_medical_spam_is_a_share_of_flagged_short_outputs_by_usual_templates() -> None:
    before, during, _ = own("medical_spam", strength=0.6)
    flagged = [event for event in during if event.moderation.get("medical_spam", 0.0) >= 0.4]
    assert len(flagged) / len(during) == pytest.approx(0.6, abs=0.15)
    assert max(event.completion_tokens for event in flagged) <= 32
    known = {event.template for event in before}
    assert np.mean([event.template in known for event in flagged]) > 0.8


def test_a_drifting_use_has_another_endpoint_country_and_prompts() -> None:
    before, during, _ = own("use_case_drift", strength=0.6)
    drifted = [event for event in during if event.endpoint == "embeddings"]
    assert len(drifted) / len(during) == pytest.approx(0.6, abs=0.15)
    assert not any(event.endpoint == "embeddings" for event in before)
    usual = np.median([event.prompt_tokens for event in before])
    assert np.median([event.prompt_tokens for event in drifted]) > 8 * usual


def test_retry_abuse_goes_on_at_once_after_each_429() -> None:
    before, during, _ = own("retry_abuse", strength=30)
    assert sum(event.status == 429 for event in before) < 0.1 * len(before)
    throttled = [event for event in during if event.status == 429]
    assert len(throttled) > 0.7 * 10 * 30 * 1500 / 3600
    gaps = np.diff([event.ts for event in throttled])
    assert np.median(gaps) <= 2_500


def test_key_hopping_uses_many_keys_while_they_are_throttled() -> None:
    before, during, _ = own("key_hopping", strength=3)
    assert len({event.key_id for event in before}) == 2
    new = [e for e in during if e.key_id not in {event.key_id for event in before}]
    assert len({event.key_id for event in new}) > 10
    assert np.mean([event.status == 429 for event in new]) == pytest.approx(0.5, abs=0.15)


def test_truth_is_written_with_times_a_person_can_read(tmp_path: Path) -> None:
    simulation, _, _ = attacked("burst")
    path = tmp_path / "truth.csv"
    write_truth(path, simulation.truth)
    (row,) = csv.DictReader(path.read_text().splitlines())
    assert row["attack_id"] == "burst-0001"
    assert row["account_id"] == simulation.truth[0].account_id
    assert (row["started_at"], row["ended_at"]) == (
        "2023-11-14T23:43:20.000Z",
        "2023-11-14T23:48:20.000Z",
    )
    with pytest.raises(UsageError, match="cannot be written"):
        write_truth(tmp_path / "none" / "truth.csv", simulation.truth)


def test_the_chosen_account_attacks() -> None:
    simulation, _, _ = attacked("burst", account=7)
    assert simulation.truth[0].account_id == "acct-0008"
