"""Identity of groups over time: whatever the batching of ticks, the same story."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.coordination.groups import Change, Groups

MINUTE = 60_000
NAMES = [f"a{n}" for n in range(8)]
Communities = list[dict[str, float]]


def made() -> Groups:
    return Groups(leave_after_ms=10 * MINUTE, forget_after_ms=60 * MINUTE)


@st.composite
def partitions(draw: st.DrawFn) -> Communities:
    """Accounts in no community (0) or in one of three."""
    labels = draw(st.lists(st.integers(0, 3), min_size=len(NAMES), max_size=len(NAMES)))
    return [
        {name: 12.0 for name, label in zip(NAMES, labels, strict=True) if label == wanted}
        for wanted in (1, 2, 3)
        if wanted in labels
    ]


@given(
    st.lists(st.tuples(partitions(), st.integers(1, 20)), min_size=1, max_size=12), st.booleans()
)
@settings(max_examples=150, deadline=None)
def test_ticks_without_a_change_may_be_left_out(
    steps: list[tuple[Communities, int]], dumped: bool
) -> None:
    """Each step holds for some minutes: asked every minute, or only when it begins."""
    every, seldom = made(), made()
    long: list[Change] = []
    short: list[Change] = []
    at = 0
    for found, minutes in steps:
        short += seldom.follow(found, at * MINUTE)
        for minute in range(minutes):
            long += every.follow(found, (at + minute) * MINUTE)
        at += minutes
        if dumped:
            again = made()
            again.load(seldom.dump())
            assert again.dump() == seldom.dump()
            seldom = again
    long += every.follow([], at * MINUTE)
    short += seldom.follow([], at * MINUTE)
    assert long == short
    assert {name: set(group.members) for name, group in every.by_id.items()} == {
        name: set(group.members) for name, group in seldom.by_id.items()
    }


@given(st.lists(partitions(), min_size=1, max_size=15))
@settings(max_examples=150, deadline=None)
def test_nobody_is_in_two_groups_and_every_join_has_its_leave(steps: list[Communities]) -> None:
    groups = made()
    inside: set[tuple[str, str]] = set()
    for place, found in enumerate(steps):
        for change in groups.follow(found, place * 7 * MINUTE):
            pair = change.group_id, change.account
            if change.what == "joined":
                assert pair not in inside
                inside.add(pair)
            elif change.what == "left":
                inside.remove(pair)
            elif change.what in ("merged", "ended"):
                assert all(name != change.group_id for name, _ in inside)
        held = [(name, a) for name, group in groups.by_id.items() for a in group.members]
        assert len({account for _, account in held}) == len(held)
        assert set(held) == inside
        for scores in found:
            homes = {name for name, account in held if account in scores}
            assert len(homes) == 1, "a community is one group"


def said(changes: list[Change], what: str) -> list[Change]:
    return [change for change in changes if change.what == what]


def test_a_group_that_grows_keeps_its_id() -> None:
    groups = made()
    groups.follow([dict.fromkeys("abc", 12.0)], 0)
    (name,) = groups.by_id
    changes = groups.follow([dict.fromkeys("abcdefgh", 12.0)], MINUTE)
    assert [change.account for change in said(changes, "joined")] == list("defgh")
    assert set(groups.by_id) == {name}


def test_in_a_split_the_larger_part_keeps_the_id() -> None:
    groups = made()
    groups.follow([dict.fromkeys("abcdefg", 12.0)], 0)
    (name,) = groups.by_id
    changes = groups.follow([dict.fromkeys("abc", 12.0), dict.fromkeys("defg", 12.0)], MINUTE)
    (split,) = said(changes, "split")
    assert split.other == name
    assert set(groups.by_id[name].members) >= set("defg")
    assert set(groups.by_id[split.group_id].members) == set("abc")
    assert groups.by_id[split.group_id].parent == name


def test_in_a_merger_the_one_with_more_accounts_stays_and_the_other_is_recorded() -> None:
    groups = made()
    groups.follow([dict.fromkeys("abc", 12.0), dict.fromkeys("defgh", 12.0)], 0)
    small, large = sorted(groups.by_id, key=lambda name: len(groups.by_id[name].members))
    changes = groups.follow([dict.fromkeys("abcdefgh", 12.0)], MINUTE)
    (merged,) = said(changes, "merged")
    assert (merged.group_id, merged.other) == (small, large)
    assert set(groups.by_id) == {large}


def test_a_member_that_is_missing_leaves_after_a_while_with_time_and_reason() -> None:
    groups = made()
    groups.follow([dict.fromkeys("abcd", 12.0)], 0)
    groups.follow([dict.fromkeys("abc", 12.0)], MINUTE)
    groups.follow([dict.fromkeys("abcd", 12.0)], 5 * MINUTE)  # back in time
    groups.follow([dict.fromkeys("abc", 12.0)], 6 * MINUTE)
    (left,) = said(groups.follow([dict.fromkeys("abc", 12.0)], 30 * MINUTE), "left")
    assert (left.at, left.account, left.reason) == (
        16 * MINUTE,
        "d",
        "no ties to the group any more",
    )


def test_a_silent_group_comes_back_under_its_id_unless_it_was_silent_for_long() -> None:
    groups = made()
    groups.follow([dict.fromkeys("abc", 12.0)], 0)
    (name,) = groups.by_id
    assert said(groups.follow([], MINUTE), "silent")
    assert said(groups.follow([dict.fromkeys("abc", 12.0)], 50 * MINUTE), "back")
    assert set(groups.by_id) == {name}
    groups.follow([], 51 * MINUTE)
    changes = groups.follow([dict.fromkeys("abc", 12.0)], 200 * MINUTE)
    assert said(changes, "ended")[0].at == 111 * MINUTE
    assert name not in groups.by_id
