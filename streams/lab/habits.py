"""What requests look like: one row of habits an account, and one more for each way it is changed.

Below the lab's population and scenarios: an honest account sends by its own row; an attack's
requests are drawn from a copy of that row with a few columns changed. Everything a request carries
(status, sizes, templates, keys, verdicts) is drawn from such a row and a number of requests.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.events.schema import MODERATION_CATEGORIES
from streams.traffic.simulate.tokens import QUANTILES, TokenTable

__all__ = ["BINS", "SIZES", "USE_CASES", "Habits", "commonest_share", "drawn_habits", "mixed"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

BINS: Final = 8  # of sizes, endpoints and countries
#: Lower ends of the size bins (tokens), and the size of every request in a bin (geometric middle).
EDGES: Final = np.array([0, 1, 32, 128, 512, 2048, 8192, 32768])
SIZES: Final = np.array([0, 12, 64, 256, 1024, 4096, 16384, 49152])
USE_CASES: Final = ("support", "coding", "search", "education", "marketing", "analytics")
_POOL: Final = 2.5  # exponent of popularity inside a pool: few are common
# ServeGen's clients: from one six hours to the next the logarithm of the median length moves by a
# standard deviation of 0.01, 0.1, 0.45, 0.9, 1.5 (deciles 1, 2.5, 5, 7.5, 9); a bin is log 4 wide.
_DRIFT: Final = 0.25
_DRIFT_MOST: Final = 1.2
#: Days until a template of a pool is replaced: a third of the accounts revise their commonest one
#: within two weeks. How often customers do is not known; without it novelty would come too easily.
_TEMPLATE_LOG_DAYS: Final = (float(np.log(14.0)), float(np.log(180.0)))


@dataclass(slots=True)
class Habits:
    """Columns of r rows; shares and chances in 0..1, pools are numbers of distinct values.

    prompt, output, endpoints, countries: (r, 8) shares by bin; moderation: (r, 8) chance of a
    score of at least one half by category. `identity` draws the values of the pools, and is the
    same in all rows of one account unless an attack brings its own.
    """

    prompt: Floats
    output: Floats
    endpoints: Floats
    countries: Floats
    moderation: Floats
    error: Floats
    throttled: Floats
    templated: Floats  # chance that the cell's requests carry fingerprints: 0 or 1
    novelty: Floats  # chance that a template is one never seen before
    templates: Integers
    template_life: Floats  # minutes until a template of the pool is replaced by a new version
    template_identity: NDArray[np.uint64]
    keys: Integers
    key_identity: NDArray[np.uint64]
    addresses: Integers
    users: Integers
    identity: NDArray[np.uint64]
    drift: Floats  # standard deviation, in bins, of how far sizes lie off for some hours
    quota: Floats  # requests a day at which quota_used is 1; 0: none is told
    quota_least: Floats  # quota_used is at least this
    cohort: Integers  # place in USE_CASES of the approved use case

    def __len__(self) -> int:
        return len(self.error)

    def take(self, rows: Integers) -> Habits:
        """The rows of that index array, copied."""
        return Habits(**{name: getattr(self, name)[rows] for name in _NAMES})

    def joined(self, more: Habits) -> Habits:
        """These rows, and those of `more` after them."""
        pairs = {name: (getattr(self, name), getattr(more, name)) for name in _NAMES}
        return Habits(**{name: np.concatenate(pair) for name, pair in pairs.items()})

    def changed(self, row: int, changes: dict[str, Any]) -> Habits:
        """One row, copied, with some columns replaced."""
        one = self.take(np.array([row]))
        for name, value in changes.items():
            getattr(one, name)[0] = value
        return one


_NAMES: Final = tuple(field.name for field in fields(Habits))


def drawn_habits(
    rng: np.random.Generator, client: Integers, tokens: TokenTable, busy_per_day: Floats
) -> Habits:
    """Habits of n accounts; sizes by their client's token table (rows of `client`).

    `busy_per_day` (n,) requests of an ordinary day, from which limits are set.
    """
    n = len(client)
    use_case = rng.integers(0, len(USE_CASES), n)
    profile = rng.dirichlet(np.full(BINS, 0.35), len(USE_CASES))
    endpoints = _normed(profile[use_case] * rng.gamma(2.0, 0.5, (n, BINS)) + 1e-4)
    home = np.eye(BINS)[rng.integers(0, BINS, n)]
    abroad = np.where(rng.random(n) < 0.6, 0.0, rng.beta(1.0, 6.0, n))[:, None]
    countries = (1.0 - abroad) * home + abroad * rng.dirichlet(np.full(BINS, 0.4), n)
    # Most accounts hardly ever meet a verdict; a few (fiction, medicine, news) live with them.
    rate = 10.0 ** rng.normal(-3.6, 0.6, (n, len(MODERATION_CATEGORIES)))
    lives_with = rng.random((n, len(MODERATION_CATEGORIES))) < 0.02
    rate = np.where(lives_with, rng.beta(1.0, 8.0, rate.shape), rate)
    free_text = rng.random(n) < 0.1
    identity = rng.integers(1, 1 << 62, n).astype(np.uint64)
    told = rng.random(n) < 0.6
    return Habits(
        prompt=_bins(tokens.prompt)[client],
        output=_bins(tokens.completion)[client],
        endpoints=endpoints,
        countries=countries,
        moderation=np.minimum(rate, 0.5),
        error=np.minimum(10.0 ** rng.normal(-2.2, 0.5, n), 0.3),
        throttled=np.where(rng.random(n) < 0.3, 10.0 ** rng.normal(-2.7, 0.5, n), 1e-4).clip(
            0, 0.2
        ),
        templated=(rng.random(n) < 0.9).astype(np.float64),
        novelty=np.where(free_text, rng.uniform(0.4, 1.0, n), 10.0 ** rng.normal(-2.2, 0.5, n)),
        templates=np.rint(2.0 ** rng.uniform(0.0, 6.0, n)).astype(np.int64),
        template_identity=identity.copy(),
        keys=rng.choice([1, 1, 1, 2, 2, 3, 5], n),
        key_identity=identity.copy(),
        addresses=np.rint(2.0 ** rng.uniform(0.0, 5.0, n)).astype(np.int64),
        users=np.rint(2.0 ** rng.uniform(0.0, 7.0, n)).astype(np.int64),
        identity=identity,
        drift=np.minimum(np.exp(rng.normal(np.log(_DRIFT), 1.2, n)), _DRIFT_MOST),
        quota=np.where(told, busy_per_day * rng.choice([2.0, 5.0, 10.0, 20.0], n), 0.0),
        quota_least=np.zeros(n),
        cohort=use_case,
        template_life=1440.0 * np.exp(rng.uniform(*_TEMPLATE_LOG_DAYS, n)),
    )


def mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64: well-mixed 64 bits of each word (Steele, Lea, Flood, OOPSLA 2014)."""
    words = words + np.uint64(0x9E37_79B9_7F4A_7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    result: NDArray[np.uint64] = words ^ (words >> np.uint64(31))
    return result


def in_pool(rng: np.random.Generator, pool: Integers) -> Integers:
    """A number below each pool's size; small numbers are common."""
    share = rng.random(len(pool))
    place: Integers = (share**_POOL * pool).astype(np.int64)
    return place


def commonest_share(pool: int) -> float:
    """Of what `in_pool` draws, the share of the commonest."""
    return float((1.0 / pool) ** (1.0 / _POOL))


def _bins(table: Floats) -> Floats:
    """Share of each size bin (clients, 8) of log quantiles (clients, QUANTILES); none is empty."""
    edges = np.log(EDGES[2:])
    below = np.array([np.interp(edges, row, QUANTILES, left=0.0, right=1.0) for row in table])
    shares = np.zeros((len(table), BINS))
    shares[:, 1:] = np.diff(below, axis=1, prepend=0.0, append=1.0)
    # Interpolated quantiles end abruptly; a few requests of any size occur to everyone.
    shares[:, 1:] = 0.995 * shares[:, 1:] + 0.005 / (BINS - 1)
    return _normed(shares)


def _normed(shares: Floats) -> Floats:
    result: Floats = shares / shares.sum(axis=1, keepdims=True)
    return result
