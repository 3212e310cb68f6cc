"""The checks of `pulse doctor`, one small function each: settings in, what was found out.

This module looks at the machine and the broker; `streams.cli.store_checks` at the store.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import socket
import sys
import time
from collections.abc import Iterator

from packaging.requirements import Requirement

from streams.cli.store_checks import owner, store_checks
from streams.cli.verdict import Check, note, off, ok
from streams.errors import PulseError, UsageError
from streams.settings import Settings

__all__ = ["examine"]

OLDEST_PYTHON = (3, 11)
#: 2025-01-01: an earlier clock was never set.
EARLIEST_CLOCK = 1_735_689_600


def examine(settings: Settings) -> Iterator[Check]:
    """Every check in order, each as soon as it is done."""
    yield python()
    yield packages()
    yield clock()
    yield java()
    yield from broker(settings)
    yield from store_checks(settings)
    yield port(settings)


def python() -> Check:
    """The interpreter."""
    found = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info < OLDEST_PYTHON:
        return off("python", found, "install Python 3.11 or newer")
    return ok("python", found)


def packages() -> Check:
    """What pyproject.toml asks for, against what is installed."""
    wanted = [Requirement(text) for text in importlib.metadata.requires("usage-pulse") or ()]
    needed = [need for need in wanted if need.marker is None or need.marker.evaluate({"extra": ""})]
    wrong = []
    for need in needed:
        try:
            version = importlib.metadata.version(need.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{need.name} is missing")
            continue
        if not need.specifier.contains(version, prereleases=True):
            wrong.append(f"{need.name} {version} does not fit {need.specifier}")
    if wrong:
        return off("packages", "; ".join(wrong), "make setup")
    return ok("packages", f"{len(needed)} of {len(needed)} as pyproject.toml wants them")


def clock() -> Check:
    """The machine's clock was set at all; the store's clock is compared with it further down."""
    now = time.time()
    found = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < EARLIEST_CLOCK:
        return off("clock", found, "set the clock (timedatectl set-ntp true)")
    return ok("clock", found)


def java() -> Check:
    """Only the tests against a real Kafka want it."""
    missing = [name for name in ("java", "mvn") if shutil.which(name) is None]
    if missing:
        return note(
            "java",
            f"{' and '.join(missing)} not found: tests against a real Kafka are skipped",
            "on Debian: apt-get install default-jre-headless maven",
        )
    return ok("java", "java and mvn found (for tests against a real Kafka)")


def broker(settings: Settings) -> Iterator[Check]:
    """Reachable, and with our topics on it."""
    if not settings.broker:
        yield ok("broker", "embedded, started with `pulse up` and `pulse demo`")
        return
    from streams.broker.admin import lag, ping

    mend = "check PULSE_BROKER and PULSE_BROKER_* (`pulse settings`)"
    try:
        answering = ping(settings)
    except PulseError as error:
        yield off("broker", str(error), mend)
        return
    yield ok("broker", f"Kafka at {settings.broker} answers, brokers: {len(answering.brokers)}")
    try:
        partitions = lag(settings)
    except UsageError as error:
        yield off("topics", str(error), "pulse topics create")
        return
    except PulseError as error:
        yield off("topics", str(error), mend)
        return
    behind = sum(partition.lag for partition in partitions)
    yield ok(
        "topics", f"{settings.topic}: {len(partitions)} partitions, {behind:,} messages behind"
    )
    if settings.coordination:
        yield signals(settings)


def signals(settings: Settings) -> Check:
    """Without its topic the workers leave coordination out."""
    from streams.broker.admin import partitions

    count = partitions(settings)[settings.signals_topic]
    if not count:
        found = f"Kafka has no topic {settings.signals_topic}: no worker looks for groups"
        return off("signals", found, "pulse topics create, then restart the workers")
    return ok("signals", f"{settings.signals_topic}: {count} partitions")


def port(settings: Settings) -> Check:
    """The page's port, unless our own worker has it."""
    place = f"{settings.host}:{settings.port}"
    if settings.port == 0:
        return ok("port", "a free one is taken")
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            worker = None if settings.store else owner(settings)
            if worker:
                return ok("port", f"{place} is taken, and process {worker} owns the data directory")
            reason = error.strerror or os.strerror(error.errno or 0)
            return off(
                "port", f"{place}: {reason}", "choose another one with PULSE_PORT, 0 for any"
            )
    return ok("port", f"{place} is free")
