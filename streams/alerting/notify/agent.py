"""The notifier at work: a thread of the worker that holds partition 0.

Looks twice a second, and at once when the worker has stored an alert or a message is through. What
is wrong with the store is waited out, what is wrong with a channel is the notifier's business, and
nothing of it stops the worker. Live only: of a replay nobody wants to be told.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from streams.alerting.notify.channels import problem
from streams.alerting.notify.courier import Posted
from streams.alerting.notify.notifier import Notifier, Timing
from streams.errors import StoreError
from streams.policy.model import Policy
from streams.storage.base import Store

__all__ = ["NotifierAgent"]

_log = logging.getLogger(__name__)
_TURN_S: Final = 0.5
_LONGEST_WAIT_S: Final = 30.0
#: What a stop waits for messages under way, and then for the store to take what became of them.
FINISH_S: Final = 2.0
_WRITE_S: Final = 0.5


class NotifierAgent:
    """`start`, `wake` whenever there is news, `close`; `holds` says whether it is our turn.

    Messages leave by a courier of its own process that keeps its notes in `spool`; without one
    they leave by threads of this process.
    """

    def __init__(
        self,
        store: Store,
        policy: Callable[[], Policy],
        now_ms: Callable[[], int],
        holds: Callable[[], bool],
        console: Callable[[], str],
        timing: Timing | None = None,
        spool: Path | None = None,
    ) -> None:
        self._policy = policy
        self._holds = holds
        self._woken = threading.Event()
        self._stop = threading.Event()
        self._notifier = Notifier(
            store,
            policy,
            now_ms,
            console=console,
            carrier=Posted(spool) if spool is not None else None,
            woken=self._woken.set,
            timing=timing,
        )
        self._held = False
        self._checked = ""  # version of the policy whose channels were looked at
        self._thread = threading.Thread(target=self._run, name="pulse-notifier", daemon=True)

    def start(self) -> None:
        """Begin; nothing is sent before it is our turn."""
        if not self._thread.ident:
            self._thread.start()

    def wake(self) -> None:
        """There is news: look now. From any thread."""
        self._woken.set()

    def counts(self) -> Mapping[str, int]:
        """Messages of the last day by state, for the status; none where others send them."""
        return self._notifier.counts if self._held else {}

    def close(self) -> None:
        """Wait for messages under way, two seconds at most; the rest is sent after a restart."""
        self._stop.set()
        self._woken.set()
        if self._thread.ident:
            self._thread.join(FINISH_S + _WRITE_S)

    def _run(self) -> None:
        wait = _TURN_S
        while not self._stop.is_set():
            try:
                self._turn()
                wait = _TURN_S
                self._woken.wait(wait)
            except StoreError as error:
                wait = self._give_up(f"{error}", wait)
            except Exception as error:  # noqa: BLE001 - whatever it was, the worker goes on
                detail = _log.isEnabledFor(logging.DEBUG)
                wait = self._give_up(f"{type(error).__name__}: {error}", wait, detail)
        try:
            self._notifier.finish(FINISH_S)
        except StoreError as error:
            _log.warning("notifications: %s; some may be sent twice", error)

    def _turn(self) -> None:
        self._woken.clear()
        if self._holds():
            self._held = True
            self._check_channels()
            self._notifier.step()
            return
        if self._held:
            self._held = False
            self._notifier.forget()
        self._notifier.record()

    def _give_up(self, sentence: str, wait: float, detail: bool = False) -> float:
        _log.warning("notifications wait: %s; trying again in %.1f s", sentence, wait)
        if detail:
            _log.debug("notifications", exc_info=True)
        self._notifier.forget()
        self._stop.wait(wait)
        return min(2 * wait, _LONGEST_WAIT_S)

    def _check_channels(self) -> None:
        """A variable that is not set should be known before the first alert needs it."""
        policy = self._policy()
        if policy.version == self._checked:
            return
        self._checked = policy.version
        if policy.routes:
            self._notifier.expect()
        routed = {route.channel for route in policy.routes}
        for channel in policy.channels:
            if channel.name in routed and (wrong := problem(channel)):
                _log.warning("%s; its messages wait until that is mended", wrong)
