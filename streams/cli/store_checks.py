"""The checks of `pulse doctor` that look at the store: there, ours, current, on time."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from streams.cli.opening import opened
from streams.cli.sql import answer
from streams.cli.verdict import Check, note, off, ok
from streams.errors import DataDirectoryLocked, PulseError, SchemaTooNew
from streams.settings import Settings
from streams.storage import migrations
from streams.storage.base import Store

__all__ = ["owner", "store_checks"]

ENOUGH_DISK = 2 * 1024**3
#: A worker refuses events further ahead than `max_ahead`; a tenth of a minute is already odd.
SKEW_S = 5.0


def store_checks(settings: Settings) -> Iterator[Check]:
    """The server, or the embedded directory."""
    if settings.store:
        yield from _server(settings)
    else:
        yield from _directory(settings)


def owner(settings: Settings) -> str:
    """Process that holds the embedded directory; empty when none does."""
    import fcntl

    try:
        lock = os.open(Path(settings.data) / "lock", os.O_RDONLY)
    except OSError:
        return ""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
    finally:
        os.close(lock)
    return ""


def _server(settings: Settings) -> Iterator[Check]:
    try:
        with opened(settings) as store:
            version = _single(store, "SELECT version() AS v")
            yield ok("store", f"ClickHouse {version} answers")
            yield _schema(lambda: migrations.check(store))
            before = time.time()
            theirs = float(_single(store, "SELECT toUnixTimestamp64Milli(now64(3)) AS v")) / 1000
            yield _skew(theirs - (before + time.time()) / 2)
    except PulseError as error:
        yield off("store", str(error), "check PULSE_STORE and PULSE_STORE_* (`pulse settings`)")


def _skew(seconds: float) -> Check:
    found = f"the store's clock is {seconds:+.1f} s from this machine's"
    if abs(seconds) > SKEW_S:
        return off("clock skew", found, "let NTP set both clocks (timedatectl set-ntp true)")
    return ok("clock skew", found)


def _directory(settings: Settings) -> Iterator[Check]:
    directory = Path(settings.data)
    if not directory.exists():
        yield note("data", f"{directory} is not there yet: the first `pulse up` makes it")
        yield _disk(directory.absolute())
        return
    if not directory.is_dir() or not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        yield off(
            "data", f"{directory}: not a directory this user may write", "choose another --data"
        )
        return
    holder = owner(settings)
    yield ok("data", f"{directory}, " + (f"owned by process {holder}" if holder else "not in use"))
    yield _disk(directory)
    if holder:
        yield _through_owner(settings, holder)
    else:
        try:
            with opened(settings, wait=1.0) as store:
                yield _schema(lambda: migrations.check(store))
        except DataDirectoryLocked as error:
            yield note("schema", f"not looked at: {error}")
        except PulseError as error:
            yield off("store", str(error), f"`pulse sql 'SELECT 1' --data {directory}` shows more")


def _through_owner(settings: Settings, holder: str) -> Check:
    """Does the process that owns the directory answer, and with which schema?"""
    wanted = len(migrations.load())
    try:
        content = answer(settings, "SELECT max(version) FROM schema_migrations", "TabSeparated")
    except PulseError as error:
        return off("store", str(error), f"stop process {holder} and start it again")
    version = int(content)
    if version != wanted:
        found = f"schema {version:04d}, this program has {wanted:04d}"
        return off("schema", found, f"restart process {holder} with this version")
    return ok("schema", f"{version:04d}, told by process {holder}")


def _schema(check: Callable[[], None]) -> Check:
    try:
        check()
    except SchemaTooNew as error:
        return off("schema", str(error), "pip install --upgrade usage-pulse")
    except PulseError as error:
        return off("schema", str(error), "pulse migrate")
    return ok("schema", f"{len(migrations.load()):04d}, current")


def _disk(directory: Path) -> Check:
    existing = next(place for place in (directory, *directory.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    found = f"{free / 1024**3:.1f} GiB free"
    if free < ENOUGH_DISK:
        return off("disk", found, "make room: at least 2 GiB")
    return ok("disk", found)


def _single(store: Store, sql: str) -> str:
    return str(store.query(sql)["v"][0].as_py())
