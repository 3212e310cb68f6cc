"""`pulse demo`, `up`, `worker` and `replay`: the commands that run the stream."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from streams.cli.main import told
from streams.cli.options import (
    as_json,
    broker_option,
    data_option,
    json_option,
    load_settings,
    require_broker,
    speed_factor,
    store_option,
)
from streams.cli.replay_view import ReplayView, summary_text
from streams.cli.terminal import LiveView
from streams.errors import StoreUnavailable, UsageError
from streams.settings import Settings
from streams.storage.chdb_store import ChdbStore

if TYPE_CHECKING:
    from streams.runtime import Running
    from streams.scoreboard import Scoreboard

__all__ = ["demo", "replay", "up", "worker"]

#: How long the process waits for the threads of the Kafka clients.
_LINGER_S = 2.0
_SCORE_EVERY_S = 2.0

_port_option = click.option("--port", type=int, help="Port of the local page; 0 takes a free one.")


def _logging(settings: Settings) -> None:
    logging.basicConfig(
        level=settings.log_level,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    if settings.log_level != "DEBUG":
        # Their own words for a lost broker are many; ours stand in the status.
        for name in ("faust", "mode", "aiokafka", "kafka"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run `work`; a SIGTERM before it has its own handler ends it cleanly all the same.

    When `work` has ended, everything of ours is stored and closed. Threads of the Kafka clients may
    still wait for a broker that is gone; the process does not wait for them.
    """

    async def guarded() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        failure: Exception | None = None
        try:
            await work
        except Exception as error:
            failure = error
            raise
        finally:
            _end_within(_LINGER_S, failure)

    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(guarded())


def _end_within(seconds: float, failure: Exception | None) -> None:
    def end() -> None:
        code = 0 if failure is None else told(failure)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


@click.command()
@data_option
@_port_option
@click.option(
    "--fresh", is_flag=True, help="Start over: forget the data directory of earlier demos."
)
@click.option("--seed", type=int, default=7, show_default=True, help="Seed of the traffic.")
@click.option("--duration", type=float, metavar="SECONDS", help="Stop by itself after this long.")
@click.pass_context
def demo(
    ctx: click.Context,
    data: str | None,
    port: int | None,
    fresh: bool,
    seed: int,
    duration: float | None,
) -> None:
    """The whole stack in one process, with live traffic and attacks in it.

    A day of history with an attack of each kind comes first, then traffic in real time with one
    every two minutes. Which were found, and how soon, is said as it happens and again at the end.
    A second start goes on from the same data directory. Ctrl-C stops.
    """
    settings = load_settings(
        ctx, data=data, port=port, store="", broker="", time_mode="live", worker=""
    )
    _logging(settings)
    if fresh:
        _forget(Path(settings.data))
    from streams.demo import demo_settings

    settings = demo_settings(settings)
    _run(_demo(settings, seed, duration))


def _forget(directory: Path) -> None:
    """Remove a data directory, and nothing that is not one."""
    if not directory.exists():
        return
    if not (directory / "lock").exists():
        raise UsageError(
            f"--fresh: {directory} is no data directory of ours (no file `lock` in it)"
        )
    ChdbStore(directory).close()  # raises when somebody works there
    shutil.rmtree(directory)


async def _demo(settings: Settings, seed: int, duration: float | None) -> None:
    from streams.demo import demo_traffic
    from streams.runtime import running, until_signal
    from streams.scoreboard import Scoreboard

    scoreboard = Scoreboard()
    async with running(settings, "demo") as run:
        until_signal(run)
        run.worker.heartbeats = False  # until the history is in
        gone = threading.Event()
        sending = asyncio.to_thread(demo_traffic, run, scoreboard, seed, gone.is_set)
        traffic = asyncio.ensure_future(sending)
        traffic.add_done_callback(lambda done: run.stopping.set())
        if duration is not None:
            asyncio.get_running_loop().call_later(duration, run.stopping.set)
        if run.sql_url:
            click.echo(f"SQL: {run.sql_url}")
        try:
            async with LiveView(run.status, url=run.url, notes=scoreboard):
                await _followed(run, scoreboard)
        finally:
            gone.set()
        await traffic
        if told := scoreboard.summary(run.status()["now"]):
            click.echo(told)


async def _followed(run: Running, scoreboard: Scoreboard) -> None:
    """Until the demonstration ends: the scoreboard learns what was found."""

    async def look() -> None:
        with contextlib.suppress(StoreUnavailable):  # the status tells it
            await scoreboard.follow(run.query)

    async def follow() -> None:
        while True:
            await look()
            await asyncio.sleep(_SCORE_EVERY_S)

    following = asyncio.ensure_future(follow())
    try:
        await run.wait()
        await look()
    finally:
        following.cancel()


@click.command()
@data_option
@store_option
@broker_option
@_port_option
@click.pass_context
def up(
    ctx: click.Context, data: str | None, store: str | None, broker: str | None, port: int | None
) -> None:
    """The whole stack in one process, for your own traffic.

    Prints the broker's address to send events to, and the page's. Ctrl-C stops.
    """
    settings = load_settings(ctx, data=data, store=store, broker=broker, port=port)
    _logging(settings)
    _run(_serve(settings, "up"))


@click.command()
@store_option
@broker_option
@data_option
@_port_option
@click.pass_context
def worker(
    ctx: click.Context, store: str | None, broker: str | None, data: str | None, port: int | None
) -> None:
    """One production worker: Kafka to ClickHouse to alerts.

    Start as many as there are partitions; each takes its share. SIGTERM stops within seconds.
    """
    settings = load_settings(ctx, store=store, broker=broker, data=data, port=port)
    require_broker(settings)
    _logging(settings)
    _run(_serve(settings, "worker"))


async def _serve(settings: Settings, mode: str) -> None:
    from streams.runtime import running, until_signal

    async with running(settings, mode) as run:
        until_signal(run)
        click.echo(f"broker {run.broker}, topic {settings.topic}")
        click.echo(f"page   {run.url}")
        if run.sql_url:
            click.echo(f"SQL    {run.sql_url}")
        await run.wait()


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@data_option
@click.option(
    "--speed", default="max", show_default=True, metavar="max|N", help="N times real time."
)
@click.option(
    "--as", "trace_format", metavar="FORMAT", help="Format of the files; guessed from the name."
)
@click.option("--accounts", type=int, help="Accounts given to a trace that has none.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of those accounts.")
@json_option
@click.pass_context
def replay(
    ctx: click.Context,
    files: tuple[Path, ...],
    data: str | None,
    speed: str,
    trace_format: str | None,
    accounts: int | None,
    seed: int,
    json_: bool,
) -> None:
    """Send stored traffic through the whole path and print a summary.

    Formats: ndjson (our own events, also gzipped), azure, mooncake, coortweet. Every row has an
    identity of its own, so replaying a file again changes nothing.
    """
    settings = load_settings(
        ctx, data=data, store="", broker="", worker="", time_mode="replay", heartbeat=0.0
    )
    _logging(settings)
    from streams.replay import Plan

    plan = Plan(files, trace_format, accounts, seed, speed_factor(speed))
    _run(_replay(settings, plan, json_))


async def _replay(settings: Settings, plan: Any, json_: bool) -> None:
    from dataclasses import asdict

    from streams.replay import checked, replay
    from streams.runtime import running, until_signal

    checked(plan)
    async with running(settings, "replay", page=False) as run:
        until_signal(run)
        with ReplayView(Console(stderr=True), run.status) as view:
            summary = await replay(run, plan, view.update)
    click.echo(as_json(asdict(summary)) if json_ else summary_text(summary))
