"""Clusters in numbers: how they are numbered, and what their members share."""

from __future__ import annotations

import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.cli.clusters_found import deeds, described, numbered, outlined, ranked
from streams.traffic.actions import read_actions


def test_the_largest_cluster_is_1_and_of_equals_the_first_accounts() -> None:
    assert numbered(np.array([7, 5, -1, 5, 7, 9, 5, 2, 2])).tolist() == [2, 1, 0, 1, 2, 4, 1, 3, 3]
    assert numbered(np.full(3, -1)).tolist() == [0, 0, 0]
    assert numbered(np.empty(0, np.int64)).tolist() == []


rows = st.tuples(
    st.integers(0, 5), st.sampled_from("xyz"), st.sampled_from("kl"), st.integers(0, 9)
)


@given(st.lists(rows, max_size=40), st.lists(st.integers(-1, 2), min_size=6, max_size=6))
@settings(deadline=None)
def test_what_members_share_is_told_the_same_with_and_without_their_actions_in_memory(
    table: list[tuple[int, str, str, int]], labels: list[int]
) -> None:
    # Two members of a cluster always share something, else it would be none.
    table += [(n, f"of {label}", "k", 5) for n, label in enumerate(labels)]
    labels = [label if labels.count(label) > 1 else -1 for label in labels]
    text = "account_id,object_id,signal,timestamp\n"
    text += "".join(f"{a},{thing},{kind},{time}\n" for a, thing, kind, time in table)
    cluster, score = numbered(np.array(labels)), np.arange(6.0)
    with read_actions(io.BytesIO(text.encode()), "a.csv") as actions:
        outlines = outlined(actions, cluster, score)
        members = ranked(cluster, score)
        assert [len(one) for one in members] == [len(one.members) for one in outlines]
        for number, (group, own) in enumerate(zip(deeds(actions, cluster), members, strict=True)):
            expected, got = described(actions, own, group.shared()), outlines[number]
            assert own.tolist() == np.flatnonzero(cluster == number + 1)[::-1].tolist()
            assert got.members.tolist() == own.tolist()
            things = {row[1:3] for row in table if cluster[row[0]] == number + 1}
            shared = {
                thing
                for thing in things
                if len({row[0] for row in table if row[1:3] == thing and row[0] in own}) > 1
            }
            times = [row[3] * 1000 for row in table if row[1:3] in shared and row[0] in own]
            for one in (expected, got):
                assert (one.objects, one.kinds) == (
                    len(shared),
                    tuple(sorted({t[1] for t in shared})),
                )
                assert (one.first_ms, one.last_ms) == (min(times), max(times))
