"""Who the accounts are: names, clients and habits, and the JSON fragments that say so in an event.

Every property is a function of the seed and the account's number. Fragments are rendered when
first needed and kept in bounded caches, so a million accounts cost no more than their arrays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.traffic.simulate.population import Population
from streams.traffic.simulate.spec import SimulationSpec

__all__ = ["DRIFT_SESSION", "GROUP_SESSION", "HOP_SESSION", "Fragments", "Roster"]

#: Session numbers from here on belong to coordinated groups: one network and client for all.
GROUP_SESSION = 64
#: From here on each session has a key of its own, ...
HOP_SESSION = 1 << 18
#: ... and from here on sessions are of another product in another country.
DRIFT_SESSION = 1 << 19

_DAY_MS = 86_400_000
_FIRST_SIGN_UP_MS = 1_640_995_200_000  # 2022-01-01
_SIGN_UP_SPAN_MS = 730 * _DAY_MS
_CACHED = 200_000
_BITS = 20

_COUNTRIES = ("US", "US", "US", "IN", "DE", "GB", "FR", "BR", "JP", "CA", "NL", "PL", "KR", "ID")
_AGENTS = (
    "python-sdk/1.93.0",
    "node-sdk/5.8.2",
    "python-requests/2.32",
    "go-http-client/2.0",
    "curl/8.5.0",
    "java-sdk/2.1.0",
)
_MODELS = ("large-3", "medium-3", "small-3", "small-3-mini")
_USE_CASES = ("support", "coding", "search", "education", "marketing", "analytics", "translation")


class Fragments(dict[int, str]):
    """Rendered fragments by number; forgets everything when it has grown too large."""

    def __init__(self, render: Callable[[int], str]) -> None:
        super().__init__()
        self._render = render

    def __missing__(self, key: int) -> str:
        if len(self) >= _CACHED:
            self.clear()
        fragment = self[key] = self._render(key)
        return fragment


class Roster:
    """Accounts 0 to n-1 of the population, and after them those made for attacks (`add`)."""

    def __init__(self, spec: SimulationSpec, population: Population) -> None:
        self._seed = spec.seed
        self._start_ms = spec.start_ms
        rng = np.random.default_rng([spec.seed, 4])
        clients, count = len(population.mean_rate), spec.accounts
        width = max(4, len(str(count)))
        self.names = [f"acct-{number:0{width}}" for number in range(1, count + 1)]
        # Each client has one account; the rest join clients, larger ones more often.
        chance = np.sqrt(population.mean_rate + 1e-12)
        more = rng.choice(clients, max(0, count - clients), p=chance / chance.sum())
        self.client = np.concatenate([np.arange(min(clients, count)), more]).astype(np.int32)
        self.weight = self._weights(clients)
        self.mean_rate = population.mean_rate[self.client] * self.weight
        self.on_share = population.on_share[self.client]
        created = _FIRST_SIGN_UP_MS + rng.random(count) * _SIGN_UP_SPAN_MS
        latest = max(0, spec.start_ms - 30 * _DAY_MS)
        self.created_ms: list[int] = np.minimum(created, latest).astype(np.int64).tolist()
        self._order = np.argsort(self.client, kind="stable").astype(np.int32)
        self._bounds = self._cumulated()
        self.accounts = Fragments(self._account)
        self.sessions = Fragments(self._session)
        self.templates = Fragments(self._template)

    def add(self, salt: str, created_ms: int, client: int) -> int:
        """A further account that only an attack uses; returns its number."""
        self.names.append(f"acct-{self._hash('extra', salt)[:8]}")
        self.created_ms.append(created_ms)
        self.client = np.append(self.client, np.int32(client))
        return len(self.names) - 1

    def pick(self, rng: np.random.Generator, client: NDArray[np.int32]) -> NDArray[np.int32]:
        """One account for each request of `client`, by the accounts' shares in their client."""
        place = np.searchsorted(self._bounds, client + rng.random(len(client)), side="right")
        return self._order[np.minimum(place, len(self._order) - 1)]

    @staticmethod
    def session_key(account: NDArray[np.int32], session: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number of an account's session (or template) in the fragment caches."""
        return account.astype(np.int64) << _BITS | session

    def _weights(self, clients: int) -> NDArray[np.float64]:
        """Share of each account in its client: 1/rank^1.2 in order of joining, summing to 1."""
        order = np.argsort(self.client, kind="stable")
        counts = np.bincount(self.client, minlength=clients)
        starts = np.repeat(np.cumsum(counts) - counts, counts)
        raw = (np.arange(len(order)) - starts + 1.0) ** -1.2
        weight = np.empty(len(order))
        weight[order] = raw / np.bincount(self.client[order], raw, clients)[self.client[order]]
        return weight

    def _cumulated(self) -> NDArray[np.float64]:
        """client + share of its accounts up to and including this one, in `_order`."""
        weight = self.weight[self._order]
        client = self.client[self._order].astype(np.float64)
        sums = np.cumsum(weight)
        first = np.searchsorted(client, client, side="left")
        return client + np.minimum(sums - sums[first] + weight[first], 1.0)

    def _hash(self, kind: str, key: int | str) -> str:
        text = f"{self._seed}:{kind}:{key}"
        return hashlib.blake2b(text.encode(), digest_size=24).hexdigest()

    def _account(self, account: int) -> str:
        digest = self._hash("account", account)
        return _members(
            account_id=self.names[account],
            org_id=f"org-{digest[:6]}",
            payment=digest[6:22],
            account_created_at=self.created_ms[account],
            use_case=_USE_CASES[int(digest[22:26], 16) % len(_USE_CASES)],
        )

    def _session(self, key: int) -> str:
        account, session = key >> _BITS, key & (1 << _BITS) - 1
        own = self._hash("account", account)
        digest = self._hash("session", key)
        drifted, hops = session >= DRIFT_SESSION, HOP_SESSION <= session < DRIFT_SESSION
        grouped = GROUP_SESSION <= session < HOP_SESSION
        place = own
        if grouped or drifted:
            place = self._hash("group", session)
        endpoint = "text_completion" if int(own[32:34], 16) < 12 else "chat"
        return _members(
            key_id=f"key-{digest[26:32]}" if hops else f"key-{own[26:32]}-{session % 2}",
            end_user=f"u-{digest[:8]}",
            endpoint="embeddings" if drifted else endpoint,
            model=_MODELS[int(own[34:36], 16) % len(_MODELS)],
            stream=int(digest[8], 16) < 10,
            ip_hash=digest[10:26],
            network=place[36:44],
            country=_COUNTRIES[int(place[44:46], 16) % len(_COUNTRIES)],
            user_agent=_AGENTS[int(place[46:48], 16) % len(_AGENTS)],
        )

    def _template(self, key: int) -> str:
        digest = self._hash("template", key)
        bands = [digest[place : place + 8] for place in range(16, 48, 8)]
        return _members(template=digest[:16], bands=bands)


def _members(**fields: object) -> str:
    """JSON members with a comma after the last: a piece of an object."""
    return msgspec.json.encode(fields)[1:-1].decode() + ","
