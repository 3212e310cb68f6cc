"""The features of the shape detector: twelve logarithms that describe an account's hour.

Pure arithmetic on the inputs, before any history. Levels are counts; the others are shares or means
over some number of requests, and count for the less the fewer those are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.base import FloatArray, Inputs
from detectors.logarithm import log
from detectors.shape_parameters import Parameters

__all__ = ["FEATURES", "INPUTS", "Feature", "features", "raw_value", "with_raw_value"]


@dataclass(frozen=True, slots=True)
class Feature:
    """name: as in the drivers; metric: what was counted; label: in a sentence, after a number.

    counted: the input it grows with; of: the input it is a share or mean of; share: log(floor + x),
    else a level or mean, log(1 + x).
    """

    name: str
    metric: str
    label: str
    counted: str
    of: str | None = None
    share: bool = False


FEATURES: Final = (
    Feature("requests", "requests", "requests", "requests"),
    Feature("prompt_length", "prompt_tokens", "prompt tokens", "prompt_tokens", "requests"),
    Feature(
        "completion_length",
        "completion_tokens",
        "completion tokens",
        "completion_tokens",
        "outputs",
    ),
    Feature("error_share", "errors", "errors", "errors", "requests", True),
    Feature("throttled_share", "throttled", "429s", "throttled", "requests", True),
    Feature("short_share", "short_outputs", "short outputs", "short_outputs", "outputs", True),
    Feature("novel_share", "novel", "requests by new templates", "novel", "templated", True),
    Feature(
        "concentration",
        "top_template",
        "requests by one group of templates",
        "template_counts",
        "templated",
        True,
    ),
    Feature("keys", "keys", "keys", "keys"),
    Feature("addresses", "addresses", "addresses", "addresses"),
    Feature("end_users", "end_users", "end users", "end_users"),
    Feature("flagged_share", "flagged", "moderation flags", "flagged", "requests", True),
)
INPUTS: Final = tuple(dict.fromkeys(x for f in FEATURES for x in (f.counted, f.of) if x))
_CONCENTRATION: Final = 7


def features(inputs: Inputs, parameters: Parameters) -> tuple[FloatArray, FloatArray]:
    """Logarithms (n, 12), and how much each may say (n, 12): n / (n + k) of what it is over."""
    p = parameters
    n = len(inputs["requests"])
    values, says = np.empty((n, len(FEATURES))), np.ones((n, len(FEATURES)))
    for column, feature in enumerate(FEATURES):
        counted = inputs[feature.counted]
        if feature.of is None:
            values[:, column] = 1.0 + counted
            continue
        of = inputs[feature.of]
        if column == _CONCENTRATION:
            share = _simpson(counted)
        else:
            total = counted.sum(axis=1) if counted.ndim > 1 else counted
            share = total / np.maximum(of, 1.0)
        values[:, column] = share + (p.share_floor if feature.share else 1.0)
        says[:, column] = of / (of + p.shrink_requests)
    return log(values), says


def raw_value(inputs: Inputs, column: int) -> FloatArray:
    """What the feature's metric counts (n,)."""
    counted = inputs[FEATURES[column].counted]
    if counted.ndim == 1:
        return counted
    raw: FloatArray = counted.max(axis=1) if column == _CONCENTRATION else counted.sum(axis=1)
    return raw


def with_raw_value(inputs: Inputs, column: int, values: FloatArray) -> dict[str, FloatArray]:
    """The inputs with the metric of one feature set to `values` (n,), all else equal."""
    name = FEATURES[column].counted
    new = values
    if inputs[name].ndim > 1:
        new = inputs[name].copy()
        at = (np.arange(len(new)), new.argmax(axis=1))
        new[at] += values - raw_value(inputs, column)
        new = np.maximum(new, 0.0)
    return {**inputs, name: new}


def _simpson(counts: FloatArray) -> FloatArray:
    """Probability (n,) that two requests drawn without replacement share a group of templates.

    Simpson, "Measurement of diversity", Nature 163, 1949.
    """
    total = np.maximum(counts.sum(axis=1), 2.0)
    pairs: FloatArray = np.maximum((counts * (counts - 1.0)).sum(axis=1), 0.0)
    together: FloatArray = pairs / (total * (total - 1.0))
    return together
