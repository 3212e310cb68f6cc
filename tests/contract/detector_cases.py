"""The Case protocol: accounts with a history, their usual input, and an attack in it.

`tests/contract/test_detectors.py` discovers every detector and holds it to the same promises over
its cases; a detector without a case fails there. The case of detector NAME is a module
`tests/contract/cases/<NAME>.py` with

    CASE: Final[Builder] = build            builds the case of the kind it is there for
    MORE: Final[tuple[Builder, ...]] = ...  optional: further cases, of its other kinds

where `build(accounts, seed) -> Case` makes the same case every time. To write one: let `accounts`
rows live through a seeded history by calling the detector's own `observe` as the fold would (stride
detectors: once at each hour's end will do), then draw one more hour, not quite over, twice: as
always (`usual`), and with the attack in it (`attack`). Make the attack plain: every row must reach
`limit`, and no row of `usual` may.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from detectors.base import FloatArray, Inputs, State
from detectors.wording import amount

__all__ = ["HOUR_MS", "START_MS", "Builder", "Case", "builders"]

HOUR_MS: Final = 3_600_000
START_MS: Final = 1_700_006_400_000  # a midnight; any will do


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row an account (n,) everywhere; all rows are attacked in the same way."""

    #: What was learned before the clock hour that `now_ms` lies in.
    state: State
    #: When the inputs are judged: a tick (or stride) inside a clock hour, not its end.
    now_ms: int
    #: All of the detector's INPUTS, as they always are; played over and over they stay silent.
    usual: Inputs
    #: The same with the attack in it.
    attack: Inputs
    #: An alarm, here: evidence of every attacked row reaches it, evidence of the usual does not.
    limit: float
    #: One of KINDS: what the evidence of every attacked row names.
    kind: str
    #: Of the explanation: what was counted, over how many seconds, and how much of it was injected.
    metric: str
    window_s: int
    observed: FloatArray
    #: Names of drivers; the first driver of every explanation is one of them.
    causes: frozenset[str]
    #: Inputs in which the observed numbers (n,) are these, all else equal.
    replace: Callable[[Inputs, FloatArray], dict[str, FloatArray]]
    #: Spacing of possible observed values: one step below the threshold is silent.
    step: float = 1.0
    #: The observed number as the sentence writes it.
    said: Callable[[float], str] = amount
    #: None: the detector's defaults.
    parameters: Any = None
    #: True for a detector that judges accounts never seen before, instead of warming up (NaN).
    judges_unseen: bool = False


Builder = Callable[[int, int], Case]


def builders() -> Mapping[str, tuple[Builder, ...]]:
    """Builders of cases by name of detector: the modules of `tests.contract.cases`."""
    package = importlib.import_module("tests.contract.cases")
    found: dict[str, tuple[Builder, ...]] = {}
    for module in pkgutil.iter_modules(package.__path__):
        case = importlib.import_module(f"{package.__name__}.{module.name}")
        found[module.name] = (case.CASE, *getattr(case, "MORE", ()))
    return found
