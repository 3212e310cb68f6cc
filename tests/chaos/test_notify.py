"""The notifier under kill -9; `python -m tests.chaos.notify` does the same for longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.notify import chaos


@pytest.mark.slow
def test_four_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    verdict = chaos(4, tmp_path, seed=7)
    assert verdict.clean, verdict.line()
    assert verdict.repeated == 0, verdict.line()
    assert verdict.incidents >= 20, "the kills met no work"


@pytest.mark.slow
def test_with_the_courier_killed_what_comes_again_says_so(tmp_path: Path) -> None:
    verdict = chaos(3, tmp_path, seed=8, courier=True)
    assert verdict.clean, verdict.line()
    assert verdict.incidents >= 20, "the kills met no work"
