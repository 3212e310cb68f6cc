"""The live view in a terminal: what the local page says, in 24 lines; beside a running worker.

Says the same as the page because both take their words from `dashboards.live.words`. Where the
output is not a terminal, one plain line every few seconds takes its place.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dashboards.live.model import Incident, Status, is_open
from dashboards.live.words import chance, compact, count, duration, verdict

if TYPE_CHECKING:
    from streams.scoreboard import Scoreboard

__all__ = ["LiveView", "plain_line", "render", "shown"]

_REFRESH = 4.0
_PLAIN_EVERY = 5.0
_ACCOUNTS_LEAST = 4
_STYLES = {"critical": "red", "high": "red", "medium": "yellow", "warning": "yellow"}
_RESOLVED_SHOWN = 1


def shown(text: str) -> str:
    """Text as it may stand in a terminal: nothing in it moves the cursor or turns the direction."""
    return "".join("�" if _unprintable(character) else character for character in text)


def _unprintable(character: str) -> bool:
    # Joiners are format characters too, but Persian and many emoji cannot be written without.
    return unicodedata.category(character) in _UNPRINTABLE and character not in "\u200c\u200d"


_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def render(status: Mapping[str, Any], *, url: str = "", note: str = "") -> RenderableType:
    """The whole view; takes the height it is given, dropping accounts before incidents."""
    return _View(cast(Status, status), url, note)


def plain_line(status: Mapping[str, Any]) -> str:
    """The view in one line, for logs and pipes."""
    now = cast(Status, status)
    parts = [
        _clock(now["now"], seconds=True) + "Z",
        f"{compact(now['rate'])} events/s",
        f"{count(now['stored'])} stored",
        f"lag {count(now['lag'])}",
        f"delay {_delay(now)}",
        verdict(now).heading.rstrip("."),
    ]
    return ", ".join(parts)


class _View:
    def __init__(self, status: Status, url: str, note: str) -> None:
        self._status = status
        self._url = url
        self._note = note

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # One line is left to the prompt; a view as high as the screen would scroll it.
        height = (options.height or console.size.height) - 1
        paper = _Paper(console, options.max_width)
        head, foot = _head(self._status, self._url, paper), _foot(self._status, paper)
        if self._note:
            head += paper.lines(Text(shown(self._note), "cyan"), most=2)
        room = height - len(head) - len(foot) - 3
        incidents = _incidents(self._status, paper, max(room - _ACCOUNTS_LEAST, 2))
        hottest = _hottest(self._status, paper.width, room - len(incidents) - 1)
        yield from (*head, Text(""), *incidents, Text(""))
        if hottest is not None:
            yield from (hottest, Text(""))
        yield from foot


class _Paper:
    """Cuts text to the width of the view."""

    def __init__(self, console: Console, width: int) -> None:
        self.console = console
        self.width = width

    def lines(self, text: Text, most: int = 1) -> list[Text]:
        """At most so many lines; what does not fit ends in an ellipsis."""
        wrapped = list(text.wrap(self.console, self.width)) if most > 1 else [text]
        if len(wrapped) > most:
            rest = Text(" ").join([line for line in wrapped[most - 1 :] if line])
            wrapped = [*wrapped[: most - 1], rest]
        for line in wrapped:
            line.rstrip()
            line.truncate(self.width, overflow="ellipsis")
        return wrapped


def _head(status: Status, url: str, paper: _Paper) -> list[Text]:
    said = verdict(status)
    top = Text.assemble(("Usage Pulse", "bold"), ("  " + status["mode"], "dim"))
    right = Text(url, "underline")
    top.append(" " * max(paper.width - top.cell_len - right.cell_len, 2))
    top.append_text(right)
    figures = Text.assemble(
        *((f"{compact(status['rate'])}", "bold"), " events/s   "),
        *((f"{count(status['stored'])}", "bold"), " stored   "),
        *((f"{count(status['lag'])}", "bold"), " behind   "),
        *((_delay(status), "bold"), " delay"),
    )
    opened = sum(1 for incident in status["incidents"] if is_open(incident))
    colour = "bold red" if opened else "bold" if said.trusted else "bold yellow"
    detail = Text(shown(said.detail), "dim" if said.trusted else "yellow")
    lines = [*paper.lines(top), *paper.lines(Text(said.heading, colour))]
    return [*lines, *paper.lines(detail, most=2), *paper.lines(figures)]


def _delay(status: Status) -> str:
    delay = status["delay_ms"]
    return f"{duration(delay['p50'])} (p99 {duration(delay['p99'])})" if delay else "–"


def _incidents(status: Status, paper: _Paper, room: int) -> list[Text]:
    """Every open incident, then what was resolved last, as far as the room goes."""
    opened = [incident for incident in status["incidents"] if is_open(incident)]
    resolved = [incident for incident in status["incidents"] if not is_open(incident)]
    if not opened and not resolved:
        return [Text("No incident is open.", "dim")]
    lines: list[Text] = []
    for place, incident in enumerate(opened + resolved[:_RESOLVED_SHOWN]):
        block = _incident(incident, paper)
        hidden = len(opened) - place
        if lines and len(lines) + len(block) + (hidden > 1) > room:
            if hidden > 0:
                lines.append(Text(f"  and {hidden} more open", "dim"))
            break
        lines += block
    return lines


def _incident(incident: Incident, paper: _Paper) -> list[Text]:
    """The sentence, in two lines if it must, and how sure, since when, whether it goes on."""
    opened = is_open(incident)
    colour = _STYLES.get(incident["severity"].lower(), "") if opened else "dim"
    inner = _Paper(paper.console, paper.width - 2)
    sentence = inner.lines(Text(shown(incident["sentence"]), "bold" if opened else "dim"), most=2)
    limit = incident["threshold"]
    state = Text.assemble(
        (shown(incident["severity"]), colour),
        (f", {shown(incident['kind'].replace('_', ' '))}", "" if opened else "dim"),
        (f", {chance(incident['p_value'])} by chance", "" if opened else "dim"),
        (f", since {_clock(incident['started_at'])}Z, {shown(incident['state'])}", "dim"),
        (f", silent below {count(limit)}" if math.isfinite(limit) else "", "dim"),
    )
    return [Text.assemble(("▌ ", colour), line) for line in [*sentence, *inner.lines(state)]]


def _hottest(status: Status, width: int, rows: int) -> Table | None:
    """The busiest accounts; those in an open incident carry a mark and the colour."""
    if rows < 1 or not status["hottest"]:
        return None
    flagged = {o["account_id"]: o["severity"] for o in status["incidents"] if is_open(o)}
    table = Table(box=None, padding=(0, 2, 0, 0), width=width, header_style="dim")
    table.add_column("hottest accounts", ratio=1, no_wrap=True, overflow="ellipsis")
    for name in ("1 min", "5 min", "usual 5 min", "tokens 5 min"):
        table.add_column(name, justify="right", no_wrap=True)
    for hot in status["hottest"][:rows]:
        found = hot["account_id"] in flagged
        style = _STYLES.get(flagged.get(hot["account_id"], "").lower(), "bold") if found else ""
        usual = "warming up" if hot["usual_5m"] is None else count(hot["usual_5m"])
        table.add_row(
            Text(("! " if found else "  ") + shown(hot["account_id"]), style),
            Text(count(hot["requests_1m"])),
            Text(count(hot["requests_5m"]), style),
            Text(usual, "dim"),
            Text(compact(hot["tokens_5m"])),
        )
    return table


def _foot(status: Status, paper: _Paper) -> list[Text]:
    store, broker, alert = status["store"], status["broker"], status["alert_ms"]
    write = f" {duration(store['write_ms'])}" if store["write_ms"] is not None else ""
    partitions = len(status["partitions"])
    first = Text.assemble(
        ("pipeline  ", "dim"),
        *_side("store", store["ok"], write),
        *_side("broker", broker["ok"], ""),
        f"{partitions} partition{'' if partitions == 1 else 's'}  ",
        f"alert {duration(alert['p99'])} after its tick" if alert else "no alert yet",
    )
    second = Text.assemble(
        f"          {count(status['dead'])} dead letters  ",
        f"{count(status['duplicates'])} duplicates  ",
        f"{count(status['late'])} late ({count(status['too_late'])} too late)",
    )
    return [*paper.lines(first), *paper.lines(second)]


def _side(name: str, ok: bool, more: str) -> tuple[tuple[str, str], str]:
    return (f"{name} {'ok' + more if ok else 'FAILING'}", "" if ok else "bold red"), "  "


def _clock(at: int, *, seconds: bool = False) -> str:
    moment = datetime.fromtimestamp(max(at, 0) / 1000, UTC)
    return moment.strftime("%H:%M:%S" if seconds else "%H:%M")


class LiveView:
    """Shows the status until it is left; `run` in a task, or `async with` around the work.

    Args:
        status: called in the running loop; must not block.
        url: address of the local page.
        console: where to show it; standard output by default.
        notes: which of the planted attacks were found.
    """

    def __init__(
        self,
        status: Callable[[], Mapping[str, Any]],
        *,
        url: str = "",
        console: Console | None = None,
        refresh: float = _REFRESH,
        plain_every: float = _PLAIN_EVERY,
        notes: Scoreboard | None = None,
    ) -> None:
        self._status = status
        self._url = url
        self._console = console or Console()
        self._refresh = refresh
        self._plain_every = plain_every
        self._notes = notes
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Shows the status until cancelled."""
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            await self._live()
        else:
            await self._plain()

    async def __aenter__(self) -> LiveView:
        self._task = asyncio.create_task(self.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _live(self) -> None:
        # No alternate screen: log lines stay readable above, the last view stays behind.
        with Live(self._rendered(), console=self._console, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(1 / self._refresh)
                live.update(self._rendered(), refresh=True)

    def _rendered(self) -> RenderableType:
        status = self._status()
        note = "" if self._notes is None else self._notes.headline(status["now"])
        return render(status, url=self._url, note=note)

    async def _plain(self) -> None:
        told: dict[str, str] = {}
        if self._url:
            self._say(f"page: {self._url}")
        while True:
            self._say(plain_line(status := self._status()))
            for incident in cast(Status, status)["incidents"]:
                phase = "open" if is_open(incident) else "resolved"
                if told.get(incident["incident_id"]) != phase:
                    told[incident["incident_id"]] = phase
                    self._say(f"  {phase} [{incident['severity']}]: {incident['sentence']}")
            for line in () if self._notes is None else self._notes.news(status["now"]):
                self._say(f"  {line}")
            await asyncio.sleep(self._plain_every)

    def _say(self, line: str) -> None:
        self._console.print(Text(shown(line)), soft_wrap=True)
