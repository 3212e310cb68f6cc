"""Runs one analyst's query on the embedded engine, guarded and within limits.

Called by `streams.sqlhttp.server` in a thread of its own. Every query has a session of its own
(0.3 ms), so nothing of one can reach another, and a mark in its log comment by which it can be
killed from outside.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chdb.session import Session

from streams.sqlhttp import guard
from streams.sqlhttp.errors import SqlError, from_engine
from streams.sqlhttp.settings import LIMITS, Limits, accepted, statement
from streams.storage.base import literal

__all__ = ["Answer", "Engine", "Question"]

#: How often a query that is to end is told so, and how long a stop waits for those that do not.
_KILL_EVERY_S = 0.1
_STOP_S = 5.0


@dataclass(frozen=True, slots=True)
class Question:
    """A query and what came with it; values of `parameters` are escaped as in a TSV field."""

    sql: str
    format: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    mark: str = field(default_factory=lambda: f"pulse-http-{uuid.uuid4().hex}")


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer in `format`, and what it took."""

    body: bytes
    format: str
    rows: int
    read_rows: int
    read_bytes: int
    seconds: float


class Engine:
    """Answers from the embedded engine of this process, whose `ChdbStore` must be open.

    Safe to use from several threads.
    """

    def __init__(self, directory: Path, limits: Limits = LIMITS) -> None:
        self.limits = limits
        self._directory = directory
        self._running: dict[str, threading.Event] = {}
        self._lock = threading.Lock()
        self._closed = False

    def version(self) -> str:
        """The engine's version."""
        with contextlib.closing(Session(str(self._directory))) as session:
            found = _run(session, "SELECT version()", "TabSeparated")
            return str(found.bytes().decode()).strip()

    def answer(self, question: Question) -> Answer:
        """The answer to `question`.

        Raises:
            SqlError: refused, wrong, cancelled or beyond the limits.
        """
        began = time.perf_counter()
        cancelled = threading.Event()
        with self._lock:
            if self._closed:
                raise SqlError(394, "the worker is stopping")
            self._running[question.mark] = cancelled
        watch = threading.Timer(self.limits.seconds + 1.0, self._end, (question.mark,))
        watch.daemon = True
        watch.start()
        try:
            checked, settings = self._checked(question)
            form = guard.formatted(checked, question.format)
            # Clients take from its column `readonly` which settings they may send at all.
            readonly = 2 if checked.tables == {"system.settings"} else 1
            with contextlib.closing(Session(str(self._directory))) as session:
                _run(session, statement(settings, self.limits, question.mark), "Null")
                _run(session, f"SET readonly = {readonly}", "Null")
                if cancelled.is_set():
                    raise SqlError(394, "Query was cancelled")
                return _answered(session, checked.sql, form, question.parameters, began)
        finally:
            watch.cancel()
            with self._lock:
                self._running.pop(question.mark, None)

    def cancel(self, mark: str) -> None:
        """Make the query of this mark end soon; returns at once, harmless when it has ended."""
        threading.Thread(target=self._end, args=(mark,), daemon=True, name="sql-cancel").start()

    def close(self) -> None:
        """End what runs; must come before the store's own `close`."""
        with self._lock:
            self._closed = True
            marks = list(self._running)
        for mark in marks:
            self.cancel(mark)
        deadline = time.monotonic() + _STOP_S
        while self._running and time.monotonic() < deadline:
            time.sleep(0.02)

    def _checked(self, question: Question) -> tuple[guard.Checked, dict[str, str]]:
        """What the guard says, asked in a session that no setting of the query has touched."""

        def canonical(sql: str) -> str:
            asked = f"SELECT formatQuerySingleLine({literal(sql)})"
            return str(_run(session, asked, "TabSeparatedRaw").bytes().decode()).rstrip("\n")

        settings = accepted(question.settings, self.limits)
        with contextlib.closing(Session(str(self._directory))) as session:
            _run(session, statement({}, self.limits, question.mark), "Null")
            _run(session, "SET readonly = 2", "Null")
            draft = guard.draft(question.sql, canonical, self.limits)
            explain = f"EXPLAIN AST {draft.sql}"
            drawn = _run(session, explain, "TabSeparatedRaw", question.parameters)
            lines = str(drawn.bytes().decode()).rstrip("\n").split("\n")
        return guard.check(draft, lines), settings | draft.settings

    def _end(self, mark: str) -> None:
        with self._lock:
            cancelled = self._running.get(mark)
        if cancelled is None:
            return
        cancelled.set()
        kill = f"KILL QUERY WHERE Settings['log_comment'] = {literal(mark)} ASYNC"
        with contextlib.closing(Session(str(self._directory))) as session:
            while self._running.get(mark) is cancelled:
                with contextlib.suppress(SqlError):
                    _run(session, kill, "Null")
                time.sleep(_KILL_EVERY_S)


def _answered(
    session: Session, sql: str, form: str, parameters: Mapping[str, str], began: float
) -> Answer:
    result = _run(session, sql, form, parameters)
    return Answer(
        body=result.bytes(),
        format=form,
        rows=result.rows_read(),
        read_rows=result.storage_rows_read(),
        read_bytes=result.storage_bytes_read(),
        seconds=time.perf_counter() - began,
    )


def _run(session: Session, sql: str, form: str, parameters: Mapping[str, str] | None = None) -> Any:
    """chDB's own result object."""
    try:
        return session.query(sql, form, params=dict(parameters) if parameters else None)
    except RuntimeError as error:  # chDB's own exception is one
        raise from_engine(str(error)) from None
