"""A small simulation that the tests of simulated traffic start from."""

from __future__ import annotations

from streams.traffic.simulate import SimulationSpec

__all__ = ["CALM", "HOUR", "START"]

START = 1_700_000_000_000
HOUR = 3_600_000
CALM = SimulationSpec(
    start_ms=START, end_ms=START + 2 * HOUR, rate_per_s=10.0, volatility=0.1, empty_share=0.0
)
