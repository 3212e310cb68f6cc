"""How it arrives: retries, dead and hanging channels, mail, templates, and secrets that stay so."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from streams.alerting.notify.notifier import Timing
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
    rows,
)
from tests.support.receivers import Hook, Taken, hook, mails


def test_a_channel_that_refuses_is_asked_again_with_growing_waits(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answers = [500, 429, 503, 200]
    times: list[int] = []

    def answer(_: Taken) -> int:
        times.append(at.now)
        return answers[len(times) - 1]

    with hook(answer) as web:
        at = desk(store, tmp_path, web)
        at.put(incident("a"))
        at.settle(500)
        assert rows(store, "state, attempts") == [("due", 1)]
        at.pass_time(20_000, 250)
        assert [after - before for before, after in pairwise(times)] == [
            1000,
            2000,
            4000,
        ]
        assert len({one.identity for one in web.all}) == 1
        assert rows(store, "state, attempts, error") == [("sent", 4, "")]
    said = [one.getMessage() for one in caplog.records if one.name.startswith("streams")]
    assert said[0].startswith("channel hook: ")
    assert "error=500" in said[0]
    assert said[1:] == ["channel hook: takes messages again"]


def test_a_channel_that_is_dead_for_good_is_given_up_and_told(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with hook() as gone:
        address = gone.address()
    text = channel(tmp_path, "hook", address) + ROUTE
    at = Desk(store, policy(text), timing=Timing(attempts=3))
    at.settle()
    at.put(incident("a"))
    at.pass_time(20_000)
    ((state, attempts, error),) = rows(store, "state, attempts, error")
    assert (state, attempts) == ("failed", 3)
    assert "Connection error" in error
    assert at.notifier.counts == {"failed": 1}
    assert "was given up after 3 attempts" in caplog.records[-1].getMessage()
    at.settle(MINUTE)
    assert rows(store, "state, attempts") == [("failed", 3)], "it stays so"


def test_a_channel_that_hangs_holds_up_no_other(store: Store, tmp_path: Path, web: Hook) -> None:
    hanging = threading.Event()

    def answer(_: Taken) -> int:
        hanging.wait(20)
        return 200

    with hook(answer) as slow:
        text = channel(tmp_path, "slow", slow.address()) + channel(tmp_path, "hook", web.address())
        text += '[[routes]]\nname = "s"\nchannel = "slow"\nseverities = ["high"]\n'
        text += '[[routes]]\nname = "h"\nchannel = "hook"\nseverities = ["medium"]\n'
        at = Desk(store, policy(text))
        at.settle()
        at.put(*(incident(f"slow-{n}", severity="high") for n in range(20)))
        at.notifier.step()
        at.put(incident("a"))
        at.now += 1000
        for _ in range(200):
            at.notifier.step()
            if web.taken:
                break
            hanging.wait(0.02)
        assert len(web.taken) == 1
        assert not slow.all
        hanging.set()
        at.settle()
        assert len(slow.taken) == 20


def test_the_opening_arrives_before_the_end(store: Store, tmp_path: Path) -> None:
    up = False
    with hook(lambda _: 200 if up else 500) as web:
        at = desk(store, tmp_path, web)
        story = incident("a")
        at.put(story)
        at.settle(1000)
        at.put(replace(story, version=2, state="resolved", resolved_at=at.now))
        at.settle(REOPEN + 6000)
        at.settle(6000)
        up = True
        at.pass_time(300_000, 60_000)
        assert [one.split(" ")[1] for one in web.titles()] == ["opened:", "resolved:"]


def test_a_mail_arrives_whole(store: Store, tmp_path: Path) -> None:
    with mails() as post:
        address = post.address() + "&format=html"
        at = Desk(store, policy(channel(tmp_path, "hook", address) + ROUTE))
        at.settle()
        name = "<script>alert(1)</script> & {account} \u202egnp.exe\r\nBcc: x@example.org"
        at.put(incident("a", severity="high", sentence=f"{name} sent 900 requests"))
        at.settle(1000)
        assert rows(store, "state, error") == [("sent", "")]
    (message,) = post.messages
    assert post.envelopes[0][1] == ["<shift@example.org>"]
    subject = "[high] opened: ‹script›alert(1)‹/script› & {account} gnp.exe Bcc: x@example.org sent"
    assert message["Subject"].startswith(subject)
    assert message["Bcc"] is None
    assert message["Idempotency-Key"] == rows(store, "notification_id")[0][0]
    html = message.get_body(("html",))
    assert html is not None
    assert "<script" not in html.get_content()
    assert "&amp;&nbsp;{account}" in html.get_content()


def test_a_mail_that_is_refused_is_tried_again(store: Store, tmp_path: Path) -> None:
    with mails() as post:
        post.refuse = "451 later"
        at = Desk(store, policy(channel(tmp_path, "hook", post.address()) + ROUTE))
        at.settle()
        at.put(incident("a"))
        at.settle(1000)
        assert rows(store, "state, attempts") == [("due", 1)]
        post.refuse = ""
        at.settle(2000)
        assert rows(store, "state, attempts") == [("sent", 2)]
        assert len(post.messages) == 1


SECRET = "s3cr3tT0ken"


@pytest.mark.parametrize(
    "address",
    [
        f"json://user:{SECRET}%40x@127.0.0.1:{{port}}/hooks/{SECRET}?+X-Key={SECRET}",
        f"json://127.0.0.1:1/hooks/{SECRET}",
        f"slack://{SECRET}",
        f"nothing://{SECRET}",
        f"mailto://{SECRET}:{SECRET}@127.0.0.1:1?from=a@example.org&to=b@example.org",
    ],
)
def test_a_secret_shows_up_nowhere(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    caplog.set_level(logging.DEBUG)
    with hook(lambda _: 500) as web:
        text = channel(tmp_path, "hook", address.format(port=web.port)) + ROUTE
        at = Desk(store, policy(text), timing=Timing(attempts=2))
        at.settle()
        at.put(incident("a"))
        at.settle(500)
        ((state, error),) = rows(store, "state, error")
        at.pass_time(10_000)
    assert state == "due"
    assert error.startswith("channel hook: ")
    every = str(store.query("SELECT * FROM notification_log").to_pylist()) + caplog.text
    assert SECRET not in every
    assert "given up" in caplog.text


def test_a_secret_that_is_rotated_holds_at_once(store: Store, tmp_path: Path, web: Hook) -> None:
    at = Desk(store, policy(channel(tmp_path, "hook", "json://127.0.0.1:1/") + ROUTE))
    at.settle()
    at.put(incident("a"))
    at.settle(500)
    channel(tmp_path, "hook", web.address())
    at.settle(2000)
    assert len(web.taken) == 1


def test_a_template_says_what_its_team_wants(store: Store, tmp_path: Path, web: Hook) -> None:
    more = (
        'title = "{{{kind}}} {account} of {org}"\nbody = "{observed}/{expected} {link} {event}"\n'
    )
    at = desk(store, tmp_path, web, more=more)
    names = {
        "braces": "{link}{0}{account.__class__}",
        "control": "a\x00\x1b[31mb\tc",
        "hebrew": "חשבון",
        "turned": "a\u202eb\u2066c",
        "markup": "<b>&amp;</b>",
        "called": "<!channel> @here @everyone <@U1>",
    }
    at.put(*(incident(name, account_id=value) for name, value in names.items()))
    at.settle(1000)
    said = {one.body.split()[1].rsplit("/", 1)[1]: one.title for one in web.taken}
    assert said == {
        "braces": "{burst} {link}{0}{account.__class__} of org-1",
        "control": "{burst} a  [31mb c of org-1",
        "hebrew": "{burst} חשבון of org-1",
        "turned": "{burst} a b c of org-1",
        "markup": "{burst} ‹b›&amp;‹/b› of org-1",
        "called": "{burst} ‹!channel› @\u2060here @\u2060everyone ‹@U1› of org-1",
    }
    assert web.taken[0].body.startswith("900/30 https://")
