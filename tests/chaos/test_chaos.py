"""Five rounds of chaos on real Kafka: what CI asks of every change."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.run import Plan, chaos
from tests.support.fixtures import require_kafka


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.timeout(280)
def test_five_faults_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    require_kafka()
    # Seed 36: broker stopped, kill -9 of one and of both workers, cut connections, a rebalance.
    said: list[str] = []
    result = chaos(Plan(rounds=5, seed=36, rate=1000), tmp_path, said.append)
    assert result.verdict, "\n".join([*said, *result.verdict.details()])
    assert result.incidents, said
    assert result.letters
