"""What every test can ask for; the fixtures themselves stand in tests/support/fixtures.py."""

from __future__ import annotations

from tests.support.fixtures import real_kafka

__all__ = ["real_kafka"]
