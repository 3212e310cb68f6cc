"""`pulse sql`: a person's read-only question, in any ClickHouse format.

An embedded directory that nobody owns is opened here; one that a worker owns is asked through the
worker's socket; a server is asked directly.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from streams.cli.options import with_store
from streams.errors import DataDirectoryLocked, StoreUnavailable, UsageError
from streams.settings import Settings

__all__ = ["answer", "sql"]

#: How long to wait for a directory whose owner does not answer: it is starting or stopping.
PATIENCE_S = 10.0


@click.command()
@click.argument("query", metavar="SQL")
@with_store
@click.option(
    "--format",
    "form",
    metavar="NAME",
    help="ClickHouse format, for example CSVWithNames, JSONEachRow or PrettyCompact (the default "
    "on a terminal; TabSeparated otherwise).",
)
def sql(settings: Settings, query: str, form: str | None) -> None:
    """Ask the store a read-only question in SQL.

    SQL is ClickHouse's; `-` reads it from standard input. Only reading statements run (SELECT,
    WITH, SHOW, DESCRIBE, EXISTS, EXPLAIN). Works beside a running worker, too.

    Example: pulse sql "SELECT account_id, count() FROM events GROUP BY 1 ORDER BY 2 DESC LIMIT 10"
    """
    if query == "-":
        query = sys.stdin.read()
    if form is None:
        form = "PrettyCompact" if sys.stdout.isatty() else "TabSeparated"
    body = answer(settings, query, form)
    out = click.get_binary_stream("stdout")
    out.write(body)
    out.flush()


def answer(settings: Settings, query: str, form: str) -> bytes:
    """`query` answered by the store of `settings`, whoever owns it.

    Raises:
        UsageError: it is no reading statement, or there is no such directory.
        StoreError: ClickHouse refused it, with the position in the query.
    """
    from streams.storage.readonly import read_only

    query = read_only(query)
    if settings.store:
        return _server(settings, query, form)
    directory = Path(settings.data)
    if not directory.is_dir():
        raise UsageError(
            f"{directory}: no such data directory; `pulse replay` and `pulse demo` make one"
        )
    return _embedded(directory, query, form)


def _server(settings: Settings, query: str, form: str) -> bytes:
    from streams.cli.opening import opened
    from streams.storage.readers import StoreReader

    with opened(settings) as store:
        store.command("SET readonly = 1")  # of this connection, so of this question
        return StoreReader(store.query).text(query, form)


def _embedded(directory: Path, query: str, form: str) -> bytes:
    """From the engine in this process or in the owner's, whichever can be had first."""
    from streams.storage.chdb_store import ChdbStore
    from streams.storage.readers import EmbeddedReader
    from streams.storage.socket import SOCKET_NAME, ask

    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            store = ChdbStore(directory, wait=0.0)
        except DataDirectoryLocked as locked:
            try:
                return ask(directory / SOCKET_NAME, query, form)
            except StoreUnavailable as silent:
                if time.monotonic() > deadline:
                    raise DataDirectoryLocked(f"{locked}; asked its owner, but {silent}") from None
            time.sleep(0.1)
            continue
        try:
            with EmbeddedReader(directory) as reader:
                return reader.text(query, form)
        finally:
            store.close()
