"""A worker's place in the consumer group: its name there, and noticing that it has none.

Beside the Faust app, which takes both for granted.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

__all__ = ["instance_id", "started", "watch"]

_EVERY_S: Final = 1.0
#: Looks in a row that must find the same: what is dealt with in time is no trouble.
_LOOKS: Final = 3


def instance_id(worker: str, topics: Sequence[str]) -> str | None:
    """The name of a worker as a static member of the group; none without a name.

    A static member that comes back gets the assignment it had, also when it now subscribes to other
    topics: it would be given partitions it never asked for, or go without those it did. So the name
    tells what it subscribes to, and after such a change it is a new member; the partitions of the
    old one follow when its session has ended.
    """
    if not worker:
        return None
    subscription = hashlib.blake2b(" ".join(sorted(topics)).encode(), digest_size=3)
    return f"{worker}.{subscription.hexdigest()}"


async def watch(trouble: Callable[[], Exception | None], failed: asyncio.Future[None]) -> None:
    """Let `failed` tell that the worker has no place in the group and will not get one."""
    seen = 0
    while not failed.done():
        await asyncio.sleep(_EVERY_S)
        found = trouble()
        seen = seen + 1 if found is not None else 0
        if found is not None and seen >= _LOOKS and not failed.done():
            failed.set_exception(found)


async def started(start: Coroutine[Any, Any, None], failed: asyncio.Future[None]) -> None:
    """Until `start` is through; raises what `failed` tells meanwhile."""
    starting = asyncio.ensure_future(start)
    try:
        await asyncio.wait({starting, failed}, return_when=asyncio.FIRST_COMPLETED)
        if failed.done():
            failed.result()
        await starting
    finally:
        starting.cancel()
