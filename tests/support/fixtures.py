"""Fixtures of the whole test run; `tests/conftest.py` imports them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.kafka import RealKafka, missing

__all__ = ["real_kafka", "require_kafka"]


def require_kafka() -> None:
    """Skips where no Kafka can be started, and fails there in CI, where it has to be."""
    if reason := missing():
        if os.environ.get("CI"):
            pytest.fail(f"{reason} (required in CI)", pytrace=False)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def real_kafka() -> Iterator[RealKafka]:
    """One Kafka for all tests of the run; tests that stop or kill a broker start their own."""
    require_kafka()
    with RealKafka() as broker:
        yield broker
