"""Shares of the coordination lab, spelt out."""

from __future__ import annotations

import numpy as np

from streams.lab.coordination.events import Events, words

__all__ = ["START", "shares"]

START = 1_700_006_400_000


def shares(*rows: tuple[int, int, float]) -> Events:
    """Of (account, object, seconds since `START`)."""
    account, item, seconds = (np.array(column) for column in zip(*rows, strict=True))
    time_ms = START + (seconds * 1000).astype(np.int64)
    return Events(account.astype(np.int64), time_ms, words(1, item)[:, None]).ordered()
