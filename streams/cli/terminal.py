"""The live view in a terminal: what the local page says, in 24 lines; beside a running worker.

Says the same as the page because both take their words from `dashboards.live.words`. Where the
output is not a terminal, one plain line every few seconds takes its place.
"""

from __future__ import annotations

import asyncio
import contextlib
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, cast

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dashboards.live.model import Incident, Status, is_open
from dashboards.live.words import chance, compact, count, duration, verdict

__all__ = ["LiveView", "plain_line", "render", "shown"]

_REFRESH = 4.0
_PLAIN_EVERY = 5.0
_HEAD_LINES, _FOOT_LINES = 5, 4
_STYLES = {"critical": "red", "high": "red", "medium": "yellow", "warning": "yellow"}
_RESOLVED_SHOWN = 1


def shown(text: str) -> str:
    """A name as it may stand in a terminal: nothing in it moves the cursor or turns the direction."""
    return "".join("�" if unicodedata.category(c) in _UNPRINTABLE else c for c in text)


_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def render(status: Mapping[str, Any], *, url: str = "") -> RenderableType:
    """The whole view; takes the height it is given, dropping accounts before incidents."""
    return _View(cast(Status, status), url)


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
    def __init__(self, status: Status, url: str) -> None:
        self._status = status
        self._url = url

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # One line is left to the prompt; a view as high as the screen would scroll it.
        height = (options.height or console.size.height) - 1
        width = options.max_width
        room = max(height - _HEAD_LINES - _FOOT_LINES, 4)
        incidents = _incidents(self._status, width, max(room - 4, 2))
        hottest = _hottest(self._status, width, room - len(incidents) - 2)
        yield from _head(self._status, self._url, width)
        yield from incidents
        if hottest is not None:
            yield Text("")
            yield hottest
        yield Text("")
        yield from _foot(self._status, width)


def _head(status: Status, url: str, width: int) -> list[Text]:
    said = verdict(status)
    left = Text.assemble(("Usage Pulse", "bold"), ("  " + status["mode"], "dim"))
    right = Text(url or "", "underline" if url else "")
    left.append(" " * max(width - left.cell_len - right.cell_len, 2))
    left.append_text(right)
    figures = Text.assemble(
        *((f"{compact(status['rate'])}", "bold"), " events/s   "),
        *((f"{count(status['stored'])}", "bold"), " stored   "),
        *((f"{count(status['lag'])}", "bold"), " behind   "),
        *((_delay(status), "bold"), " delay"),
    )
    opened = sum(1 for incident in status["incidents"] if is_open(incident))
    colour = "bold red" if opened else "bold" if said.trusted else "bold yellow"
    detail = Text(shown(said.detail), "dim" if said.trusted else "yellow")
    lines = [left, Text(said.heading, colour), detail, figures, Text("")]
    return [_fitted(line, width) for line in lines]


def _delay(status: Status) -> str:
    delay = status["delay_ms"]
    return f"{duration(delay['p50'])} (p99 {duration(delay['p99'])})" if delay else "–"


def _incidents(status: Status, width: int, room: int) -> list[Text]:
    """Every open incident in two lines, then what was resolved last, as far as the room goes."""
    opened = [incident for incident in status["incidents"] if is_open(incident)]
    resolved = [incident for incident in status["incidents"] if not is_open(incident)]
    wanted = opened + resolved[:_RESOLVED_SHOWN]
    if not wanted:
        return [Text("No incident is open.", "dim")]
    fit = wanted[: max(1, room // 2)]
    if len(fit) < len(wanted):
        fit = wanted[: max(1, (room - 1) // 2)]
    lines = [line for incident in fit for line in _incident(incident, width)]
    hidden = len(opened) - sum(1 for incident in fit if is_open(incident))
    if hidden > 0:
        lines.append(Text(f"  and {hidden} more open", "dim"))
    return lines


def _incident(incident: Incident, width: int) -> list[Text]:
    opened = is_open(incident)
    colour = _STYLES.get(incident["severity"].lower(), "") if opened else "dim"
    sentence = Text(shown(incident["sentence"]), "bold" if opened else "dim")
    first = Text.assemble(("▌ ", colour), sentence)
    second = Text.assemble(
        *(("▌ ", colour), (shown(incident["severity"]), colour)),
        (f", {chance(incident['p_value'])} by chance", "" if opened else "dim"),
        (f", since {_clock(incident['started_at'])}Z, {shown(incident['state'])}", "dim"),
        (f", silent below {count(incident['threshold'])}", "dim"),
    )
    return [_fitted(first, width), _fitted(second, width)]


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


def _foot(status: Status, width: int) -> list[Text]:
    store, broker = status["store"], status["broker"]
    write = f" {duration(store['write_ms'])}" if store["write_ms"] is not None else ""
    first = Text.assemble(
        ("pipeline  ", "dim"),
        *_side("store", store["ok"], write),
        *_side("broker", broker["ok"], ""),
        f"{count(status['accounts'])} accounts  ",
        f"{len(status['partitions'])} partitions",
    )
    alert = status["alert_ms"]
    second = Text.assemble(
        (f"          {count(status['dead'])} dead letters  ", ""),
        f"{count(status['duplicates'])} duplicates  ",
        f"{count(status['late'])} late ({count(status['too_late'])} too late)  ",
        f"alert after {duration(alert['p99'])}" if alert else "",
    )
    return [_fitted(first, width), _fitted(second, width)]


def _side(name: str, ok: bool, more: str) -> tuple[tuple[str, str], str]:
    return (f"{name} {'ok' + more if ok else 'FAILING'}", "" if ok else "bold red"), "  "


def _fitted(line: Text, width: int) -> Text:
    line.truncate(width, overflow="ellipsis")
    line.no_wrap = True
    return line


def _clock(at: int, *, seconds: bool = False) -> str:
    moment = datetime.fromtimestamp(max(at, 0) / 1000, UTC)
    return moment.strftime("%H:%M:%S" if seconds else "%H:%M")


class LiveView:
    """Shows the status until it is left; `run` in a task, or `async with` around the work.

    Args:
        status: called in the running loop; must not block.
        url: address of the local page.
        console: where to show it; standard output by default.
    """

    def __init__(
        self,
        status: Callable[[], Mapping[str, Any]],
        *,
        url: str = "",
        console: Console | None = None,
        refresh: float = _REFRESH,
        plain_every: float = _PLAIN_EVERY,
    ) -> None:
        self._status = status
        self._url = url
        self._console = console or Console()
        self._refresh = refresh
        self._plain_every = plain_every
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

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _live(self) -> None:
        # No alternate screen: log lines stay readable above, the last view stays behind.
        view = render(self._status(), url=self._url)
        with Live(view, console=self._console, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(1 / self._refresh)
                live.update(render(self._status(), url=self._url), refresh=True)

    async def _plain(self) -> None:
        told: dict[str, str] = {}
        if self._url:
            self._say(f"page: {self._url}")
        while True:
            status = self._status()
            self._say(plain_line(status))
            for incident in cast(Status, status)["incidents"]:
                phase = "open" if is_open(incident) else "resolved"
                if told.get(incident["incident_id"]) != phase:
                    told[incident["incident_id"]] = phase
                    self._say(f"  {phase} [{incident['severity']}]: {incident['sentence']}")
            await asyncio.sleep(self._plain_every)

    def _say(self, line: str) -> None:
        self._console.print(Text(shown(line)), soft_wrap=True)
