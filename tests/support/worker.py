"""`pulse worker` as a child process of a test: started, stopped, killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import psutil

__all__ = ["ROOT", "WorkerProcess", "environment", "wait_until"]

ROOT = Path(__file__).resolve().parents[2]
#: When to give up, not how long it takes: a worker on a busy machine needs half a minute to start.
_PATIENCE_S = 120.0


def environment(**settings: object) -> dict[str, str]:
    """The environment of a `pulse` command: this process's, with exactly these settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PULSE_")}
    kept["PYTHONUNBUFFERED"] = "1"
    return kept | {f"PULSE_{name.upper()}": str(value) for name, value in settings.items()}


def wait_until(done: object, what: str, seconds: float = _PATIENCE_S, every: float = 0.1) -> None:
    """Return when `done()` is true; fail with `what` when it is not within `seconds`."""
    assert callable(done)
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(every)


class WorkerProcess:
    """One `pulse worker` with its words in a file; `settings` are those of streams/settings.py."""

    def __init__(self, directory: Path, **settings: object) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.name = str(settings.get("worker") or "worker")
        self.log = directory / f"{self.name}.log"
        self.settings: dict[str, object] = {
            "port": 0,
            "heartbeat": 0,
            "time_mode": "replay",
            "session_timeout": 6,
            "retry_max": 1,
            **settings,
        }
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        #: Whether it should be alive; who ends it for good says False.
        self.expected_up = False
        self._said_before = 0

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process started last."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process

    @property
    def running(self) -> bool:
        """Whether it is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start it; does not wait until it works."""
        assert not self.running, f"{self.name} runs already"
        self._said_before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli", "worker"],
                cwd=ROOT,
                env=environment(**self.settings) | {"TMPDIR": str(self._directory)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.expected_up = True
        return self

    def said(self) -> str:
        """Everything it printed so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def announced(self) -> bool:
        """Whether it has, since its last start, joined the group and said where its page is."""
        if not self.log.exists():
            return False
        return b"\npage   " in b"\n" + self.log.read_bytes()[self._said_before :]

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def terminate(self, seconds: float = 15.0) -> tuple[float, int]:
        """SIGTERM; returns the seconds until it ended and its exit code."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(seconds)
        return time.monotonic() - started, code

    def wait(self, seconds: float = _PATIENCE_S) -> int:
        """Exit code of a worker that ends by itself."""
        return self.process.wait(seconds)

    def memory(self) -> int:
        """Resident bytes now."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.running:
            self.kill()
