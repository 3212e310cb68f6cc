"""Notes on disk about messages under way, for whoever comes after a kill.

Beside the outbox: the store says what is to be sent, a note says how far the sending came. Each
courier has a tray, a folder with one note a message, and holds a lock on it while it lives; a tray
whose lock can be had belonged to a dead one. Notes are never needed to know what to send: without
them a message that was being sent is sent again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from streams.errors import PulseError

__all__ = ["Note", "Spool", "Tray", "default_spool"]

Stage = Literal["waiting", "begun", "through"]
_STAGES: Final = ("waiting", "begun", "through")
_LOCK: Final = "lock"
_SUFFIX: Final = ".json"


@dataclass(frozen=True, slots=True)
class Note:
    """How far a message came: not begun, begun, or through, with what went wrong and when (ms)."""

    notification_id: str
    version: int
    stage: Stage
    error: str = ""
    at: int = 0
    alive: bool = False  # its courier is


class Tray:
    """Notes of one courier; the process that made it and its courier write them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, note: Note) -> None:
        """The note of a message, in place of what was said of it before."""
        said = [note.version, note.stage, note.error, note.at]
        file = self._file(note.notification_id)
        draft = file.with_suffix(f".{secrets.token_hex(4)}")
        draft.write_text(json.dumps(said), encoding="utf-8")
        draft.replace(file)

    def drop(self, names: Iterable[str]) -> None:
        """What became of these messages stands in the store."""
        for name in names:
            self._file(name).unlink(missing_ok=True)

    def notes(self, alive: bool) -> list[Note]:
        """All of them; one that cannot be read says that its message was begun."""
        return [_read(file, alive) for file in sorted(self.folder.glob(f"*{_SUFFIX}"))]

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}{_SUFFIX}"


class Spool:
    """A folder of trays.

    Raises:
        PulseError: the folder cannot be made, or belongs to somebody else.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._make()

    def _make(self) -> None:
        folder = self._folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            owner = folder.lstat().st_uid
        except OSError as error:
            raise PulseError(f"spool {folder}: {error.strerror}") from None
        if owner != os.geteuid():
            raise PulseError(f"spool {folder}: belongs to user {owner}, expected {os.geteuid()}")

    def tray(self) -> tuple[Tray, int]:
        """A new tray and the file descriptor that holds its lock: whoever has it open is alive."""
        self._make()  # again: folders for temporary files are cleared by others now and then
        # Under its name only when it is locked, or another process would take it for a dead one's.
        draft = Path(tempfile.mkdtemp(prefix=".", dir=self._folder))
        lock = os.open(draft / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = draft.rename(self._folder / f"courier-{draft.name.strip('.')}")
        return Tray(folder), lock

    def left(self, own: Tray | None) -> list[Note]:
        """What others have noted; empty trays of the dead are removed."""
        found: list[Note] = []
        for folder in sorted(self._folder.glob("courier-*")):
            if own is not None and folder == own.folder:
                continue
            with _Claim(folder / _LOCK) as dead:
                notes = Tray(folder).notes(alive=not dead)
                if dead and not notes:
                    _remove(folder)
            found += notes
        return found

    def settle(self, names: Iterable[str], own: Tray | None) -> None:
        """Drop notes of others about these messages where their courier is dead."""
        wanted = sorted(set(names))
        for folder in sorted(self._folder.glob("courier-*")) if wanted else ():
            if own is not None and folder == own.folder:
                continue
            with _Claim(folder / _LOCK) as dead:
                if dead:
                    Tray(folder).drop(wanted)


def default_spool(store: str, data: str) -> Path:
    """Where notes are kept when no setting says so: beside an embedded store, else in the system's
    folder for temporary files, one for each store and user."""
    if not store:
        return Path(data) / "outgoing"
    name = hashlib.blake2b(store.encode(), digest_size=6).hexdigest()
    return Path(tempfile.gettempdir()) / f"usage-pulse-outgoing-{os.geteuid()}-{name}"


class _Claim:
    """Whether the lock of a tray can be had, and it, while the context is open."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = -1

    def __enter__(self) -> bool:
        try:
            self._lock = os.open(self._file, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:  # removed a moment ago
            return True
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def __exit__(self, *_: object) -> None:
        if self._lock >= 0:
            os.close(self._lock)


def _read(file: Path, alive: bool) -> Note:
    name = file.name.removesuffix(_SUFFIX)
    try:
        version, stage, error, at = json.loads(file.read_text(encoding="utf-8"))
        if stage in _STAGES:
            return Note(name, int(version), stage, str(error), int(at), alive)
    except (OSError, ValueError, TypeError):
        pass  # half of it was lost with the machine
    return Note(name, 0, "begun", alive=alive)


def _remove(folder: Path) -> None:
    """A dead one's tray without notes; another process may do the same at this moment."""
    with suppress(OSError):
        for rest in folder.iterdir():
            rest.unlink(missing_ok=True)
        folder.rmdir()
