"""The simulator: seeded traffic of a language-model API with labelled attacks in it.

spec -> population (rates per step) -> arrivals (who, when) + attacks -> fields -> Batches
    `-> truth (what a detector should find)
"""

from __future__ import annotations

from streams.traffic.simulate.demo import demo_spec
from streams.traffic.simulate.engine import Simulation, simulate
from streams.traffic.simulate.spec import ATTACK_KINDS, Attack, SimulationSpec
from streams.traffic.simulate.truth import TruthRow, write_truth

__all__ = [
    "ATTACK_KINDS",
    "Attack",
    "Simulation",
    "SimulationSpec",
    "TruthRow",
    "demo_spec",
    "simulate",
    "write_truth",
]
