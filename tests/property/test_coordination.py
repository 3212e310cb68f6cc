"""The stream of coordination agrees with the plain batch version, whatever the portions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.coordination.parameters import Parameters
from detectors.coordination.stream import Judged, Stream
from tests.support.coordination_batch import Action, batch

SMALL = Parameters(single_capacity=4096, pair_capacity=2048, found=3.0, kept=1.0, tie=0.2)
_MINUTE = 60_000
_DAY = 1440 * _MINUTE
times = st.one_of(
    st.integers(0, 40).map(lambda n: n * 1000),
    st.integers(0, 3 * 60).map(lambda n: n * _MINUTE),
    st.integers(0, 12).map(lambda n: n * _DAY // 2),
    st.integers(0, 6 * _DAY),
)
actions = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 7), times).map(
        lambda one: (one[0], one[1], one[1] % 3, one[2])
    ),
    max_size=150,
)
parameters = st.builds(
    lambda ring, meetings, renew, limit: replace(
        SMALL, ring=ring, meetings=meetings, renew_s=renew, expected_limit=limit
    ),
    st.integers(2, 12),
    st.integers(2, 8),
    st.sampled_from([float("inf"), 600.0]),
    st.sampled_from([float("inf"), 1.0, 0.05]),
)


def push(stream: Stream, rows: list[Action]) -> None:
    table = np.array(rows, np.int64).reshape(-1, 4)
    stream.push(
        table[:, 0], table[:, 1].astype(np.uint64), table[:, 2].astype(np.uint8), table[:, 3]
    )


def same(one: Judged, other: Judged) -> None:
    """Every number equal, to the last bit."""
    for part in ("accounts", "pairs", "meetings"):
        a, b = getattr(one, part), getattr(other, part)
        for name in type(a).__slots__:
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    np.testing.assert_array_equal(one.label, other.label)
    np.testing.assert_array_equal(one.moments, other.moments)


def judged(rows: list[Action], given: Parameters) -> Judged:
    stream = Stream(given)
    push(stream, sorted(rows, key=lambda one: one[3]))
    return stream.judge()


@settings(max_examples=150, deadline=None)
@given(actions, parameters)
def test_stream_and_plain_batch_version_agree(rows: list[Action], given: Parameters) -> None:
    found, plain = judged(rows, given), batch(rows, given)
    meetings, pairs = found.meetings, found.pairs
    keys = [(int(a), int(b)) for a, b in zip(pairs.account_a, pairs.account_b, strict=True)]
    assert keys == sorted(plain.coincidences)
    for number, pair in enumerate(keys):
        held = range(meetings.start[number], meetings.start[number + 1])
        assert [
            (int(meetings.object[e]), int(meetings.time_a[e]), int(meetings.time_b[e]))
            for e in held
        ] == [(m.object, m.time_a, m.time_b) for m in plain.coincidences[pair]]
        assert [float(meetings.popularity[e]) for e in held] == pytest.approx(
            [m.popularity for m in plain.coincidences[pair]]
        )
        assert pairs.sync[number] == pytest.approx(plain.sync[pair], abs=1e-6)
        assert pairs.lag[number] == pytest.approx(plain.lag[pair], abs=1e-6)
        assert pairs.score[number] == pytest.approx(plain.v[pair], abs=1e-6)
        assert pairs.kinds[number] == plain.kinds[pair]
    accounts = found.accounts
    assert accounts.account.tolist() == sorted(plain.support)
    for number, account in enumerate(accounts.account.tolist()):
        assert accounts.moments[number] == plain.moments[account]
        assert accounts.support[number] == pytest.approx(plain.support[account], abs=1e-6)
        assert accounts.portfolio[number] == pytest.approx(plain.portfolio[account], abs=1e-6)
        assert accounts.score[number] == pytest.approx(plain.score[account], abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(actions, parameters, st.data())
def test_portions_order_of_equal_times_and_a_restart_change_nothing(
    rows: list[Action], given: Parameters, data: st.DataObject
) -> None:
    whole = judged(rows, given)
    mixed = sorted(data.draw(st.permutations(rows)), key=lambda one: one[3])
    stream = Stream(given)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        push(stream, mixed[start:end])
        state = stream.dump()
        stream = Stream(given)
        stream.load(state)
    same(stream.judge(), whole)


@settings(max_examples=60, deadline=None)
@given(actions, parameters, st.permutations(range(10)))
def test_other_ids_for_the_same_accounts_give_the_same_scores(
    rows: list[Action], given: Parameters, ids: list[int]
) -> None:
    wide = replace(
        given, ring=12, expected_limit=float("inf")
    )  # no ring overflows with ten accounts
    one = judged(rows, wide)
    other = judged([(ids[a], o, k, t) for a, o, k, t in rows], wide)
    back = {ids[account]: account for account in range(10)}
    assert {
        back[int(account)]: pytest.approx(score, abs=1e-6)
        for account, score in zip(other.accounts.account, other.accounts.score, strict=True)
    } == dict(zip(one.accounts.account.tolist(), one.accounts.score.tolist(), strict=True))
