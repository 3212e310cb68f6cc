"""Faults on demand: what the test server is told to do wrong, in a JSON file it polls.

The test process writes the file (`Orders.write`), the server process reads it (`Faults`) at every
connection and every statement.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

__all__ = ["Faults", "Orders"]


@dataclass(frozen=True, slots=True)
class Orders:
    """All that can go wrong; the default is nothing."""

    refuse_until: float = 0.0
    """Unix time until which connections are cut, new ones and those in use."""
    slow_insert: float = 0.0
    """Seconds every insert waits before it is stored."""
    fail_before: int = 0
    """This many inserts are answered with an exception and not stored."""
    fail_before_code: int = 252
    """ClickHouse error code of those (252: TOO_MANY_PARTS)."""
    fail_after: int = 0
    """This many inserts are stored, and the connection is cut instead of an answer."""

    def write(self, file: Path) -> None:
        """Replace the orders in `file`, at once."""
        content = {"serial": time.time_ns(), **asdict(self)}
        temporary = file.with_suffix(".new")
        temporary.write_text(json.dumps(content), encoding="utf-8")
        os.replace(temporary, file)


class Faults:
    """The server's side: follows the file and counts down."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._serial = 0
        self._orders = Orders()
        self._before = self._after = 0

    def refuses(self) -> bool:
        with self._lock:
            self._poll()
            return time.time() < self._orders.refuse_until

    def before_insert(self) -> int:
        """Wait if told to; the error code to answer with, or 0 to go on."""
        with self._lock:
            self._poll()
            orders = self._orders
            code = orders.fail_before_code if self._before > 0 else 0
            self._before -= code != 0
        if orders.slow_insert:
            time.sleep(orders.slow_insert)
        return code

    def after_insert(self) -> bool:
        """Whether to cut the connection now that the rows are stored."""
        with self._lock:
            cut = self._after > 0
            self._after -= cut
            return cut

    def _poll(self) -> None:
        if self._file is None:
            return
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        if content["serial"] != self._serial:
            self._serial = content["serial"]
            known = {field.name for field in fields(Orders)}
            self._orders = Orders(**{k: v for k, v in content.items() if k in known})
            self._before, self._after = self._orders.fail_before, self._orders.fail_after
