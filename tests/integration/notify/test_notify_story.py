"""What is told: once when it opens, escalates and is over for good; routes and silences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from streams.alerting.people import People
from streams.storage.base import Store
from tests.support.notifying import (
    MINUTE,
    REOPEN,
    ROUTE,
    Desk,
    channel,
    desk,
    incident,
    policy,
    put_cluster,
    put_watermark,
    rows,
)
from tests.support.receivers import Hook, hook


def test_one_message_when_it_opens_escalates_and_is_over(
    either: Store, tmp_path: Path, web: Hook
) -> None:
    at = desk(either, tmp_path, web)
    story = incident("a")
    at.now += 1000
    at.put(story)
    at.settle()
    at.put(replace(story, version=2, state="ongoing", findings=2))
    at.pass_time(20_000)
    assert web.titles() == ["[medium] opened: acct-a sent 900 requests in 5 minutes"]
    body = web.taken[0].body
    assert "Seen 900, usual 30, silent below 118." in body
    assert "by chance 1 in 100,000" in body
    assert body.endswith("https://pulse.example.org/incident/a")
    worse = replace(story, version=3, state="ongoing", severity="high")
    at.put(worse)
    at.settle(1000)
    at.put(replace(worse, version=4, findings=5))
    at.pass_time(20_000)
    assert [one.split(":")[0] for one in web.titles()] == ["[medium] opened", "[high] escalated"]
    over = replace(worse, version=5, state="resolved", resolved_at=at.now)
    at.put(over)
    at.settle(6000)
    at.settle(REOPEN - 20_000)
    assert len(web.taken) == 2, "it could still be reopened"
    at.settle(30_000)
    at.pass_time(20_000)
    events = [one.split(" ")[1] for one in web.titles()]
    assert events == ["opened:", "escalated:", "resolved:"]
    assert [one.kind for one in web.taken] == ["warning", "failure", "success"]
    assert len({one.identity for one in web.taken}) == 3
    assert rows(either) == [
        ("a", "escalated", "hook", "sent"),
        ("a", "opened", "hook", "sent"),
        ("a", "resolved", "hook", "sent"),
    ]


def test_a_reopened_incident_is_not_told_to_be_over(
    store: Store, tmp_path: Path, web: Hook
) -> None:
    at = desk(store, tmp_path, web)
    story = incident("a")
    at.put(story)
    at.settle(1000)
    at.put(replace(story, version=2, state="resolved", resolved_at=at.now))
    at.settle(REOPEN // 2)
    at.put(replace(story, version=3, state="open", reopened=1))
    at.settle(REOPEN)
    assert [one.split(" ")[1] for one in web.titles()] == ["opened:"]
    at.put(replace(story, version=4, state="resolved", resolved_at=at.now, reopened=1))
    at.settle(REOPEN + 6000)
    assert [one.split(" ")[1] for one in web.titles()] == ["opened:", "resolved:"]


def test_where_event_time_lags_an_incident_is_over_later(
    either: Store, tmp_path: Path, web: Hook
) -> None:
    at = desk(either, tmp_path, web)
    story = incident("a")
    at.put(story, partition=2)
    at.settle(1000)
    end = at.now
    put_watermark(either, end + 1000, partition=2)
    put_watermark(either, end + 2 * REOPEN, partition=1)
    at.put(replace(story, version=2, state="resolved", resolved_at=end), partition=2)
    at.settle(2 * REOPEN)
    assert len(web.taken) == 1, "the fold may reopen it: its partition is hours behind"
    put_watermark(either, end + REOPEN + 1, partition=2)
    at.settle(6000)
    assert [one.split(" ")[1] for one in web.titles()] == ["opened:", "resolved:"]


def test_routes_go_by_severity_kind_org_and_hour(store: Store, tmp_path: Path) -> None:
    with hook() as day, hook() as night, hook() as content:
        text = channel(tmp_path, "day", day.address()) + channel(tmp_path, "night", night.address())
        text += channel(tmp_path, "content", content.address())
        text += (
            '[[routes]]\nname = "d"\nchannel = "day"\nseverities = ["high"]\nkinds = ["burst"]\n'
            'orgs = ["org-*"]\nhours = "09:00-17:00"\ntime_zone = "Europe/Berlin"\n'
            '[[routes]]\nname = "n"\nchannel = "night"\nseverities = ["high"]\nkinds = ["burst"]\n'
            'orgs = ["org-*"]\nhours = "17:00-09:00"\ntime_zone = "Europe/Berlin"\n'
            '[[routes]]\nname = "c"\nchannel = "content"\nkinds = ["medical_spam"]\n'
        )
        at = Desk(store, policy(text))
        at.settle()
        noon, midnight = 1_780_048_800_000, 1_780_092_000_000  # 12:00 and 24:00 in Berlin
        for when, name in ((noon, "noon"), (midnight, "midnight")):
            at.now = when
            at.put(
                incident(f"{name}-high", severity="high"),
                incident(f"{name}-medium"),
                incident(f"{name}-other", severity="high", org_id="ORG-1"),
                incident(f"{name}-spam", kind="medical_spam"),
            )
            at.settle(1000)
        assert [one.split()[2] for one in day.titles()] == ["acct-noon-high"]
        assert [one.split()[2] for one in night.titles()] == ["acct-midnight-high"]
        assert {one.split()[2] for one in content.titles()} == {
            "acct-noon-spam",
            "acct-midnight-spam",
        }


def test_what_is_silenced_is_counted_and_not_sent(either: Store, tmp_path: Path, web: Hook) -> None:
    at = desk(either, tmp_path, web)
    people = People(either, lambda: at.now)
    silence = people.silence(["acct-a*"], [], [], "ops", "load test", at.now + MINUTE, "ann")
    story = incident("a")
    at.settle(1000)
    at.put(story, incident("b"))
    at.settle(1000)
    assert [one.split()[2] for one in web.titles()] == ["acct-b"]
    columns = "incident_id, event, state, suppression_id"
    assert rows(either, columns)[0] == ("a", "opened", "silenced", silence)
    at.settle(2 * MINUTE)
    at.put(replace(story, version=2, state="ongoing"))
    at.settle(1000)
    assert len(web.taken) == 1, "what it held back stays unsent"
    at.put(replace(story, version=3, severity="high"))
    at.settle(1000)
    assert web.titles()[1].startswith("[high] escalated: acct-a"), "the silence is over"


def test_what_members_of_a_told_cluster_do_is_told_with_the_cluster(
    either: Store, tmp_path: Path, web: Hook
) -> None:
    at = desk(either, tmp_path, web)
    ring = incident("ring", kind="coordinated_accounts", account_id="", sentence="20 accounts act")
    at.put(incident("early"))
    at.settle(1000)
    put_cluster(either, "ring", "medium", "acct-early", "acct-late", "acct-worse")
    at.put(incident("late"))
    at.settle(1000)
    assert len(web.taken) == 2, "nobody heard of the cluster yet"
    at.put(ring)
    at.settle(1000)
    at.put(
        replace(incident("early"), version=2, sentence="again"),
        incident("late-2", account_id="acct-late"),
        incident("worse", severity="high"),
        incident("stranger"),
    )
    at.settle(1000)
    assert sorted(one.split()[2] for one in web.titles()[3:]) == ["acct-stranger", "acct-worse"]
    assert ("late-2", "grouped", "ring") in rows(either, "incident_id, state, suppression_id")
    ended = [incident("early"), incident("late-2", account_id="acct-late")]
    at.put(*(replace(one, version=9, state="resolved", resolved_at=at.now) for one in ended))
    at.settle(REOPEN + 6000)
    assert [one.split()[2] for one in web.titles()[5:]] == ["acct-early"], "as it was told of"


def test_a_silence_holds_back_what_waits_for_its_next_try(store: Store, tmp_path: Path) -> None:
    with hook(lambda _: 500) as web:
        at = desk(store, tmp_path, web)
        at.put(incident("a"))
        at.settle(1000)
        silence = People(store, lambda: at.now).silence(
            ["acct-a"], [], [], "ops", "known", at.now + MINUTE, "ann"
        )
        at.pass_time(20_000)
        assert len(web.all) == 1
        assert rows(store, "state, suppression_id") == [("silenced", silence)]


def test_nobody_hears_of_the_end_of_what_was_silenced(
    store: Store, tmp_path: Path, web: Hook
) -> None:
    at = desk(store, tmp_path, web)
    People(store, lambda: at.now).silence(["*-a"], [], [], "o", "r", at.now + MINUTE, "ann")
    story = incident("a")
    at.settle(1000)
    at.put(story)
    at.settle(1000)
    at.put(replace(story, version=2, state="resolved", resolved_at=at.now))
    at.settle(REOPEN + MINUTE)
    at.settle(6000)
    assert web.all == []


def test_of_the_end_hears_who_heard_of_it(store: Store, tmp_path: Path, web: Hook) -> None:
    with hook() as pager:
        text = channel(tmp_path, "hook", web.address()) + channel(tmp_path, "p", pager.address())
        text += '[[routes]]\nname = "m"\nchannel = "hook"\nseverities = ["medium"]\n'
        text += '[[routes]]\nname = "h"\nchannel = "p"\nseverities = ["high"]\n'
        at = Desk(store, policy(text))
        at.settle()
        People(store, lambda: at.now).silence(["*-a"], [], [], "o", "r", at.now + MINUTE, "ann")
        story = incident("a")
        at.settle(1000)
        at.put(story)
        at.settle(1000)
        at.settle(MINUTE)
        at.put(replace(story, version=2, severity="high"))
        at.settle(1000)
        over = replace(story, version=3, severity="high", state="resolved", resolved_at=at.now)
        at.put(over)
        at.settle(REOPEN + 6000)
        assert [one.split(" ")[1] for one in pager.titles()] == ["escalated:", "resolved:"]
        assert web.all == [], "the silence kept its opening from this channel"


def test_the_hour_that_counts_is_that_of_the_change(
    store: Store, tmp_path: Path, web: Hook
) -> None:
    at = desk(store, tmp_path, web, ROUTE + 'hours = "09:00-17:00"\n')
    at.now = 1_780_074_000_000 - 1000  # a second before 17:00 UTC
    at.put(incident("a"))
    at.settle(2000)
    at.put(incident("b"))
    at.settle(1000)
    assert [one.split()[2] for one in web.titles()] == ["acct-a"]
