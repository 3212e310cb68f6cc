"""From evidence to verdicts: the budget decides, agreement counts, what is held back says why."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors import cold_start
from detectors.base import Explanation
from detectors.calibration import LEVELS, Reference
from streams.policy.budget import HOURS_AN_ALARM
from streams.policy.model import Allow, Policy, default_policy
from streams.scoring.activity import NEW, USUAL, Activity
from streams.scoring.decision import Decider, Verdict
from streams.scoring.engine import Scoring
from streams.scoring.judged import Judged, in_outage
from streams.scoring.populations import Populations
from streams.scoring.record import DETECTORS, SCORE, begin_hour
from streams.scoring.tell import sentence

PLACE = {detector.NAME: place for place, detector in enumerate(DETECTORS)}


def decades() -> Populations:
    """Populations in which evidence e is as rare as 10 ** -e."""
    levels = -np.log10(np.array(LEVELS))
    return Populations(
        {
            d.NAME: Reference(np.tile(levels, (d.STRATA, 1)), np.full(d.STRATA, 1 / np.log(10.0)))
            for d in DETECTORS
        }
    )


def score(**evidence: float) -> Any:
    """One account with this evidence; other detectors saw nothing unusual."""
    record = np.zeros(1, SCORE)
    record["evidence"] = 0.0
    for name, value in evidence.items():
        record["evidence"][0, PLACE[name]] = value
    return record


def decide(
    record: Any,
    policy: Policy | None = None,
    *,
    cold: bool = False,
    tested: int = 1,
    activity: Activity | None = None,
    leads: NDArray[np.bool_] | None = None,
) -> list[Verdict]:
    return Decider(policy or default_policy(), 1).decide(
        record,
        np.full(len(record), NEW if cold else USUAL),
        [""] * len(record),
        decades(),
        activity or Activity(known=1000.0, usual=1000.0, new=1000.0, returned=1000.0),
        tested,
        np.ones((len(record), len(DETECTORS)), bool) if leads is None else leads,
    )


def only(verdicts: list[Verdict]) -> Verdict:
    (verdict,) = verdicts
    return verdict


def test_severity_follows_the_budget() -> None:
    # Two alarms in 24,000 account-hours may be high, ten may be any; burst has four tenths of that.
    policy = default_policy()
    share = policy.weights("usual")["burst"] * HOURS_AN_ALARM
    high, medium = -np.log10(2 / 24_000 * share), -np.log10(10 / 24_000 * share)
    assert only(decide(score(burst=high + 0.05))).severity == "high"
    assert only(decide(score(burst=high - 0.05))).severity == "medium"
    assert only(decide(score(burst=medium + 0.05))).severity == "medium"
    held = only(decide(score(burst=medium - 0.05)))
    assert (held.severity, held.held) == (None, "budget")
    assert decide(score(burst=medium - 1.0)) == []


def test_detectors_that_agree_alarm_before_one_alone_would() -> None:
    alone = only(decide(score(content=4.0)))
    together = only(decide(score(content=4.0, low_and_slow=4.0)))
    assert together.p_value < alone.p_value / 1.5
    assert list(together.parts)[:2] in (["content", "low_and_slow"], ["low_and_slow", "content"])
    assert together.parts["content"] == pytest.approx(1e-4, rel=0.05)


def test_the_limit_is_where_it_would_just_have_alarmed() -> None:
    for record in (score(burst=5.0), score(burst=5.0, content=3.0)):
        limit = only(decide(record)).limit
        at = record.copy()
        at["evidence"][0, PLACE["burst"]] = limit + 0.01
        assert only(decide(at)).severity
        at["evidence"][0, PLACE["burst"]] = limit - 0.05
        assert not any(verdict.severity for verdict in decide(at))


def test_others_that_would_have_alarmed_anyway_leave_no_limit() -> None:
    assert only(decide(score(burst=9.0, content=8.0))).limit == 0.0


def test_a_detector_that_warms_up_has_no_say() -> None:
    record = score(burst=5.0)
    record["evidence"][0, PLACE["content"]] = np.nan
    with_others = only(decide(record))
    assert "content" not in with_others.parts


def test_cold_accounts_are_judged_by_their_own_channel() -> None:
    usual, cold = score(cold_start=6.0), score(cold_start=6.0)
    assert decide(usual) == []
    verdict = only(decide(cold, cold=True))
    assert (verdict.channel, verdict.severity) == ("cold", "high")


def test_how_a_cold_account_compares_with_its_traffic_of_late_is_not_asked() -> None:
    assert decide(score(burst=9.0, ramp=9.0), cold=True) == []
    assert only(decide(score(content=9.0), cold=True)).severity


def test_an_account_speaks_through_what_is_heard_in_its_channel_now() -> None:
    """What alarmed earlier in the hour alarmed then; the news is of a detector nobody asks here."""
    leads = np.zeros((1, len(DETECTORS)), bool)
    leads[0, PLACE["ramp"]] = True
    assert decide(score(cold_start=6.0, ramp=3.0), cold=True, leads=leads) == []
    leads[0, PLACE["content"]] = True
    assert (
        only(decide(score(cold_start=6.0, content=3.0), cold=True, leads=leads)).detector
        == (PLACE["content"])
    )


def test_the_many_usual_accounts_do_not_drown_the_few_cold_ones() -> None:
    few = Activity(known=1e5, usual=1e5, new=1000.0, returned=0.0)
    weak = score(cold_start=3.0)
    assert only(decide(weak, cold=True, tested=10_000, activity=few)).severity
    assert only(decide(weak, cold=True, tested=1_000_000, activity=few)).held == (
        "false discoveries"
    )


def test_many_weak_ones_at_once_are_held_for_false_discoveries() -> None:
    policy = default_policy()
    weak = -np.log10(9 / 24_000 * policy.weights("usual")["burst"])
    verdicts = decide(score(burst=weak), policy, tested=100_000)
    assert only(verdicts).held == "false discoveries"
    assert only(decide(score(burst=weak), policy.changed(fdr=1.0), tested=100)).severity


def one_account(policy: Policy) -> tuple[Scoring, Any]:
    scoring = Scoring(policy)
    records = np.zeros(1, [("score", SCORE), *((d.NAME, d.STATE) for d in DETECTORS)])
    return scoring, records


def test_what_the_allow_list_excuses_is_held_with_the_name_of_who_answers() -> None:
    entry = Allow(accounts=("load-*",), owner="ann", reason="load test", expires=date(2099, 1, 1))
    policy = default_policy().changed(allow=(entry,))
    scoring, records = one_account(policy)
    scoring.populations = decades()
    now_ms = 1_700_006_400_000 + 5000
    for name, held in (("load-1", "allow-list (ann)"), ("other", "")):
        begin_hour(records["score"], now_ms)
        records["score"]["evidence"] = 0.0
        records["score"]["evidence"][0, PLACE["content"]] = 9.0
        current = records["score"]["evidence"].copy()
        judged = Judged(np.array([0]), records, {}, now_ms, current)
        scoring.decide(judged, np.array([0]), 1, [name], [""])
        assert [verdict.held for verdict in judged.verdicts] == [held]


def test_an_hour_is_forgotten_when_the_next_begins() -> None:
    record = score(burst=5.0)
    begin_hour(record, 3_600_000 * 5 + 1)
    assert np.isnan(record["evidence"]).all()
    record["evidence"][0, 0] = 2.0
    begin_hour(record, 3_600_000 * 6)  # ends the same hour
    assert record["evidence"][0, 0] == 2.0
    begin_hour(record, 3_600_000 * 6 + 1)
    assert np.isnan(record["evidence"]).all()


def tick_of(requests: list[float], errors: list[float]) -> Judged:
    """Accounts with these sums of five minutes."""
    sums = np.zeros((len(requests), 3, 5))
    sums[:, 1, 0], sums[:, 1, 3] = requests, errors
    rows = np.arange(len(requests))
    return Judged(rows, None, {"sums": sums}, 1, np.zeros((len(rows), len(DETECTORS)), np.float32))


def test_accounts_that_fail_together_are_in_an_outage_and_one_alone_is_not() -> None:
    calm = [50.0] * 40
    alone = in_outage(tick_of([*calm, 300.0], [0.0] * 40 + [250.0]))
    assert alone is None
    together = in_outage(tick_of([*calm, 300.0, 80.0, 60.0], [0.0] * 40 + [250.0, 70.0, 20.0]))
    assert together is not None
    assert np.flatnonzero(together).tolist() == [40, 41, 42]
    few = in_outage(tick_of([50.0] * 200 + [300.0] * 3, [0.0] * 200 + [250.0] * 3))
    assert few is None  # three of two hundred
    assert in_outage(Judged(np.zeros(0, int), None, {}, 1, np.zeros((0, 1), np.float32))) is None


def test_who_was_there_when_the_watch_began_is_not_new() -> None:
    scoring, records = one_account(default_policy())
    two = np.concatenate([records, records])
    sums = np.full((1, 3, 5), 3.0)
    start = 1_700_006_400_000
    for row, now_ms in ((0, start + 5000), (1, start + 90_000_000)):
        part = two[row : row + 1].copy()
        judged = scoring.tick(part, np.array([row]), sums, now_ms, ["a", "b"], ["", ""])
        scoring.observe_tick(judged)
        two[row] = part[0]
    stratum = cold_start.strata(two["cold_start"], start + 90_005_000, cold_start.Parameters())
    assert stratum.tolist() == [-1, 0]


def test_a_switched_off_detector_teaches_its_population_nothing() -> None:
    policy = default_policy()
    off = replace(policy.detectors["burst"], enabled=False)
    for detection, learned in (
        (policy, 1.0),
        (policy.changed(detectors={**policy.detectors, "burst": off}), 0.0),
    ):
        scoring, records = one_account(detection)
        hour = 3_600_000
        start = 1_700_006_400_000
        sums = np.full((1, 3, 5), 3.0)
        for now_ms in (start + 5000, start + 3 * hour):
            judged = scoring.tick(records, np.array([0]), sums, now_ms, ["a"], [""])
            scoring.observe_tick(judged)
        scoring.collect_hour(records, np.array([0]), start + 3 * hour, ["a"], [""])
        scoring.end_hour(start + 3 * hour, 1)
        assert scoring.populations.of("burst").hours.sum() == learned


def test_what_alarmed_an_hour_is_not_told_again_by_something_small() -> None:
    scoring, records = one_account(default_policy())
    scoring.populations = decades()
    now_ms = 1_700_006_400_000 + 5000
    begin_hour(records["score"], now_ms)
    records["score"]["evidence"] = 0.0
    records["score"]["evidence"][0, PLACE["burst"]] = 9.0
    records["score"]["evidence"][0, PLACE["use_case"]] = 1.8
    current = np.full((1, len(DETECTORS)), np.nan, np.float32)
    current[0, PLACE["use_case"]] = 1.8  # the burst is over; this is the moment's news
    for alarmed, told in ((0, 1), (1, 0)):
        records["score"]["alarmed"] = alarmed
        judged = Judged(np.array([0]), records, {}, now_ms, current)
        scoring.decide(judged, np.array([0]), 1, ["a"], [""])
        assert len(judged.verdicts) == told


def test_the_sentence_tells_the_rarity_of_the_detector_that_speaks() -> None:
    record = score(burst=9.0, use_case=5.0)
    leads = np.zeros((1, len(DETECTORS)), bool)
    leads[0, PLACE["use_case"]] = True
    (verdict,) = Decider(default_policy(), 1).decide(
        record,
        np.array([USUAL]),
        [""],
        decades(),
        Activity(known=1000.0, usual=1000.0, new=1000.0, returned=1000.0),
        1,
        leads,
    )
    why = Explanation("requests", 3600, 9.0, 1.0, 5.0, "a drifts", {})
    text = sentence(why, verdict)
    assert text.startswith("a drifts; 1 in 100,000 account-hours")
    assert "also burst 1 in" in text
    assert "use case" not in text
