"""The populations of one partition: what is rare for each detector, by stratum and by cohort.

Between the detectors' evidence and the decision. A partition is an unbiased sample of all accounts,
so it asks nobody else. A cohort of the policy with enough accounts is judged among its own; until
it has seen enough itself, everybody is its reference.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.base import Detector
from detectors.calibration import Population, Reference
from streams.policy.model import COLD
from streams.scoring.record import DETECTORS

__all__ = ["EVERYBODY", "Populations", "read_references"]

EVERYBODY: Final = ""
#: Account-hours that the reference counts for; those of cold accounts are so few, and so different
#: from platform to platform, that what was seen here soon has to say more.
_WEIGHT: Final = 2000.0
_COLD_WEIGHT: Final = 100.0
_COHORT_WEIGHT: Final = 500.0  # account-hours that everybody counts for in a cohort


@lru_cache(maxsize=1)  # of a file of the package
def read_references() -> Mapping[str, Reference]:
    """The shipped reference of each detector (`pulse evaluate --write-reference` makes it)."""
    text = files("streams.scoring").joinpath("reference.json").read_text(encoding="utf-8")
    return {
        name: Reference(np.array(entry["quantiles"]), np.array(entry["length"]))
        for name, entry in json.loads(text).items()
    }


class Populations:
    """One `Population` a detector, and one more a detector and cohort."""

    def __init__(self, references: Mapping[str, Reference] | None = None) -> None:
        known = read_references() if references is None else references
        self._all = {
            detector.NAME: Population(
                detector.STRATA,
                _fitting(known, detector),
                reference_weight=_COLD_WEIGHT if detector.NAME in COLD else _WEIGHT,
                cluster=detector.CLUSTER,
            )
            for detector in DETECTORS
        }
        self._cohorts: dict[tuple[str, str], Population] = {}
        self._gates: dict[str, NDArray[np.float64]] = {}

    def of(self, detector: str, cohort: str = EVERYBODY) -> Population:
        """The population an account of `cohort` is compared with."""
        return self._cohorts.get((detector, cohort), self._all[detector])

    def of_cohort(self, cohort: str) -> Callable[[str], Population]:
        """`of` for one cohort."""
        return lambda detector: self.of(detector, cohort)

    def gate(self, detector: Detector, p_value: float) -> NDArray[np.float64]:
        """(strata,) evidence below which p-values are larger than this; the same until we learn."""
        found = self._gates.get(detector.NAME)
        if found is None:
            found = np.maximum(self._all[detector.NAME].gates(p_value), 1e-9)
            self._gates[detector.NAME] = found
        return found

    def forget_gates(self) -> None:
        """Thresholds changed."""
        self._gates.clear()

    def p_values(
        self,
        evidence: NDArray[np.float32],
        stratum: NDArray[np.uint8],
        cohorts: list[str] | None = None,
    ) -> NDArray[np.float64]:
        """(n, detectors) of the hour's evidence; NaN where a detector has no verdict."""
        result = np.full(evidence.shape, np.nan)
        groups = {EVERYBODY: np.arange(len(evidence))}
        if cohorts is not None and self._cohorts:
            groups = {
                name: np.flatnonzero([one == name for one in cohorts]) for name in set(cohorts)
            }
        for name, rows in groups.items():
            for place, detector in enumerate(DETECTORS):
                result[rows, place] = self.of(detector.NAME, name).p_value(
                    evidence[rows, place].astype(np.float64), stratum[rows, place].astype(np.int64)
                )
        return result

    def pass_hours(self, hours: int) -> None:
        """Let what was learned fade."""
        for population in (*self._all.values(), *self._cohorts.values()):
            population.pass_hours(hours)
        self._gates.clear()

    def learn(
        self,
        evidence: NDArray[np.float64],
        stratum: NDArray[np.int64],
        cohorts: list[str],
        large: set[str],
    ) -> None:
        """Account-hours (n, detectors); a stratum of -1 is none. `large`: cohorts with a say."""
        members = {name: np.flatnonzero([c == name for c in cohorts]) for name in sorted(large)}
        for place, detector in enumerate(DETECTORS):
            told = stratum[:, place] >= 0
            rows = np.flatnonzero(told)
            self._all[detector.NAME].learn(evidence[rows, place], stratum[rows, place])
            for name, inside in members.items():
                own = inside[told[inside]]
                self._cohort(detector, name).learn(evidence[own, place], stratum[own, place])
        self._gates.clear()

    def _cohort(self, detector: Detector, name: str) -> Population:
        key = (detector.NAME, name)
        if key not in self._cohorts:
            everybody = self._all[detector.NAME].as_reference()
            self._cohorts[key] = Population(
                detector.STRATA,
                everybody,
                reference_weight=_COHORT_WEIGHT,
                cluster=detector.CLUSTER,
            )
        return self._cohorts[key]

    def references(self) -> dict[str, Reference]:
        """What was learned, as references for other populations."""
        return {name: population.as_reference() for name, population in self._all.items()}

    def dump(self) -> dict[str, Any]:
        """For a snapshot."""
        return {
            "all": {name: population.dump() for name, population in self._all.items()},
            "cohorts": [
                [name, cohort, population.dump(), _lists(population.reference)]
                for (name, cohort), population in sorted(self._cohorts.items())
            ],
        }

    def load(self, dumped: Mapping[str, Any]) -> None:
        """From a snapshot."""
        for name, rows in dumped["all"].items():
            self._all[name].load(rows)
        self._cohorts = {}
        for name, cohort, rows, reference in dumped["cohorts"]:
            population = Population(
                self._all[name].strata,
                Reference(np.array(reference[0]), np.array(reference[1])),
                reference_weight=_COHORT_WEIGHT,
                cluster=self._all[name].cluster,
            )
            population.load(rows)
            self._cohorts[name, cohort] = population
        self._gates.clear()


def _fitting(known: Mapping[str, Reference], detector: Detector) -> Reference | None:
    reference = known.get(detector.NAME)
    if reference is None or len(reference.length) != detector.STRATA:
        return None
    return reference


def _lists(reference: Reference) -> list[Any]:
    return [reference.quantiles.tolist(), reference.length.tolist()]
