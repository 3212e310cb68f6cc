"""The one decorator that turns a plain loop of this package into machine code.

Everything that runs per action or per meeting goes through it, so nothing here is ever a Python
loop. Compiled code is kept on disk beside the source (or in the user's cache folder when that is
not writable), so only the first run on a machine pays for it; the global interpreter lock is given
up while a loop runs, because a live worker has other threads.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import numba
import numpy as np

__all__ = ["Int", "compiled"]

Int: TypeAlias = int | np.int64  # inside compiled code the two are one

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """`function` compiled by numba on its first call, cached on disk, without the global lock."""
    made = numba.njit(cache=True, nogil=True)(function)
    if made is not function:  # it is under NUMBA_DISABLE_JIT
        _outdate(made)
    return cast(F, made)


def _outdate(made: Any) -> None:
    """Makes the stored code of `made` stale when any module of this package has changed.

    numba itself looks at the file of the function only, but what it calls is compiled into it:
    after a change of the kernel, its callers would go on with the old one.
    """
    made._cache._cache_file._source_stamp = _stamp()


@lru_cache(maxsize=1)  # the files do not change under a running program
def _stamp() -> tuple[tuple[str, int, int], ...]:
    """Name, time of change and size of every module of this package."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return tuple((file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files)
