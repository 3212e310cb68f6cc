"""Columns of a table that is read whole: the public data sets behind simulation and lab."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from streams.errors import BadInput, UsageError

__all__ = ["read_columns"]


def read_columns(path: Path, columns: Sequence[str]) -> dict[str, NDArray[np.object_]]:
    """`columns` of a CSV file, plain or compressed by its name; others may stand beside them.

    Raises:
        UsageError: the file is missing. BadInput: it is damaged or lacks a column.
    """
    try:
        table = csv.read_csv(path)
    except OSError as error:
        if not path.is_file():
            raise UsageError(f"{path}: cannot be read: no such file") from None
        raise BadInput(str(path), "", f"damaged or truncated: {error}") from None
    except pa.ArrowInvalid as error:
        raise BadInput(str(path), "", f"not valid CSV: {error}") from None
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        expected = f"expected the columns {','.join(columns)}, got no {missing[0]}"
        raise BadInput(str(path), "line 1", expected)
    return {name: table[name].to_numpy(zero_copy_only=False) for name in columns}
