"""One answer for all who ask the same within a moment: ten open browsers cost as much as one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

__all__ = ["Shared"]

Answer = TypeVar("Answer")


class Shared(Generic[Answer]):
    """Answers by key, made once and kept for `keep` seconds after they came."""

    def __init__(self, keep: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._keep = keep
        self._clock = clock
        self._answers: dict[str, tuple[float, asyncio.Task[Answer]]] = {}

    async def get(
        self,
        key: str,
        make: Callable[[], Coroutine[Any, Any, Answer]],
        keep: float | None = None,
    ) -> Answer:
        """The answer under `key`, from memory or from `make()`; an error is not kept."""
        now = self._clock()
        for old in [k for k, (until, task) in self._answers.items() if until < now and task.done()]:
            del self._answers[old]
        if key not in self._answers:
            task = asyncio.ensure_future(make())
            self._answers[key] = now, task
            task.add_done_callback(lambda done: self._came(key, done, keep))
        task = self._answers[key][1]
        try:
            # Shielded: one viewer leaving must not take the answer away from the others.
            return await asyncio.shield(task)
        except Exception:
            self._answers.pop(key, None)
            raise

    def drop(self, key: str) -> None:
        """Answer this one anew from now on."""
        if key in self._answers and self._answers[key][1].done():
            del self._answers[key]

    def _came(self, key: str, task: asyncio.Task[Answer], keep: float | None) -> None:
        """From now on the answer is kept: who has left while it was made may come back for it."""
        if not task.cancelled():
            task.exception()  # told to whoever asks; nobody may be there
        if key in self._answers and self._answers[key][1] is task:
            self._answers[key] = self._clock() + (self._keep if keep is None else keep), task

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
