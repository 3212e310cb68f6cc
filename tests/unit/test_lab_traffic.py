"""The lab's traffic: seeded, in two halves that share no client, changed as the truth says."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from streams.lab.habits import SIZES
from streams.lab.plan import SCENARIOS, planted
from streams.lab.population import Half, Population, built_in, servegen
from streams.lab.requests import Parts, Requests, draw
from streams.lab.scenario import DAY, SECOND_AFTER, Traffic, Truth
from streams.traffic.simulate.servegen import CLIENTS_FILE
from tests.support.traces import trace_file


@cache
def half(which: Half, seed: int = 1) -> Population:
    return built_in(150, seed, which)


@cache
def attacked() -> Traffic:
    return planted(built_in(600, 1, "A"), 1)


def truths(scenario: str) -> list[Truth]:
    found = [truth for truth in attacked().truths if truth.scenario == scenario]
    assert found, f"nothing planted of {scenario}"
    return found


def drawn(traffic: Traffic, truth: Truth) -> Requests:
    """All requests of the attacked account within the attack."""
    parts = traffic.parts(truth.start, truth.end)
    which = parts.account == truth.account
    own = Parts(parts.minute[which], parts.account[which], parts.row[which], parts.count[which])
    return draw(np.random.default_rng(5), own, traffic.habits)


def test_the_same_seed_gives_the_same_traffic_and_another_another() -> None:
    again = built_in(150, 1, "A")
    assert np.array_equal(half("A").requests, again.requests)
    assert np.array_equal(half("A").habits.identity, again.habits.identity)
    assert not np.array_equal(half("A").requests, half("A", 2).requests)
    one, other = planted(half("A"), 7), planted(half("A"), 7)
    assert one.truths == other.truths
    assert np.array_equal(one.totals(), other.totals())
    assert planted(half("A"), 8).truths != one.truths


def test_the_halves_share_no_client() -> None:
    assert not set(half("A").client) & set(half("B").client)


def test_accounts_look_as_the_traces_do() -> None:
    requests = half("A").requests[:, : half("A").regular]
    volume = np.sort(requests.sum(axis=0, dtype=np.int64))[::-1]
    assert volume[:15].sum() > 0.3 * volume.sum()  # a tenth sends much of everything
    steps = requests.reshape(-1, 10, requests.shape[1]).sum(axis=1)
    assert 0.4 < (steps == 0).mean() < 0.9
    hourly = requests.reshape(-1, 60, requests.shape[1]).sum(axis=1).astype(np.float64)
    busy = hourly[:, hourly.mean(axis=0) > 20]
    assert np.median(busy.var(axis=0) / busy.mean(axis=0)) > 3.0  # far from Poisson


def test_real_clients_are_cut_into_two_halves() -> None:
    folder = trace_file(CLIENTS_FILE).parent
    a, b = servegen(folder, 80, 1, "A"), servegen(folder, 80, 1, "B")
    assert not set(a.client) & set(b.client)
    assert len(set(a.client)) > 60
    assert a.requests.shape == (14 * DAY, len(a.names))
    assert a.regular == 80


def test_every_scenario_is_planted_once_an_account() -> None:
    traffic = attacked()
    assert {truth.scenario for truth in traffic.truths} == {s.name for s in SCENARIOS}
    accounts = [truth.account for truth in traffic.truths]
    assert len(accounts) == len(set(accounts))
    assert len(accounts) <= 0.7 * 600 + 5  # numbers are rounded scenario by scenario
    assert max(accounts) < traffic.population.regular
    for truth in traffic.truths:
        assert 0 <= truth.start < truth.end <= traffic.population.minutes
        assert truth.client == traffic.population.client[truth.account]


def test_a_burst_adds_its_multiple_of_the_usual_and_comes_again() -> None:
    traffic, total = attacked(), attacked().totals()
    base = traffic.population.requests
    for truth in truths("burst"):
        factor = float(truth.strength.removeprefix("x"))
        span = slice(truth.start, truth.end)
        added = total[span, truth.account] - base[span, truth.account]
        wanted = factor * traffic.population.usual[truth.account] / 5 * truth.length
        assert added.sum() == truth.requests
        assert abs(added.sum() - wanted) < 6 * np.sqrt(wanted) + 1
        assert truth.second == truth.start + SECOND_AFTER
        again = slice(truth.second, truth.second + truth.length)
        repeated = total[again, truth.account] - base[again, truth.account]
        assert np.array_equal(added, repeated)


def test_dormant_and_new_accounts_are_silent_before() -> None:
    total = attacked().totals()
    for truth in truths("dormant"):
        column = total[:, truth.account]
        assert not column[truth.start - 2 * DAY : truth.start].any()
        assert column[: truth.start - 2 * DAY].any()
    for truth in truths("new_account"):
        assert not total[: truth.start, truth.account].any()
        assert total[truth.start : truth.end, truth.account].sum() == truth.requests > 100


def test_template_spam_keeps_the_rate_and_changes_what_is_sent() -> None:
    traffic = attacked()
    total, base = traffic.totals(), traffic.population.requests
    for truth in truths("template_spam"):
        assert np.array_equal(total[:, truth.account], base[:, truth.account])
        requests = drawn(traffic, truth)
        assert base[: truth.start - DAY, truth.account].any()
        commonest = np.bincount(np.unique(requests.template, return_inverse=True)[1].ravel())
        share = 0.3 if truth.strength == "light" else 0.7
        assert requests.short.sum() >= 0.85 * share * requests.count.sum()
        assert commonest.max() > 10


def test_content_attacks_draw_verdicts_of_their_category() -> None:
    traffic = attacked()
    for truth in truths("content_medical_spam"):
        flagged = drawn(traffic, truth).flagged.sum(axis=0)
        assert flagged[6] >= 0.55 * truth.requests
        assert flagged[6] > 10


def test_key_hopping_and_retries_show_in_keys_and_429s() -> None:
    traffic = attacked()
    drawn_keys = [drawn(traffic, truth).keys for truth in truths("key_hopping")]
    assert np.median([len(np.unique(keys[keys > 0])) for keys in drawn_keys]) >= 8
    for truth in truths("retry_abuse"):
        requests = drawn(traffic, truth)
        assert requests.throttled.sum() > 0.2 * requests.count.sum()


def test_a_retry_storm_strikes_everyone_at_once() -> None:
    starts = {truth.start for truth in truths("retry_storm")}
    assert len(starts) == 1
    assert len(truths("retry_storm")) > 3
    errors, sent = 0, 0
    for truth in truths("retry_storm"):
        requests = drawn(attacked(), truth)
        outage = requests.minute < truth.start + truth.length
        errors += int(requests.error[outage].sum())
        sent += int(requests.count[outage].sum())
    assert errors > 0.6 * sent > 100


def test_work_falls_between_nine_and_five() -> None:
    total = attacked().totals()
    for truth in truths("start_of_work"):
        minute_of_day = np.flatnonzero(total[:, truth.account]) % DAY
        assert minute_of_day.min() >= 9 * 60
        assert minute_of_day.max() < 17 * 60


def test_every_request_is_in_one_bin_of_each_kind() -> None:
    traffic = attacked()
    parts = traffic.parts(5 * DAY, 5 * DAY + 360)
    requests = draw(np.random.default_rng(3), parts, traffic.habits)
    assert len(requests) == len(parts) > 100
    for column in (requests.prompt, requests.output, requests.endpoints, requests.countries):
        assert np.array_equal(column.sum(axis=1), requests.count)
    assert np.array_equal(requests.output[:, 0], requests.error + requests.throttled)
    assert (requests.flagged_short <= requests.flagged).all()
    assert (requests.flagged_short <= requests.short[:, None]).all()
    told = requests.template_count.sum(axis=1)
    brief = requests.template_short
    assert (brief <= requests.template_count).all()
    assert np.array_equal(brief.sum(axis=1), np.minimum(requests.short, told))
    assert set(told - requests.count) <= {0, *(-requests.count).tolist()}
    assert ((requests.template > 0) == (requests.template_count > 0)).all()
    assert SIZES[0] == 0


def test_templates_keep_to_their_length_of_answer_and_are_replaced_after_weeks() -> None:
    traffic = attacked()
    rng = np.random.default_rng(3)
    days = [
        draw(rng, traffic.parts(day * DAY, day * DAY + 360), traffic.habits) for day in (2, 3, 13)
    ]
    known: list[dict[int, set[int]]] = []
    for requests in days:
        told = (requests.template_count > 0).all(axis=1)
        mixed = told & (requests.short > 0) & (requests.short < requests.count)
        part = requests.template_short[mixed] / requests.template_count[mixed]
        assert ((part > 0) & (part < 1)).mean() < 0.35  # most are short throughout, or long
        sent: dict[int, set[int]] = {}
        for account, row in zip(requests.account.tolist(), requests.template, strict=True):
            sent.setdefault(account, set()).update(row[row > 0].tolist())
        known.append(sent)

    def kept(later: dict[int, set[int]]) -> float:
        pools = traffic.habits.templates[: len(traffic.population.names)] <= 3
        steady = pools & (traffic.habits.novelty[: len(pools)] < 0.02)
        both = [a for a in known[0].keys() & later.keys() if steady[a] and known[0][a]]
        return float(np.mean([bool(known[0][a] & later[a]) for a in both]))

    assert kept(known[1]) > 0.93
    assert 0.6 < kept(known[2]) < kept(known[1])


@pytest.mark.parametrize("start", [0, 3 * DAY + 17, 9 * DAY])
def test_parts_are_all_of_the_traffic_in_order(start: int) -> None:
    traffic = attacked()
    parts = traffic.parts(start, start + 60)
    shape = (60, len(traffic.population.names))
    total = np.zeros(shape, np.int64)
    np.add.at(total, (parts.minute - start, parts.account), parts.count)
    assert np.array_equal(total, traffic.totals()[start : start + 60])
    order = parts.minute * shape[1] + parts.account
    assert (np.diff(order) >= 0).all()


def test_those_who_only_try_come_late_and_leave_soon() -> None:
    population = half("A")
    total = population.requests[:, population.regular :]
    assert total.shape[1] == population.regular
    active = total > 0
    seen = np.flatnonzero(active.any(axis=0))
    assert len(seen) > 0.5 * population.regular
    begin = active.argmax(axis=0)[seen]
    end = len(active) - active[::-1].argmax(axis=0)[seen]
    assert (begin >= population.first[population.regular :][seen]).all()
    assert (end - begin).max() <= 2 * DAY
    assert (begin > DAY).mean() > 0.8
