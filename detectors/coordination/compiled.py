"""The one decorator that turns a plain loop of this package into machine code.

Everything that runs per action or per meeting goes through it, so nothing here is ever a Python
loop. Compiled code is kept on disk beside the source (or in the user's cache folder when that is
not writable), so only the first run on a machine pays for it; the global interpreter lock is given
up while a loop runs, because a live worker has other threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar, cast

import numba
import numpy as np

__all__ = ["Int", "compiled"]

Int: TypeAlias = int | np.int64  # inside compiled code the two are one

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """`function` compiled by numba on its first call, cached on disk, without the global lock."""
    return cast(F, numba.njit(cache=True, nogil=True)(function))
