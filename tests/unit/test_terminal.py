"""The terminal view: fits the screen, keeps incidents, obeys nothing that a name says."""

from __future__ import annotations

import asyncio
import io
import math
from typing import Any

import pytest
from rich.console import Console

from streams.cli.terminal import LiveView, plain_line, render, shown
from streams.scoreboard import Scoreboard
from streams.traffic.simulate.truth import TruthRow
from tests.unit.test_page_server import full_incident
from tests.unit.test_page_words import worker


def lines(status: Any, *, width: int = 80, height: int = 24) -> list[str]:
    console = Console(
        file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None
    )
    with console.capture() as capture:
        console.print(render(status, url="http://127.0.0.1:8470/"))
    return capture.get().splitlines()


def hot(account: str, usual: float | None = 20.0) -> dict[str, Any]:
    figures = {"requests_1m": 5, "requests_5m": 30, "tokens_5m": 9000, "usual_5m": usual}
    return {"account_id": account, **figures}


def busy(open_incidents: int, accounts: int) -> Any:
    incidents = [
        full_incident(f"acct-{n}") | {"incident_id": str(n)} for n in range(open_incidents)
    ]
    return worker(incidents=incidents, hottest=[hot(f"acct-{n}") for n in range(accounts)])


@pytest.mark.parametrize("open_incidents", [0, 1, 3, 40])
@pytest.mark.parametrize("accounts", [0, 3, 40])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 20), (200, 60)])
def test_it_fits(open_incidents: int, accounts: int, width: int, height: int) -> None:
    shown_lines = lines(busy(open_incidents, accounts), width=width, height=height)
    assert len(shown_lines) < height
    assert all(len(line) <= width for line in shown_lines)
    text = "\n".join(shown_lines)
    assert "pipeline" in text
    assert "http://127.0.0.1:8470/" in text
    if open_incidents:
        assert "acct-0 sent 1,240 requests in 5 minutes" in text
        assert "high, token burst, 1 in 90,000 by chance, since 14:26Z" in text
    if open_incidents == 40:
        assert "more open" in text


def test_all_open_incidents_are_either_shown_or_counted() -> None:
    text = "\n".join(lines(busy(40, 5)))
    told = text.count("sent 1,240 requests")
    assert f"and {40 - told} more open" in text


def test_a_threshold_that_nothing_reaches_is_not_shown() -> None:
    incident = full_incident("acct-0")
    assert "silent below 118" in "\n".join(lines(worker(incidents=[incident])))
    incident["threshold"] = math.inf
    text = "\n".join(lines(worker(incidents=[incident])))
    assert "token burst" in text
    assert "silent" not in text


def test_names_cannot_style_nor_steer_the_terminal() -> None:
    name = "[red]x[/red]\x1b]0;owned\x07\u202e\n"
    text = "\n".join(lines(worker(incidents=[full_incident(name)], hottest=[hot(name)])))
    assert text.count("[red]x[/red]") == 2
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert shown("می‌خواهم") == "می‌خواهم"


def test_the_warming_up_and_the_flagged_carry_words_not_only_colours() -> None:
    text = "\n".join(
        lines(worker(incidents=[full_incident("a-1")], hottest=[hot("a-1"), hot("b", None)]))
    )
    assert "! a-1" in text
    assert "warming up" in text


def test_a_failing_store_stands_in_the_strip_and_the_heading() -> None:
    store = {"ok": False, "sentence": "ClickHouse at db:9000 does not answer", "write_ms": None}
    text = "\n".join(lines(worker(store=store)))
    assert "store FAILING" in text
    assert "ClickHouse at db:9000 does not answer" in text
    assert "All clear" not in text


def test_the_plain_line_says_what_matters() -> None:
    line = plain_line(worker(incidents=[full_incident()]))
    assert line == (
        "14:31:00Z, 100 events/s, 5,000 stored, lag 0, delay 0.3 s (p99 0.9 s), "
        "One incident needs you"
    )


def test_outside_a_terminal_each_incident_is_told_once() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80)
    state = {"now": worker()}

    async def scenario() -> None:
        async with LiveView(
            lambda: state["now"], console=console, url="http://x/", plain_every=0.02
        ):
            await asyncio.sleep(0.05)
            state["now"] = worker(incidents=[full_incident("[b]a")])
            await asyncio.sleep(0.15)
            state["now"] = worker(incidents=[full_incident("[b]a") | {"state": "resolved"}])
            await asyncio.sleep(0.1)

    asyncio.run(scenario())
    text = out.getvalue()
    assert "\x1b" not in text
    assert text.count("open [high]: [b]a sent 1,240 requests in 5 minutes") == 1
    assert text.count("resolved [high]:") == 1
    assert text.startswith("page: http://x/\n14:31:00Z, 100 events/s")


def scoreboard(now_ms: int) -> Scoreboard:
    """A burst that was found after 12 s, a drift that was not, and one that is yet to come."""
    found = Scoreboard()
    found.plant(
        [
            TruthRow("b", "burst", "acct-1", now_ms - 60_000, now_ms - 1, 9, 1, 9, ""),
            TruthRow("d", "use_case_drift", "acct-2", now_ms - 7_290_000, now_ms, 0.5, 1, 0, ""),
            TruthRow("r", "ramp", "acct-3", now_ms + 60_000, now_ms + 90_000, 9, 1, 9, ""),
        ],
        now_ms - 90_000,
    )
    finding = {"account_id": "acct-1", "detector": "burst", "kind": "burst"}
    found.see(
        [
            finding | {"at": now_ms - 90_000, "sentence": "before the attack"},
            finding | {"at": now_ms - 48_000, "sentence": "acct-1 sent 900 requests"},
            finding | {"at": now_ms - 40_000, "sentence": "acct-1 goes on"},
        ]
    )
    return found


def test_a_ring_is_found_when_somebody_speaks_of_the_group() -> None:
    board = Scoreboard()
    ring = [
        TruthRow("c", "coordinated", f"acct-{n}", 1000 * n, 9_000_000, 1, 1, 0, "")
        for n in range(5)
    ]
    board.plant(ring, 0)
    one = {"account_id": "acct-0", "detector": "low_and_slow", "kind": "template_spam"}
    board.see([one | {"at": 60_000, "sentence": "acct-0 alone"}])
    assert (
        board.headline(70_000) == "1 attacks planted, 0 found; not yet: coordinated on 5 accounts"
    )
    group = one | {"detector": "coordination", "kind": "coordinated_accounts"}
    board.see([group | {"at": 120_000, "sentence": "5 accounts pushed the same template"}])
    assert "coordinated     5 accounts     found after 2 min, by coordination" in board.summary(
        200_000
    )


def test_planted_attacks_stand_in_the_view_with_what_was_found() -> None:
    status = busy(40, 40)
    note = scoreboard(status["now"]).headline(status["now"])
    assert note == (
        "2 attacks planted, 1 found; not yet: use case drift on acct-2; found burst after 12 s"
    )
    console = Console(file=io.StringIO(), width=80, height=24, force_terminal=True)
    with console.capture() as capture:
        console.print(render(status, note=note + " and more" * 40))
    shown_lines = capture.get().splitlines()
    assert len(shown_lines) < 24
    assert "2 attacks planted, 1 found" in capture.get()


def test_planted_attacks_are_told_once_and_summed_up_at_the_end() -> None:
    out = io.StringIO()
    status = worker()
    notes = scoreboard(status["now"])

    async def scenario() -> None:
        console = Console(file=out, width=80)
        async with LiveView(lambda: status, console=console, plain_every=0.02, notes=notes):
            await asyncio.sleep(0.1)

    asyncio.run(scenario())
    text = out.getvalue()
    assert text.count("planted: burst on acct-1, 30 s into real time") == 1
    assert text.count("planted: use case drift on acct-2, 2 h before real time") == 1
    assert text.count("found: burst on acct-1 after 12 s, by burst as burst") == 1
    assert "acct-3" not in text
    summary = notes.summary(status["now"]).splitlines()
    assert summary[0] == "attacks: 2 planted, 1 found"
    assert "not found" in summary[1]
    assert summary[3].strip() == "acct-1 sent 900 requests"


def test_in_a_terminal_the_view_follows_the_status_and_leaves_it_in_order() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, height=24, force_terminal=True)
    state = {"now": worker()}

    async def scenario() -> None:
        async with LiveView(lambda: state["now"], console=console, refresh=50):
            await asyncio.sleep(0.1)
            state["now"] = worker(incidents=[full_incident("acct-9")])
            await asyncio.sleep(0.1)

    asyncio.run(scenario())
    text = out.getvalue()
    assert text.index("All clear.") < text.index("One incident needs you.")
    assert text.rstrip().endswith("\x1b[?25h")  # the cursor is given back
