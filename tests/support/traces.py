"""Where the public traces are: `USAGE_TRACES`, else `shared/data` beside the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

__all__ = ["trace_file"]


def trace_file(name: str) -> Path:
    """The trace called `name`; the test is skipped where it is not present."""
    beside = Path(__file__).parents[2].parent / "shared" / "data"
    path = Path(os.environ.get("USAGE_TRACES") or beside) / name
    if not path.is_file():
        pytest.skip(f"no {path}: set USAGE_TRACES to the folder of the public traces")
    return path
