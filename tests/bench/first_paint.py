"""First contentful paint of the console's pages, on a store of 100,000 accounts, in Chromium.

The console runs as in the worker: in a loop of its own, with the worker's status and the store.
Cold is a browser and a console that have just started, as for whoever is called at night; warm is
the same page again. `whole` is when the last panel and picture stand. The browser runs on the same
two cores as the store.

    what      store: directory, events: number, repeats: number
    returns   pages: {name: {cold, warm: {paint, whole: [ms]}}}
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, Final

from dashboards.boards.all import all_boards
from dashboards.live.server import start_page_thread
from tests.bench.measure import order, report
from tests.bench.panel_events import account
from tests.bench.panel_status import status_of
from tests.bench.panel_store import Known, Wanted, opened
from tests.bench.panels import asking
from tests.browser.driver import Browser, missing

__all__ = ["pages"]

_PAINT: Final = (
    "const found = performance.getEntriesByName('first-contentful-paint')[0];"
    "return found ? found.startTime : null"
)
#: Nothing is awaited any more: no panel waits for the store, no picture for its script.
_WHOLE: Final = (
    "if (document.readyState !== 'complete' || document.querySelector('.waiting')) return null;"
    "const open = [...document.querySelectorAll('[data-figure]')].some((e) => !e.dataset.drawn);"
    "return open ? null : performance.now()"
)
_PATIENCE_S: Final = 60.0


def pages(known: Known) -> dict[str, str]:
    """Addresses by name."""
    chosen = {"pulse-account": f"?var-account={known.account}"}
    boards = {
        f"board {one.uid.removeprefix('pulse-')}": f"board/{one.uid.removeprefix('pulse-')}"
        + chosen.get(one.uid, "")
        for one in all_boards()
    }
    return {
        "pulse": "",
        "incident": "incident/inc-0",
        "account, busiest": f"account/{known.account}",
        "account, quiet": f"account/{account(54_321)}",
        "cluster": "cluster/c-1",
        "health": "health",
        **boards,
    }


def _opened(browser: Browser, address: str) -> tuple[float, float]:
    """Milliseconds to the first contentful paint, and until everything stands."""
    browser.go(address)
    until = time.monotonic() + _PATIENCE_S
    paint = whole = None
    while paint is None or whole is None:
        if time.monotonic() > until:
            raise RuntimeError(f"{address} was not whole after {_PATIENCE_S:.0f} s")
        paint = browser.run(_PAINT) if paint is None else paint
        whole = browser.run(_WHOLE)
        time.sleep(0.02)
    return float(paint), float(whole)


def _measure(known: Known, repeats: int) -> dict[str, Any]:
    status = status_of(known)
    query = asking(known.store)
    found: dict[str, Any] = {}
    for name, place in pages(known).items():
        times: dict[str, Any] = {temper: {"paint": [], "whole": []} for temper in ("cold", "warm")}
        for _ in range(repeats):
            served = start_page_thread("127.0.0.1", 0, lambda: status, query)
            browser = Browser()
            try:
                for temper in ("cold", "warm"):
                    paint, whole = _opened(browser, served.url + place)
                    times[temper]["paint"].append(paint)
                    times[temper]["whole"].append(whole)
            finally:
                browser.close()
                served.stop()
        found[name] = times
        _say(f"{name}: cold {max(times['cold']['paint']):.0f} ms at most")
    return {"pages": found}


def _say(text: str) -> None:
    print(f"first paint: {text}", file=sys.stderr, flush=True)


def main() -> None:
    """As ordered."""
    what = order()
    if lack := missing():
        raise SystemExit(f"first paint: {lack}")
    known = opened(Path(what["store"]), Wanted(events=what["events"]), _say)
    try:
        report(_measure(known, what["repeats"]))
    finally:
        known.store.close()


if __name__ == "__main__":
    main()
