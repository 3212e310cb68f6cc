"""The lab's shortcut: its groups are those that `grouped` makes of the same requests one by one."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from streams.features import update
from streams.features.groups import Groups
from streams.lab.groups import MINUTE_MS, Quotas, events, grouped_minutes
from streams.lab.habits import SIZES
from streams.lab.plan import planted
from streams.lab.population import START_MS, built_in
from streams.lab.requests import Requests, draw
from streams.lab.scenario import DAY, Traffic

TRAFFIC = planted(built_in(200, 1, "A"), 1)
#: Rows of the account table are not in the order of the lab's accounts.
ACCOUNTS = len(TRAFFIC.population.names)
ROW_OF = np.random.default_rng(6).permutation(ACCOUNTS).astype(np.int64)


def busiest() -> int:
    """Start of the six hours with most layers of changed requests in them."""
    starts = np.arange(4 * DAY, 13 * DAY, 360)
    layers = [(layer.start, layer.start + len(layer.count)) for layer in TRAFFIC.layers]
    inside = [sum(a < start + 360 and start < b for a, b in layers) for start in starts]
    return int(starts[inside.index(max(inside))])


def drawn(traffic: Traffic, start: int, seed: int = 3) -> Requests:
    return draw(np.random.default_rng(seed), traffic.parts(start, start + 360), traffic.habits)


def both(requests: Requests) -> tuple[Groups, Groups]:
    """The shortcut's groups, and those of single events; requests of a minute shuffled."""
    quota = Quotas(ACCOUNTS).used(requests)
    rows = events(requests, ROW_OF, quota, START_MS)
    shuffled = np.random.default_rng(7).permutation(len(rows))
    rows = rows.take(shuffled[np.argsort(rows.tick[shuffled], kind="stable")])
    return (
        grouped_minutes(requests, ROW_OF, quota, START_MS),
        update.grouped(rows, MINUTE_MS),
    )


def test_the_groups_are_those_of_single_events() -> None:
    requests = drawn(TRAFFIC, busiest())
    pairs = np.column_stack((requests.minute, requests.account))
    assert len(np.unique(pairs, axis=0)) < len(pairs), "no minute has two parts of an account"
    assert requests.flagged.any()
    assert requests.error.any()
    quick, single = both(requests)
    assert len(quick.tick) > 300
    for field in fields(Groups):
        if field.name == "detail":
            continue
        ours, theirs = getattr(quick, field.name), getattr(single, field.name)
        assert np.array_equal(ours, theirs), field.name
        assert ours.dtype == theirs.dtype, field.name


def test_what_the_fold_counts_by_request_is_the_same() -> None:
    quick, single = both(drawn(TRAFFIC, busiest()))
    assert quick.detail.pairs is not None
    assert single.detail.pairs is not None
    for name in ("group", "template", "count"):
        ours, theirs = getattr(quick.detail.pairs, name), getattr(single.detail.pairs, name)
        assert np.array_equal(ours, theirs), name
    tallies = []
    for groups in (quick, single):
        rows, group = groups.detail.rows, groups.detail.group
        assert rows.endpoint is not None
        assert rows.country is not None
        assert rows.moderation is not None
        parts = [
            np.unique(np.column_stack((group, column)), axis=0, return_counts=True)
            for column in (rows.endpoint, rows.country, rows.prompt, rows.completion)
        ]
        short = (rows.completion > 0) & (rows.completion <= 32)
        verdicts = np.column_stack((group, short, rows.moderation))
        parts.append(np.unique(verdicts, axis=0, return_counts=True))
        tallies.append(parts)
    for (ours, times), (theirs, again) in zip(*tallies, strict=True):
        assert np.array_equal(ours, theirs)
        assert np.array_equal(times, again)


def test_single_events_agree_with_themselves() -> None:
    """Failures have no output, and as many verdicts fall on short outputs as were drawn."""
    requests = drawn(TRAFFIC, busiest())
    rows = events(requests, ROW_OF, Quotas(ACCOUNTS).used(requests), START_MS)
    assert ((rows.status == 200) == (rows.completion > 0)).all()
    assert rows.moderation is not None
    short = (rows.completion > 0) & (rows.completion <= 32)
    flagged = rows.moderation >= 128
    assert np.array_equal(flagged.sum(axis=0), requests.flagged.sum(axis=0))
    assert np.array_equal(flagged[short].sum(axis=0), requests.flagged_short.sum(axis=0))
    assert 0 < flagged[short].sum() < flagged.sum()


def test_ticks_come_one_by_one_with_their_own_detail() -> None:
    quick, _ = both(drawn(TRAFFIC, busiest()))
    seen = 0
    for tick, groups in quick.ticks():
        assert (groups.tick == tick).all()
        assert (np.diff(groups.account) > 0).all()
        requests = np.bincount(groups.detail.group, minlength=len(groups.tick))
        assert np.array_equal(requests, groups.counts[:, 0])
        assert int(groups.detail.rows.prompt.sum()) == int(groups.tokens[:, 0].sum())
        seen += len(groups.tick)
    assert seen == len(quick.tick)


def test_a_quota_fills_up_over_the_day_and_starts_anew_at_midnight() -> None:
    quotas = Quotas(ACCOUNTS)
    day = [drawn(TRAFFIC, start) for start in range(0, DAY, 360)]
    shares = np.concatenate([quotas.used(part) for part in day])
    account = np.concatenate([part.account for part in day])
    limit = np.concatenate([part.quota for part in day])
    count = np.concatenate([part.count for part in day])
    assert (shares[limit == 0] == 0).all()
    told = np.flatnonzero(limit > 0)
    who = account[told[0]]
    mine = np.flatnonzero(account == who)
    expected = np.minimum(np.cumsum(count[mine]) / limit[mine], 1.0)
    assert np.allclose(shares[mine], expected, rtol=1e-6)
    tomorrow = drawn(TRAFFIC, DAY)
    first = {int(a): i for i, a in reversed(list(enumerate(tomorrow.account.tolist())))}
    fresh = quotas.used(tomorrow)
    for place in first.values():
        if tomorrow.quota[place] > 0:
            assert fresh[place] <= min(1.0, tomorrow.count[place] / tomorrow.quota[place]) + 1e-6
            break
    else:
        raise AssertionError("no account tells its quota")


def test_sizes_lie_in_their_bins() -> None:
    edges = np.array([1, 32, 128, 512, 2048, 8192, 32_768])
    assert np.array_equal(np.searchsorted(edges, SIZES, "right"), np.arange(8))
