"""One answer for all who ask the same within a moment: ten open browsers cost as much as one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

__all__ = ["Shared"]

Answer = TypeVar("Answer")


class Shared(Generic[Answer]):
    """Answers by key, made once and kept for `keep` seconds after they were asked for."""

    def __init__(self, keep: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._keep = keep
        self._clock = clock
        self._answers: dict[str, tuple[float, asyncio.Task[Answer]]] = {}

    async def get(self, key: str, make: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
        """The answer under `key`, from memory or from `make()`; an error is not kept."""
        now = self._clock()
        for old in [k for k, (until, task) in self._answers.items() if until < now and task.done()]:
            del self._answers[old]
        if key not in self._answers:
            self._answers[key] = now + self._keep, asyncio.ensure_future(make())
        task = self._answers[key][1]
        try:
            # Shielded: one viewer leaving must not take the answer away from the others.
            return await asyncio.shield(task)
        except Exception:
            self._answers.pop(key, None)
            raise

    def forget(self) -> None:
        """Answer anew from now on: something was written."""
        for key in [key for key, (_, task) in self._answers.items() if task.done()]:
            del self._answers[key]

    async def close(self) -> None:
        """Ends what is still under way."""
        tasks = [task for _, task in self._answers.values()]
        self._answers.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
