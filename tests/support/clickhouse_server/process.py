"""The test server as a child process, with the switches a test needs."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

from tests.support.clickhouse_server.faults import Orders

__all__ = ["ServerProcess"]

_ROOT = Path(__file__).parents[3]


class ServerProcess:
    """A test server on loopback that ends with the block or the test process.

    Args:
        directory: for its data and its orders; kept, so that `start` goes on from it.
        port: 0 takes a free one at the first start and keeps it.
        tls: certificate and key file.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        user: str = "",
        password: str = "",
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        self.directory = directory
        self.host = "127.0.0.1"
        self.port = port
        self._arguments = ["--user", user, "--password", password]
        if tls is not None:
            self._arguments += ["--tls", str(tls[0]), str(tls[1])]
        self._orders = directory / "orders.json"
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"clickhouse://{self.host}:{self.port}/default"

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    def start(self) -> Self:
        """Start it; returns when it listens."""
        self.directory.mkdir(parents=True, exist_ok=True)
        path, orders = str(self.directory / "data"), str(self._orders)
        command = [sys.executable, "-m", "tests.support.clickhouse_server", "--path", path]
        command += ["--port", str(self.port), "--faults", orders, "--end-with-stdin"]
        self._process = subprocess.Popen(
            [*command, *self._arguments],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline().split()
        if line[:1] != ["ready"]:
            raise RuntimeError(f"the test server did not start, exit code {self._process.wait()}")
        self.port = int(line[2])
        return self

    def orders(self, *, refuse_for: float = 0.0, **orders: Any) -> None:
        """Replace all orders (see `Orders`); without arguments everything goes well again."""
        if refuse_for:
            orders["refuse_until"] = time.time() + refuse_for
        Orders(**orders).write(self._orders)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()
