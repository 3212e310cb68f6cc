"""Backgrounds with one kind of signal: who shared what when. CooRTweet's network, or a made-up one.

The real one is itself a known coordinated network, and nobody knows all of its rings. So some of
its accounts act, but count neither as found nor as falsely accused: those that two of three methods
agree on when asked about the untouched network. The first names the accounts that shared two
objects within a minute of each other, the others (ours, and TF-IDF similarity) as many that they
rank highest. Were all that one method names left out, it could accuse nobody falsely.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.errors import BadInput
from streams.lab.coordination.cosharing import shared_within
from streams.lab.coordination.events import DAY_MS, HOUR_MS, Events, actions, words
from streams.lab.coordination.method import judged
from streams.lab.coordination.scene import Background
from streams.lab.coordination.shapes import Plan, posted
from streams.lab.coordination.similarity import SUPPORT, network
from streams.traffic.tables import read_columns

__all__ = ["FILE", "SHARES", "coortweet", "dressed", "made_up"]

Integers = NDArray[np.int64]

FILE: Final = "coortweet_russian.csv.gz"
#: Scope of the objects that the lab adds, apart from those of the file.
SHARES: Final = 40
_COLUMNS: Final = ("object_id", "account_id", "timestamp_share")
_TIED_S, _TIED_TIMES = 60.0, 2
_AGREE: Final = 2  # of the three methods
_OWN: Final = 0.7  # of a campaign's posts, those about objects that only it shares
_COVER_MS: Final = 15 * DAY_MS
_START_MS: Final = 1_700_006_400_000


def coortweet(folder: Path) -> Background:
    """The shares of CooRTweet's example network, 35,125 of 9,509 accounts.

    Raises:
        UsageError: the table is missing. BadInput: it is damaged or lacks a column.
    """
    path = folder / FILE
    table = read_columns(path, _COLUMNS)
    account = np.unique(table["account_id"].astype(str), return_inverse=True)[1]
    item = np.unique(table["object_id"].astype(str), return_inverse=True)[1]
    try:
        seconds = table["timestamp_share"].astype(np.float64)
    except ValueError as error:
        raise BadInput(str(path), "column timestamp_share", str(error)) from None
    time_ms = np.round(seconds * 1000).astype(np.int64)
    found = _background("coortweet", "CooRTweet shares", account, item, time_ms)
    return replace(found, unsure=_unsure(found))


def made_up(accounts: int, seed: int) -> Background:
    """Shares drawn from the seed: few accounts and objects have most of them, lags are long-tailed.

    An object is news once: its shares follow with log-normal lags (median two hours).
    """
    rng = np.random.default_rng([seed, 40])
    days, objects = 60, max(accounts * 3 // 4, 10)
    reach = np.minimum(rng.zipf(1.9, objects), accounts // 8 + 1)
    item = np.repeat(np.arange(objects), reach)
    born = rng.random(objects) * days * DAY_MS
    born += _night(born, rng)
    activity = rng.pareto(1.3, accounts) + 0.2
    account = rng.choice(accounts, len(item), p=activity / activity.sum())
    lag = rng.lognormal(np.log(2 * HOUR_MS), 1.6, len(item))
    time_ms = _START_MS + np.round((born[item] + lag) / 1000).astype(np.int64) * 1000
    return _background("shares", "Built-in shares", account, item, time_ms)


def dressed(plan: Plan, background: Background, rng: np.random.Generator) -> Events:
    """A campaign in shares: most posts about objects of its own, the others about the day's."""
    events = background.events
    number = plan.strength.posts
    moments = np.sort(rng.integers(plan.start_ms, plan.end_ms, number))
    item = words(SHARES + 1, plan.first * 1000 + np.arange(number))
    low, high = np.searchsorted(events.time_ms, [plan.start_ms, plan.end_ms])
    for post in np.flatnonzero(rng.random(number) >= _OWN).tolist() if high > low else ():
        row = rng.integers(low, high)
        item[post] = events.objects[row, 0]
        moments[post] = events.time_ms[row] + rng.integers(0, 600_000)
    posts = posted(plan, moments, rng)
    cover = _cover(plan, background, rng)
    return Events(
        np.concatenate([plan.first + posts.member, cover.account]),
        _whole_seconds(np.concatenate([posts.time_ms, cover.time_ms])),
        np.concatenate([item[posts.post][:, None], cover.objects]),
    )


def _cover(plan: Plan, background: Background, rng: np.random.Generator) -> Events:
    """Some shares of the background, a while later: what a member does to look like others."""
    events = background.events
    around = [plan.start_ms - _COVER_MS, plan.end_ms + _COVER_MS]
    low, high = np.searchsorted(events.time_ms, around)
    each = rng.poisson(plan.strength.cover * plan.strength.posts, plan.size)
    row = rng.integers(low, max(high, low + 1), each.sum())
    lag = rng.lognormal(np.log(HOUR_MS / 2), 1.2, len(row)).astype(np.int64)
    who = np.repeat(plan.members, each)
    return Events(who, events.time_ms[row] + lag, events.objects[row])


def _background(
    name: str, title: str, account: Integers, item: Integers, time_ms: Integers
) -> Background:
    events = Events(
        account.astype(np.int64), _whole_seconds(time_ms), words(SHARES, item)[:, None]
    ).ordered()
    accounts = int(account.max()) + 1
    return Background(name, title, events, accounts, np.zeros(accounts, np.bool_), slot_ms=0)


def _unsure(background: Background) -> NDArray[np.bool_]:
    """(accounts,) who may well be coordinated in the untouched network."""
    events, accounts = background.events, background.accounts
    tied = shared_within(events, _TIED_S).least(_TIED_TIMES)
    names = np.zeros(accounts, np.int64)
    names[np.concatenate([tied.a, tied.b])] = 1
    number = int(names.sum())
    ours = judged(actions(events), accounts, live=False).score
    similar = network(events, accounts, support=SUPPORT).top().centrality()
    for score in (ours, similar):
        highest = np.argsort(-score, kind="stable")[:number]
        names[highest[score[highest] > 0]] += 1
    agreed: NDArray[np.bool_] = names >= _AGREE
    return agreed


def _whole_seconds(time_ms: Integers) -> Integers:
    seconds: Integers = time_ms // 1000 * 1000
    return seconds


def _night(born: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Most of what would be born at night waits for the morning."""
    hour = born / HOUR_MS % 24
    waits: NDArray[np.float64] = np.where(
        (hour < 7) & (rng.random(len(born)) < 0.8), (7 - hour + 4 * rng.random(len(born))), 0.0
    )
    return waits * HOUR_MS
