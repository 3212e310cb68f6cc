"""A population taken from the ServeGen tables: rates, burstiness and token lengths of real clients.

Reads `servegen_clients.csv.gz` and `servegen_tokens.csv.gz` of one directory. The trace's 14 days
repeat; a step of the simulation takes the trace's step at the same time of its fortnight.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streams.traffic.simulate.population import Step
from streams.traffic.simulate.spec import STEP_MS, SimulationSpec
from streams.traffic.simulate.tokens import TokenTable, drawn_tokens, with_ends
from streams.traffic.tables import read_columns

__all__ = ["CLIENTS_FILE", "TOKENS_FILE", "ServeGenPopulation"]

CLIENTS_FILE = "servegen_clients.csv.gz"
TOKENS_FILE = "servegen_tokens.csv.gz"

Floats = NDArray[np.float64]

_CLIENT_COLUMNS = ("client", "t_s", "rate_per_s", "cv", "dist")
_LEVELS = ("p10", "p25", "p50", "p75", "p90", "p99")
# Beyond this the variation lies between steps rather than inside one of ten minutes.
_LARGEST_CV = 20.0


class ServeGenPopulation:
    """The real clients, largest first, scaled together to the rate that the spec asks for.

    Raises:
        UsageError: a table is missing. BadInput: it is damaged or lacks a column.
    """

    def __init__(self, spec: SimulationSpec, directory: Path) -> None:
        table = read_columns(directory / CLIENTS_FILE, _CLIENT_COLUMNS)
        names, client = _numbered(table["client"])
        step = np.asarray(table["t_s"], np.int64) // (STEP_MS // 1000)
        shape = (len(names), int(step.max()) + 1)
        rate, cv = np.zeros(shape), np.ones(shape)
        weibull = np.zeros(shape, bool)
        rate[client, step] = np.asarray(table["rate_per_s"], float)
        cv[client, step] = np.clip(np.asarray(table["cv"], float), 0.3, _LARGEST_CV)
        weibull[client, step] = np.asarray(table["dist"]) == "Weibull"
        chosen = _chosen(rate.mean(axis=1), min(spec.clients, spec.accounts))
        rate = rate[chosen] * (spec.rate_per_s / rate[chosen].sum(axis=0).mean())
        self._first = spec.start_ms // STEP_MS
        self._rate, self._cv, self._weibull = rate, cv[chosen], weibull[chosen]
        self.mean_rate: Floats = rate.mean(axis=1)
        self.on_share: Floats = (rate > 0).mean(axis=1)
        kept = [names[row] for row in chosen.tolist()]
        self.tokens: TokenTable = _tokens(directory / TOKENS_FILE, kept, spec.seed)

    def steps(self) -> Iterator[Step]:
        """See `Population.steps`."""
        number = self._first
        while True:
            column = number % self._rate.shape[1]
            yield Step(self._rate[:, column], self._cv[:, column], self._weibull[:, column])
            number += 1


def _chosen(mean_rate: Floats, count: int) -> NDArray[np.int64]:
    """Clients that ever send, largest first; when fewer are wanted, evenly over the ranks."""
    ranked = np.argsort(-mean_rate, kind="stable")
    ranked = ranked[mean_rate[ranked] > 0]
    places = np.linspace(0, len(ranked) - 1, min(count, len(ranked))).round().astype(np.int64)
    return ranked[places]


def _tokens(path: Path, clients: Sequence[str], seed: int) -> TokenTable:
    """Each client's mean quantiles over the fortnight; drawn ones where the table has none."""
    sides = [[f"{side}_{level}" for level in _LEVELS] for side in ("in", "out")]
    table = read_columns(path, ("client", *sides[0], *sides[1]))
    names, client = _numbered(table["client"])
    drawn = drawn_tokens(np.random.default_rng([seed, 3]), len(clients))
    result = []
    for columns, fallback in zip(sides, (drawn.prompt, drawn.completion), strict=True):
        values = np.column_stack([np.asarray(table[column], float) for column in columns])
        counts = np.bincount(client)[:, None]
        sums = np.column_stack([np.bincount(client, column) for column in values.T])
        known = dict(zip(names, with_ends(sums / counts), strict=True))
        rows = [known.get(name, fallback[row]) for row, name in enumerate(clients)]
        result.append(np.array(rows))
    return TokenTable(*result)


def _numbered(column: NDArray[np.object_]) -> tuple[list[str], NDArray[np.int64]]:
    names, numbers = np.unique(column.astype(str), return_inverse=True)
    return names.tolist(), numbers
