"""The thread in which the keeper of clusters works, in the worker that holds signals partition 0.

Beside the signals agent, so that judging many meetings never keeps it from storing them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final, Protocol

from streams.alerting.incidents import Incident
from streams.errors import PulseError
from streams.storage.retry import Stopped

__all__ = ["Groups", "Keeper", "Keeping"]

_log = logging.getLogger(__name__)
_FOLLOW_S: Final = 5.0  # other workers close slots as well
Groups = list[tuple[Incident, frozenset[str]]]


class Keeper(Protocol):
    """Judges the slots that every signals partition has closed."""

    def follow(self) -> object:
        """Judge what is whole and not judged yet; called often, so it must find out cheaply."""
        ...

    def groups(self) -> Groups:
        """Incidents of clusters with the members of each."""
        ...


class Keeping:
    """Calls the keeper while this worker is the one to keep; `make` makes one, in the thread."""

    def __init__(self, make: Callable[[], Keeper]) -> None:
        self._make = make
        self._state = threading.Condition()
        self._mine = self._busy = self._stop = False
        self._told = self._followed = 0
        self._thread = threading.Thread(target=self._run, name="pulse-keeper", daemon=True)
        self.trouble = ""  # sentence of what is wrong, or nothing
        self.groups: Groups = []  # as of the last turn; none while another worker keeps

    def start(self) -> None:
        """Begin; nothing is done before `hold`."""
        self._thread.start()

    def hold(self, mine: bool) -> None:
        """Whether this worker keeps from now on."""
        with self._state:
            self._mine = mine
            self._state.notify_all()

    def tell(self) -> int:
        """Slots were closed; returns the number of this news, for `done`."""
        with self._state:
            self._told += 1
            self._state.notify_all()
            return self._told

    def done(self, news: int) -> bool:
        """Whether the keeper has taken this news in, or never will."""
        return self._followed >= news or not self._thread.is_alive()

    def rest(self, seconds: float) -> None:
        """Return when the keeper is not at work; call `hold(False)` before."""
        with self._state:
            self._state.wait_for(lambda: not self._busy, seconds)

    def close(self, seconds: float) -> None:
        """End, after the slot under way."""
        with self._state:
            self._stop = True
            self._mine = False
            self._state.notify_all()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        keeper: Keeper | None = None
        try:
            while not self._stop:
                with self._state:
                    self._busy = False
                    self._state.notify_all()
                    self._state.wait_for(self._has_work, _FOLLOW_S)
                    mine, news, self._busy = self._mine, self._told, self._mine
                if not mine:
                    keeper, self.groups = None, []
                    continue
                try:
                    keeper = keeper or self._make()
                    keeper.follow()
                except Stopped:
                    return
                except PulseError as error:  # the store; the next turn goes on from what it has
                    self.trouble = f"{error}; trying again"
                    _log.warning("clusters are not judged: %s", self.trouble)
                    keeper = None
                    self._wait()
                else:
                    self.trouble, self._followed, self.groups = "", news, keeper.groups()
        except Exception as error:  # noqa: BLE001 - whatever it was, the rest goes on without it
            self.trouble = f"clusters are judged no more: {type(error).__name__}: {error}"
            _log.error("%s", self.trouble, exc_info=_log.isEnabledFor(logging.DEBUG))
        finally:
            with self._state:
                self._busy = False
                self._state.notify_all()

    def _has_work(self) -> bool:
        return self._stop or (self._mine and self._told > self._followed)

    def _wait(self) -> None:
        with self._state:
            self._state.wait_for(lambda: self._stop, 1.0)
