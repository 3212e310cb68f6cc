"""Readers of stored traffic: a file in a named format becomes batches of encoded events."""

from __future__ import annotations

from streams.traffic.readers.registry import FORMATS, guess_format
from streams.traffic.readers.trace import Trace, open_trace

__all__ = ["FORMATS", "Trace", "guess_format", "open_trace"]
