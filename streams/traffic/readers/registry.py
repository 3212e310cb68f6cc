"""The formats that can be replayed, by name; the choices of `pulse replay --as` come from here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from streams.errors import UsageError
from streams.traffic.readers.azure import AZURE
from streams.traffic.readers.coortweet import COORTWEET
from streams.traffic.readers.format import TraceFormat
from streams.traffic.readers.mooncake import MOONCAKE
from streams.traffic.readers.ndjson import NDJSON

__all__ = ["FORMATS", "find_format", "guess_format"]

FORMATS: Final[Mapping[str, TraceFormat]] = MappingProxyType(
    {entry.name: entry for entry in (NDJSON, AZURE, MOONCAKE, COORTWEET)}
)

_OWN_ENDINGS = (".ndjson", ".ndjson.gz")


def find_format(name: str) -> TraceFormat:
    """The format called `name`.

    Raises:
        UsageError: there is none; the message lists those that exist.
    """
    if name not in FORMATS:
        raise UsageError(f"unknown format {name!r}; known are {', '.join(FORMATS)}")
    return FORMATS[name]


def guess_format(path: Path) -> str:
    """`ndjson` for a file named so; other formats have to be named."""
    if path.name.lower().endswith(_OWN_ENDINGS):
        return NDJSON.name
    raise UsageError(
        f"{path}: the name does not tell the format: name it with --as, one of {', '.join(FORMATS)}"
    )
