"""Rows of a CSV trace by column name, and its numbers, each refusal with file, line and column."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

from streams.events.schema import MAX_COUNT
from streams.traffic.readers.source import Source

__all__ = ["count", "rows"]


def rows(source: Source, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """(row number from 0, values of `columns`) of every row; other columns may stand beside them.

    Raises:
        BadInput: no header, a missing or doubled column, or a row of another length.
    """
    texts = source.texts()
    reader = csv.reader(texts, strict=True)
    expected = "expected a header with the columns " + ",".join(columns)
    try:
        header = next(reader, None)
        if header is None:
            raise source.bad(f"{expected}, got an empty file", line=1)
        names = [name.strip() for name in header]
        wrong = [name for name in columns if names.count(name) != 1]
        if wrong:
            kind = "no" if wrong[0] not in names else "more than one"
            found = ",".join(names)[:200]
            raise source.bad(f"{expected}, got {kind} {wrong[0]} in {found!r}", line=1)
        places = [names.index(name) for name in columns]
        number = 0
        for fields in reader:
            if not fields:
                continue
            if len(fields) != len(names):
                raise source.bad(f"expected {len(names)} columns, got {len(fields)}")
            yield number, [fields[place] for place in places]
            number += 1
    except csv.Error as error:
        raise source.bad(f"not valid CSV: {error}") from None


def count(source: Source, column: str, text: str) -> int:
    """A whole number of tokens."""
    if text.isascii() and text.isdigit() and (value := int(text[:11])) <= MAX_COUNT:
        return value
    raise source.bad(f"expected a whole number from 0 to {MAX_COUNT}, got {text!r}", column=column)
