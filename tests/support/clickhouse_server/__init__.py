"""A ClickHouse server for tests: the native protocol over TCP, with chDB as the engine.

`ServerProcess` runs it in a process of its own, which can be made to refuse, to be slow, to lose
connections before or after it stored an insert, and which can be killed and started again on the
same data. By hand: `python -m tests.support.clickhouse_server --path D --port N`.
"""

from __future__ import annotations

from tests.support.clickhouse_server.process import ServerProcess

__all__ = ["ServerProcess"]
