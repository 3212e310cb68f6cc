"""Who the honest accounts of an API are: what each one's requests carry, by column of objects.

Beside `requests`, which says when they come. Sharing is as in life: apps whose users all send the
same few templates with the app's client, homes and offices behind one address, popular client
versions, organisations that pay together, days on which many signed up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.lab.coordination.events import COLUMNS, DAY_MS, Integers, Words, words

__all__ = ["AGENTS", "People", "drawn_people", "values"]

Bools = NDArray[np.bool_]

# Scopes of `words`: one for each thing that has a number of its own.
_TEMPLATE, _BAND, _NETWORK, _IP, _PAYMENT, _AGENT, _USER, _SIGNUP = range(8)
#: Client versions in use, commonest first.
AGENTS: Final = 14
_IN_APP, _APP_USERS, _APP_TEMPLATES = 0.7, 40, 6
_OFFICE, _OFFICE_USERS = 0.15, 30
_PAYS_TOGETHER, _PAYERS = 0.1, 5
_SIGNUP_DAYS, _SOURCES = 60, 5
_OWN_TEMPLATES: Final = 8
_FRESH: Final = 0.25  # of the sessions outside the app's templates, those with text of their own


@dataclass(frozen=True, slots=True)
class People:
    """Numbers of n accounts, each in the scope of its column.

    app: -1 for none; network; ip: first of the addresses, `addresses` of them; payment; agent;
    signup: day and source, all (n,). `names`: (n,) what makes an account's own objects its own.
    """

    app: Integers
    network: Integers
    ip: Integers
    addresses: Integers
    payment: Integers
    agent: Integers
    signup: Integers
    names: Integers

    def __len__(self) -> int:
        return len(self.app)


def drawn_people(accounts: int, rng: np.random.Generator, first: int = 0) -> People:
    """Accounts with numbers from `first` on; those drawn later live in the same world."""
    names = first + np.arange(accounts)
    world = max(accounts, 400) if first == 0 else 1500
    apps, offices = world // _APP_USERS + 1, world // (4 * _OFFICE_USERS) + 1
    in_app = rng.random(accounts) < _IN_APP
    app = np.where(in_app, np.minimum(rng.zipf(1.5, accounts) - 1, apps - 1), -1)
    office = rng.integers(0, offices, accounts)
    at_office = rng.random(accounts) < _OFFICE
    provider = np.minimum(rng.zipf(1.4, accounts), world // 3)
    network = np.where(at_office, 1_000_000 + office, provider)
    payer = np.where(
        rng.random(accounts) < _PAYS_TOGETHER,
        2_000_000 + rng.integers(0, world // (10 * _PAYERS) + 1, accounts),
        3_000_000 + names,
    )
    agent = np.minimum(rng.zipf(1.5, accounts) - 1, AGENTS - 1)
    agent = np.where(in_app & (rng.random(accounts) < 0.7), 100 + app, agent)
    signup = rng.integers(0, _SIGNUP_DAYS, accounts) * _SOURCES + np.minimum(
        rng.zipf(1.8, accounts) - 1, _SOURCES - 1
    )
    return People(
        app=app,
        network=network,
        ip=np.where(at_office, 8_000_000 + office, names * 4),
        addresses=np.where(at_office, 1, rng.integers(1, 4, accounts)),
        payment=payer,
        agent=agent,
        signup=signup,
        names=names,
    )


def values(
    people: People, who: Integers, session: Integers, time_ms: Integers, rng: np.random.Generator
) -> Words:
    """(m, columns) objects of requests: `who` is a row of `people`, `session` a number of its own.

    A session has one template, address and end user; addresses change from day to day.
    """
    unique, row = np.unique(session, return_index=True)
    place = np.searchsorted(unique, session)
    member = who[row]
    app, name = people.app[member], people.names[member]
    draws = len(unique)
    common = np.minimum(rng.geometric(0.45, draws) - 1, _APP_TEMPLATES - 1)
    own = name * 1000 + rng.integers(0, _OWN_TEMPLATES, draws)
    fresh = rng.random(draws) < _FRESH
    own = np.where(fresh, 900_000_000 + name * 10_000 + np.arange(draws) % 10_000, own)
    by_app = (app >= 0) & (rng.random(draws) < 0.75)
    template = np.where(by_app, 500_000_000 + app * _APP_TEMPLATES + common, own)
    variant = rng.integers(0, 3, draws)
    day = time_ms[row] // DAY_MS
    address = people.ip[member] + (day + rng.integers(0, 2, draws)) % people.addresses[member]
    columns = (
        words(_TEMPLATE, template),
        words(_BAND, template * 8),
        words(_BAND, template * 8 + 1 + variant),
        words(_NETWORK, people.network[member]),
        words(_IP, address),
        words(_PAYMENT, people.payment[member]),
        words(_AGENT, people.agent[member]),
        words(_USER, name * 16 + rng.integers(0, 3, draws)),
        words(_SIGNUP, people.signup[member]),
    )
    assert len(columns) == len(COLUMNS)
    return np.column_stack(columns)[place]
