"""The incident machine: one story of many findings, one alert each, and no flapping."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.alerting.findings import Finding
from streams.alerting.incidents import Incident, Incidents, Rules

RULES = Rules(resolve_after_ms=600_000, reopen_within_ms=1_800_000)
T = 1_700_000_000_000
MINUTE = 60_000


def finding(tick: int, observed: float = 100.0, account: str = "a", **changed: Any) -> Finding:
    values: dict[str, Any] = {
        "finding_id": f"f{tick}",
        "detector": "burst",
        "kind": "burst",
        "account_id": account,
        "org_id": "o",
        "metric": "requests",
        "window_start": tick - MINUTE,
        "window_end": tick,
        "window_s": 60,
        "observed": observed,
        "expected": 1.0,
        "p_value": 1e-9,
        "threshold": 80.0,
        "sentence": f"{account} sent {observed:g}",
        "sql": "SELECT 1",
        "policy_version": "v",
        "incident_id": "",
    }
    return Finding(**(values | changed))


def held(machine: Incidents, account: str, observed: float, tick: int) -> Incident | None:
    """The window of an incident whose threshold is 80 holds `observed`."""
    return machine.hold(account, observed / 80.0, observed, tick)


def only(machine: Incidents) -> Incident:
    (item,) = machine.by_account.values()
    return item


def test_the_first_finding_opens_and_alerts() -> None:
    machine = Incidents(RULES)
    told, row, alert = machine.find(finding(T))
    assert told is not None
    assert row is not None
    assert alert is not None
    assert (row.state, row.version, row.findings, row.reopened) == ("open", 1, 1, 0)
    assert (row.started_at, row.last_seen_at, row.resolved_at) == (T - MINUTE, T, 0)
    assert told.incident_id == row.incident_id == alert.finding.incident_id != ""
    assert [name for name, _ in machine.open_accounts()] == ["a"]


def test_more_of_the_same_is_told_once_a_minute_and_never_alerts_again() -> None:
    machine = Incidents(RULES)
    machine.find(finding(T))
    rows = []
    for tick in range(T + 5000, T + 5 * MINUTE + 1, 5000):
        told, row, alert = machine.find(finding(tick, 110))
        assert told is None
        assert alert is None
        rows += [row] if row else []
    assert [row.version for row in rows] == list(range(2, len(rows) + 2))
    assert {row.state for row in rows} == {"ongoing"}
    assert len(rows) == 5  # at once when it becomes ongoing, then each minute
    assert only(machine).findings == 1
    assert only(machine).peak_observed == 110


def test_what_is_a_hundred_times_rarer_is_told_again_with_its_new_sentence() -> None:
    machine = Incidents(RULES)
    machine.find(finding(T, 100))
    assert machine.find(finding(T + 5000, 199, p_value=2e-11))[0] is None
    told, row, alert = machine.find(finding(T + 10_000, 200, p_value=1e-11))
    assert told is not None
    assert row is not None
    assert alert is None
    assert (row.findings, row.sentence, row.peak_observed) == (2, "a sent 200", 200)
    assert row.p_value == 1e-11
    assert machine.find(finding(T + 15_000, 399, p_value=2e-13))[0] is None


def test_severity_only_grows_and_its_growth_is_told() -> None:
    machine = Incidents(RULES)
    machine.find(finding(T, 100))
    told, _, alert = machine.find(finding(T + 5000, 100, severity="high"))
    assert told is not None
    assert alert is None
    assert only(machine).severity == "high"
    assert machine.find(finding(T + 10_000, 100))[0] is None
    assert only(machine).severity == "high"


def test_tokens_are_no_peak_of_requests() -> None:
    """A finding in another metric or window belongs to the incident, but is measured by itself."""
    machine = Incidents(RULES)
    machine.find(finding(T, 100))
    tokens: dict[str, Any] = {"metric": "tokens", "threshold": 60_000.0}
    assert machine.find(finding(T + 5000, 70_000, **tokens))[0] is None
    assert (only(machine).metric, only(machine).peak_observed) == ("requests", 100)


def test_another_detector_joins_the_incident_of_the_account() -> None:
    machine = Incidents(RULES)
    _, first, _ = machine.find(finding(T))
    other = finding(T + 5000, 9.0, detector="content", kind="medical_spam", p_value=1e-12)
    told, row, alert = machine.find(other)
    assert first is not None
    assert told is not None
    assert row is not None
    assert alert is None
    assert told.incident_id == first.incident_id
    assert (row.kind, row.findings) == ("burst", 2)


def test_what_has_become_usual_comes_to_an_end() -> None:
    machine = Incidents(Rules(600_000, 1_800_000, hold_ms=3_600_000))
    machine.find(finding(T))
    last = T
    for tick in range(T + 5000, T + 7_200_000, 5000):
        if held(machine, "a", 100, tick) or only(machine).last_seen_at == tick:
            last = tick
    assert last == T + 3_600_000


def test_a_detector_of_ten_minutes_is_waited_for() -> None:
    machine = Incidents(RULES)
    machine.find(finding(T, stride=True))
    assert machine.next_expiry() == T + 600_000 + 2 * 600_000


def test_it_holds_at_half_the_threshold_and_lets_go_below() -> None:
    machine = Incidents(RULES)
    machine.find(finding(T, 100))
    held(machine, "a", 40.0, T + 5000)
    assert (only(machine).state, only(machine).last_seen_at) == ("ongoing", T + 5000)
    held(machine, "a", 39.0, T + 10_000)
    assert only(machine).last_seen_at == T + 5000
    assert machine.next_expiry() == T + 5000 + 600_000


def test_around_the_threshold_there_is_one_incident() -> None:
    machine = Incidents(RULES)
    alerts = 0
    for step in range(500):
        tick = T + step * 5000
        machine.expire(tick)
        if step % 3:
            held(machine, "a", 79, tick) if machine.by_account else None
        else:
            alerts += machine.find(finding(tick, 81))[2] is not None
    assert alerts == 1
    assert only(machine).reopened == 0


def test_it_is_resolved_exactly_after_the_quiet_time() -> None:
    machine = Incidents(RULES)
    machine.find(finding(T))
    assert machine.expire(T + 599_999) == []
    (row,) = machine.expire(T + 600_000)
    assert (row.state, row.resolved_at, row.version) == ("resolved", T + 600_000, 2)
    assert machine.expire(T + 700_000) == []
    assert machine.next_expiry() is None
    assert list(machine.open_accounts()) == []


def test_a_return_soon_reopens_without_an_alert() -> None:
    machine = Incidents(RULES)
    machine.find(finding(T))
    machine.expire(T + 600_000)
    told, row, alert = machine.find(finding(T + 600_000 + 1_800_000, 85))
    assert told is not None
    assert row is not None
    assert alert is None
    assert (row.state, row.reopened, row.resolved_at, row.version) == ("open", 1, 0, 3)
    assert row.started_at == T - MINUTE


def test_a_return_later_is_another_incident() -> None:
    machine = Incidents(RULES)
    _, first, _ = machine.find(finding(T))
    machine.expire(T + 600_000)
    _, second, alert = machine.find(finding(T + 600_000 + 1_800_001))
    assert first is not None
    assert second is not None
    assert alert is not None
    assert second.incident_id != first.incident_id
    assert second.version == 1


def test_what_cannot_be_reopened_is_forgotten() -> None:
    machine = Incidents(RULES)
    machine.find(finding(T))
    machine.expire(T + 600_000)
    machine.expire(T + 600_000 + 1_800_000)
    assert len(machine.by_account) == 1
    machine.expire(T + 600_000 + 1_800_001)
    assert not machine.by_account


def test_accounts_do_not_mix() -> None:
    machine = Incidents(RULES)
    assert machine.find(finding(T, account="a"))[2] is not None
    assert machine.find(finding(T, account="b"))[2] is not None
    assert held(machine, "a", 79, T + 5000) is not None
    assert machine.by_account["b"].last_seen_at == T
    assert [row.account_id for row in machine.expire(T + 600_000)] == ["b"]


steps = st.lists(
    st.tuples(
        st.integers(1, 40) | st.integers(100, 500),
        st.sampled_from("ab"),
        st.none() | st.integers(80, 2000),
        st.integers(0, 79),
    ),
    max_size=60,
)


@pytest.mark.parametrize("rules", [RULES, Rules(5000, 0, 5000), Rules(60_000, 300_000, 600_000)])
@settings(max_examples=80, deadline=None)
@given(drawn=steps)
def test_any_history_is_told_consistently_and_survives_a_snapshot(
    rules: Rules, drawn: list[tuple[int, str, int | None, int]]
) -> None:
    machine = Incidents(rules)
    versions: dict[str, int] = {}
    alerts: list[str] = []
    rows: list[Incident] = []
    now = T
    for gap, account, observed, level in drawn:
        now += 5000 * gap
        while (expiry := machine.next_expiry()) is not None and expiry < now:
            rows += machine.expire(-(-expiry // 5000) * 5000)
        if account in machine.by_account:
            change = held(machine, account, level, now)
            rows += [change] if change else []
        if observed is not None:
            told, change, alert = machine.find(finding(now, observed, account))
            rows += [change] if change else []
            if alert is not None:
                assert told is not None
                alerts.append(alert.finding.incident_id)
            if told is not None:
                assert change is not None
        for row in rows:
            assert row.version == versions.get(row.incident_id, 0) + 1
            versions[row.incident_id] = row.version
            assert (row.state == "resolved") == (row.resolved_at > 0)
            assert (
                row.resolved_at == 0 or row.resolved_at == row.last_seen_at + rules.resolve_after_ms
            )
            assert row.started_at <= row.last_seen_at <= now
        rows.clear()
        copy = Incidents(rules)
        copy.load(msgspec.json.decode(msgspec.json.encode(machine.dump())))
        assert copy == machine
        machine = copy
    assert len(set(alerts)) == len(alerts)
    assert set(alerts) == set(versions)
