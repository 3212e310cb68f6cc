"""How much of an hour's requests share a template: Simpson's index, chance collisions taken off.

Used by the detectors of content; templates arrive hashed into `BINS` bins.

    concentration = (S - 1/32) / (1 - 1/32),  S = sum c (c - 1) / (n (n - 1))

S is the chance that two requests of the hour fall into one bin, without bias at any n; of two
different templates one pair in 32 does.

Reference: E. H. Simpson, "Measurement of diversity", Nature 163, 1949.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.base import FloatArray

__all__ = ["BINS", "concentration"]

BINS: Final = 32


def concentration(template_counts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Chance (n,) that two requests share a template, 0..1, and the number of requests (n,).

    >>> one = np.zeros((2, 32)); one[0, 5] = 40.0; one[1] = 10.0
    >>> concentration(one)
    (array([1., 0.]), array([ 40., 320.]))
    """
    total = template_counts.sum(axis=1)
    pairs = np.maximum(total * (total - 1.0), 1.0)
    simpson = ((template_counts * template_counts).sum(axis=1) - total) / pairs
    alike: FloatArray = np.clip((simpson - 1.0 / BINS) / (1.0 - 1.0 / BINS), 0.0, 1.0)
    return alike, total
