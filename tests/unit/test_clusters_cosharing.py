"""The classic windowed counter: exactly its definition, however the actions are cut."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.coordination import cosharing
from detectors.coordination.cosharing import CoSharing, Ties, TooManyTies, components
from streams.traffic.actions import read_actions
from streams.traffic.actions_cells import COORTWEET
from tests.support.traces import trace_file

Action = tuple[int, int, int]  # account, object, time (ms)

actions = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 60)), max_size=60)


def counted(
    rows: list[Action], window: int, cuts: list[int] | None = None, repeats: int = 1
) -> dict[tuple[int, int], int]:
    counter = CoSharing(window)
    table = np.array(sorted(rows, key=lambda row: row[2]), np.int64).reshape(-1, 3)
    for part in np.split(table, sorted(cuts or [])):
        counter.push(part[:, 0], part[:, 1].astype(np.uint64), part[:, 2])
    ties = counter.ties(repeats)
    pairs = list(zip(ties.account_a.tolist(), ties.account_b.tolist(), strict=True))
    assert pairs == sorted(pairs)
    return dict(zip(pairs, ties.repeats.tolist(), strict=True))


@given(actions, st.integers(0, 70), st.lists(st.integers(0, 60), max_size=5), st.integers(1, 3))
@settings(deadline=None)  # the first call compiles
def test_it_counts_what_its_definition_says(
    rows: list[Action], window: int, cuts: list[int], repeats: int
) -> None:
    naive = Counter(
        (min(a, b), max(a, b))
        for (a, x, s), (b, y, t) in combinations(rows, 2)
        if a != b and x == y and abs(s - t) <= window
    )
    expected = {pair: count for pair, count in naive.items() if count >= repeats}
    assert counted(rows, window, cuts, repeats) == expected


def test_exactly_the_window_apart_counts_across_a_cut() -> None:
    assert counted([(0, 0, 0), (1, 1, 10), (2, 0, 10)], 10, [2]) == {(0, 2): 1}
    assert counted([(0, 0, 0), (1, 1, 10), (2, 0, 11)], 10, [2]) == {}


def test_the_table_grows_in_the_middle_of_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosharing, "_START", 4)
    rows = [(account, 0, 0) for account in range(100)]
    ties = counted(rows, 0)
    assert len(ties) == 100 * 99 // 2
    assert set(ties.values()) == {1}


def test_a_window_that_ties_everybody_is_refused() -> None:
    counter = CoSharing(10, capacity=1000)
    accounts = np.arange(4000)
    with pytest.raises(TooManyTies, match="more than 1,000 pairs share an object"):
        counter.push(accounts, np.zeros(4000, np.uint64), np.zeros(4000, np.int64))


def test_times_that_go_backwards_are_refused() -> None:
    counter = CoSharing(10)
    counter.push(np.arange(2), np.zeros(2, np.uint64), np.array([5, 6]))
    with pytest.raises(ValueError, match="in order of time"):
        counter.push(np.arange(1), np.zeros(1, np.uint64), np.array([4]))


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=12))
@settings(deadline=None)
def test_components_are_those_of_the_graph(edges: list[tuple[int, int]]) -> None:
    pairs = sorted({(min(edge), max(edge)) for edge in edges if edge[0] != edge[1]})
    a, b = (np.array([pair[end] for pair in pairs], np.int64) for end in (0, 1))
    labels = components(Ties(a, b, np.ones(len(pairs), np.int64)), 13).tolist()
    groups = {n: {n} for pair in pairs for n in pair}
    for x, y in pairs:
        joined = groups[x] | groups[y]
        groups.update(dict.fromkeys(joined, joined))
    smallest = sorted({min(group) for group in groups.values()})
    expected = [smallest.index(min(groups[n])) if n in groups else -1 for n in range(13)]
    assert labels == expected


@pytest.mark.parametrize(("window_s", "ties"), [(10, 1092), (60, 6206)])
def test_the_reference_ties_of_a_known_network(window_s: int, ties: int) -> None:
    """CooRTweet's own numbers for its data: a tie is one repetition or more."""
    counter = CoSharing(window_s * 1000)
    path = trace_file("coortweet_russian.csv.gz")
    with path.open("rb") as file, read_actions(file, str(path), columns=COORTWEET) as known:
        assert (known.rows, known.objects) == (35_125, 7_285)
        for block in known.blocks():
            counter.push(block.account, block.object, block.time)
    assert len(counter.ties()) == ties
