"""Messages that somebody wants sent again, by command line or through the worker's socket.

Beside the flow: it only makes rows due; the notifier finds them within seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from streams.alerting.notify.outbox import Outbox
from streams.alerting.people import People, perform
from streams.errors import UsageError
from streams.storage.base import Store

__all__ = ["RETRY", "performed"]

RETRY: Final = "retry"


def performed(store: Store, now_ms: Callable[[], int], message: Mapping[str, Any]) -> str:
    """Do what people decided: `{"do": "retry", "ids": [...], "failed": bool}` here, everything else
    by `streams.alerting.people.perform`. The answer to a retry is how many messages are due again.

    Raises:
        UsageError: what cannot be, in one line.
    """
    if message.get("do") != RETRY:
        return perform(People(store, now_ms), message)
    match message:
        case {"ids": [*ids], "failed": bool(failed), **rest} if set(rest) == {"do"}:
            if all(isinstance(one, str) for one in ids) and bool(ids) != failed:
                return str(len(Outbox(store).again(ids, failed, now_ms())))
    raise UsageError("retry: expected ids of notifications, or failed for all that were given up")
