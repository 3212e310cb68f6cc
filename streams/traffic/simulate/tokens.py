"""Token lengths by client: a table of quantiles, sampled by inverting it, whole batches at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["QUANTILES", "TokenTable", "drawn_tokens", "with_ends"]

Floats = NDArray[np.float64]

#: Probabilities of a table's columns: those ServeGen publishes, and the ends.
QUANTILES: Floats = np.array([0.0, 0.10, 0.25, 0.50, 0.75, 0.90, 0.99, 1.0])

# Medians over ServeGen's clients of each quantile as a multiple of the client's own median.
_PROMPT_SHAPE = np.array([0.79, 0.89, 1.0, 1.12, 1.35, 1.86])
_COMPLETION_SHAPE = np.array([0.61, 0.80, 1.0, 1.33, 1.92, 3.17])


@dataclass(frozen=True, slots=True)
class TokenTable:
    """Logarithms of token counts, shape (clients, len(QUANTILES)), rising along each row."""

    prompt: Floats
    completion: Floats

    def draw(
        self, rng: np.random.Generator, client: NDArray[np.int32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Prompt and completion tokens (at least 1) of one request of each `client`."""
        return _invert(self.prompt, client, rng), _invert(self.completion, client, rng)


def with_ends(quantiles: Floats) -> Floats:
    """Table rows from p10..p99 (tokens): log scale, ends at half of p10 and 1.5 times p99."""
    low, high = quantiles[:, :1] / 2, quantiles[:, -1:] * 1.5
    table = np.log(np.maximum(np.hstack([low, quantiles, high]), 1.0))
    return np.maximum.accumulate(table, axis=1)


def drawn_tokens(rng: np.random.Generator, clients: int) -> TokenTable:
    """Tables for made-up clients, spread as ServeGen's are (median prompt 400, output 40)."""
    prompt = 400 * np.exp(1.2 * rng.standard_normal((clients, 1)))
    completion = 40 * np.exp(1.3 * rng.standard_normal((clients, 1)))
    width = np.exp(0.3 * rng.standard_normal((clients, 1)))
    return TokenTable(
        with_ends(np.clip(prompt, 12, 20_000) * _PROMPT_SHAPE**width),
        with_ends(np.clip(completion, 2, 3_000) * _COMPLETION_SHAPE**width),
    )


def _invert(
    table: Floats, client: NDArray[np.int32], rng: np.random.Generator
) -> NDArray[np.int64]:
    share = rng.random(len(client))
    piece = np.searchsorted(QUANTILES, share, side="right") - 1
    low = table[client, piece]
    slope = (table[client, piece + 1] - low) / (QUANTILES[piece + 1] - QUANTILES[piece])
    return np.exp(low + slope * (share - QUANTILES[piece])).astype(np.int64)
