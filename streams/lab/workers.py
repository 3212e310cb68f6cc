"""One process a half: started afresh, told what to do next over a pipe, telling how far it is.

Plumbing of `run`. A worker ends with its parent, however that ends: as a daemon at a normal end,
and at the latest at its next report when the pipe is broken.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, Self

from streams.errors import PulseError

__all__ = ["Channel", "Workers"]

_POLL_S: Final = 0.5

#: What runs in a worker: it gets its arguments and the channel to its parent.
Job = Callable[..., None]


class Channel:
    """The worker's end of the pipe."""

    def __init__(self, pipe: Connection[Any, Any]) -> None:
        self._pipe = pipe

    def progress(self, part: float) -> None:
        """So much more of this worker's work is done, as a share of all of it."""
        self._pipe.send(("progress", part))

    def answer(self, result: Any) -> Any:
        """Hand a result over; returns what the parent says to it."""
        self._pipe.send(("result", result))
        return self._pipe.recv()


class Workers:
    """Several workers at once; leaving the context ends them."""

    def __init__(self, job: Job, arguments: Sequence[tuple[Any, ...]]) -> None:
        context = multiprocessing.get_context("spawn")  # forked ones would share what is open
        self._processes: list[BaseProcess] = []
        self._pipes: list[Connection[Any, Any]] = []
        for given in arguments:
            ours, theirs = context.Pipe()
            process = context.Process(target=_run, args=(job, given, theirs), daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
            self._pipes.append(ours)

    def results(self, progress: Callable[[float], None]) -> list[Any]:
        """The next result of each; `progress` hears every half second of what was done since.

        Raises:
            PulseError: a worker failed or died.
        """
        found: dict[int, Any] = {}
        while len(found) < len(self._pipes):
            waiting = [p for place, p in enumerate(self._pipes) if place not in found]
            ready = wait(waiting, timeout=_POLL_S)
            if not ready:
                progress(0.0)
            for pipe in ready:
                place = next(n for n, known in enumerate(self._pipes) if known is pipe)
                kind, value = self._received(place)
                if kind == "progress":
                    progress(value / len(self._pipes))
                elif kind == "result":
                    found[place] = value
                else:
                    raise PulseError(value)
        return [found[place] for place in range(len(self._pipes))]

    def tell(self, messages: Sequence[Any]) -> None:
        """Answer each worker's last result."""
        for pipe, message in zip(self._pipes, messages, strict=True):
            pipe.send(message)

    def _received(self, place: int) -> tuple[str, Any]:
        try:
            kind, value = self._pipes[place].recv()
        except EOFError:
            self._processes[place].join()
            code = self._processes[place].exitcode
            return "error", f"a process of the lab ended with exit code {code}; out of memory?"
        return str(kind), value

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        for process, pipe in zip(self._processes, self._pipes, strict=True):
            if error is not None:
                process.terminate()
            pipe.close()
            process.join()


def _run(job: Job, given: tuple[Any, ...], pipe: Connection[Any, Any]) -> None:
    """In the worker."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    try:
        job(*given, Channel(pipe))
    except (BrokenPipeError, EOFError):
        return  # the parent has gone
    except Exception as error:  # noqa: BLE001 - the edge of the process: the parent tells it
        said = str(error) if isinstance(error, PulseError) else f"{type(error).__name__}: {error}"
        pipe.send(("error", f"the lab failed: {said}"))
