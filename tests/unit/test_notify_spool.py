"""Notes on messages under way: who wrote them, whether that lives, and what follows from them."""

from __future__ import annotations

import fcntl
import os
from dataclasses import replace
from pathlib import Path

import pytest

from streams.alerting.notify.outbox import Message
from streams.alerting.notify.recovery import AGAIN, doubtful, recovered
from streams.alerting.notify.spool import Note, Spool, default_spool
from streams.errors import PulseError

_NOW = 1_780_000_000_000
_LEASE = _NOW + 9_000


def message(name: str, **changed: object) -> Message:
    """One that another process was sending."""
    made = Message(
        notification_id=name,
        version=2,
        incident_id=f"incident-{name}",
        event="opened",
        channel="hook",
        state="sending",
        severity="high",
        account_id="acct",
        org_id="org",
        kind="burst",
        title="t",
        body="what happened",
        suppression_id="",
        attempts=1,
        next_at=_LEASE,
        error="",
        made_at=_NOW - 1000,
        sent_at=0,
    )
    return replace(made, **changed)  # type: ignore[arg-type]


def test_a_tray_tells_how_far_each_message_came_and_whether_its_courier_lives(
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path / "outgoing")
    tray, lock = spool.tray()
    tray.write(Note("a", 2, "waiting"))
    tray.write(Note("a", 2, "begun", at=5))
    tray.write(Note("b", 4, "through", "no answer", 9))
    assert spool.left(tray) == [], "one's own are known"
    alive = [Note("a", 2, "begun", "", 5, True), Note("b", 4, "through", "no answer", 9, True)]
    assert spool.left(None) == alive
    os.close(lock)
    assert [note.alive for note in spool.left(None)] == [False, False]


def test_notes_of_the_dead_are_dropped_and_those_of_the_living_kept(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "outgoing")
    (dead, lock), (living, held) = spool.tray(), spool.tray()
    dead.write(Note("a", 2, "begun"))
    living.write(Note("b", 2, "begun"))
    os.close(lock)
    spool.settle(["a", "b"], None)
    assert [note.notification_id for note in spool.left(None)] == ["b"]
    assert not dead.folder.exists(), "an empty tray of a dead courier is removed"
    os.close(held)


def test_a_note_that_was_cut_off_leaves_a_doubt(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "outgoing")
    tray, lock = spool.tray()
    (tray.folder / "a.json").write_text("[2, ")
    os.close(lock)
    assert [note.stage for note in spool.left(None)] == ["begun"]


def test_the_lock_of_a_new_tray_is_never_free(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "outgoing")
    tray, lock = spool.tray()
    with (tray.folder / "lock").open("rb") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(lock)


def test_a_spool_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PulseError, match=r"spool .*file/outgoing: Not a directory"):
        Spool(tmp_path / "file" / "outgoing")
    folder = tmp_path / "others"
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, 12345, 12345)
        with pytest.raises(PulseError, match="belongs to user 12345, expected 0"):
            Spool(folder)


def test_the_spool_lies_with_an_embedded_store_and_apart_for_each_server(tmp_path: Path) -> None:
    assert default_spool("", str(tmp_path)) == tmp_path / "outgoing"
    one, two = default_spool("clickhouse://a/x", "d"), default_spool("clickhouse://b/x", "d")
    assert one != two
    assert one == default_spool("clickhouse://a/x", "other")


def test_what_is_through_is_not_sent_again() -> None:
    notes = [Note("a", 2, "through", "", 77), Note("b", 2, "through", "refused", 78)]
    found = recovered([message("a"), message("b")], notes, _NOW)
    assert [(m.notification_id, e, at) for m, e, at in found.through] == [
        ("a", "", 77),
        ("b", "refused", 78),
    ]
    assert found.due == []


def test_what_a_living_courier_has_is_left_to_it_but_not_for_ever() -> None:
    for stage in ("waiting", "begun"):
        note = Note("a", 2, stage, alive=True)
        assert recovered([message("a")], [note], _NOW).under_way == [message("a")]
        late = recovered([message("a")], [note], _LEASE + 120_000)
        assert [m.state for m in late.due] == ["sending"]


def test_what_a_dead_courier_never_began_is_due_without_a_doubt() -> None:
    (due,) = recovered([message("a")], [Note("a", 2, "waiting")], _NOW).due
    assert (due.state, due.next_at) == ("due", _NOW)
    assert doubtful(due) == {}


def test_what_a_dead_courier_had_begun_is_due_at_once_and_says_that_it_may_be_a_repeat() -> None:
    (due,) = recovered([message("a")], [Note("a", 2, "begun")], _NOW).due
    assert (due.state, due.next_at) == ("sending", _NOW)
    once = doubtful(due)
    assert once == {"body": f"what happened\n{AGAIN}"}
    assert doubtful(replace(due, **once)) == {}, "it says so once"


def test_without_a_note_the_lease_decides() -> None:
    other = Note("a", 1, "through")
    for notes in ([], [other]):
        (due,) = recovered([message("a")], notes, _NOW).due
        assert (due.state, due.next_at) == ("sending", _LEASE)


def test_notes_about_what_the_store_knows_are_stale_unless_their_courier_lives() -> None:
    notes = [Note("gone", 3, "through"), Note("alive", 3, "begun", alive=True)]
    assert recovered([message("a", state="due")], notes, _NOW).stale == ["gone"]
