"""Rows for the commands that show things: asked like `pulse sql` asks, so also beside a worker."""

from __future__ import annotations

import json
from typing import Any

from streams.cli.sql import answer
from streams.errors import StoreError
from streams.settings import Settings
from streams.storage.base import Parameters, expand

__all__ = ["iso", "rows"]


def rows(
    settings: Settings, sql: str, parameters: Parameters | None = None
) -> list[dict[str, Any]]:
    """Rows of a SELECT as JSON values: times as the query formats them, no bytes that are not text.

    Raises:
        StoreError: ClickHouse refused; a store without our tables says how to get them.
    """
    try:
        body = answer(settings, expand(sql, parameters), "JSONEachRow")
    except StoreError as error:
        if "UNKNOWN_TABLE" in str(error) or "UNKNOWN_DATABASE" in str(error):
            raise StoreError("the store has no tables of ours yet: run `pulse migrate`") from None
        raise
    return [json.loads(line) for line in body.splitlines()]


def iso(column: str) -> str:
    """SQL for a DateTime64(3) column as RFC 3339 in UTC."""
    return f"concat(replaceOne(toString(toTimeZone({column}, 'UTC')), ' ', 'T'), 'Z')"
