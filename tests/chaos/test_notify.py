"""The notifier under kill -9; `python -m tests.chaos.notify` does the same for longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.notify import chaos


@pytest.mark.slow
def test_five_kills_lose_nothing(tmp_path: Path) -> None:
    verdict = chaos(5, tmp_path, seed=7)
    assert verdict.lost == (), verdict.line()
    assert verdict.confused == 0, verdict.line()
    assert verdict.incidents >= 20, "the kills met no work"
