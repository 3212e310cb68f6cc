"""`pulse evaluate coordination` from end to end, small and on built-in backgrounds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli.evaluate import evaluate
from streams.lab.coordination.card import stale
from streams.lab.coordination.document import PULSE, read


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_small_run_measures_prints_and_writes(tmp_path: Path) -> None:
    out, repository = tmp_path / "out", tmp_path / "repository"
    repository.mkdir()
    arguments = ["coordination", "--quick", "--accounts", "150", "--output", str(out)]
    arguments += ["--cards", str(repository)]
    result = CliRunner().invoke(evaluate, arguments, env={"USAGE_TRACES": ""})
    assert result.exit_code == 0, result.output
    assert "Built-in shares and API requests, built-in clients" in result.output
    assert "Targets" in result.output
    assert stale(repository) == []
    assert (out / "coordination.html").exists()
    measured = read(out / "coordination.json")
    json.loads((out / "coordination.json").read_text())
    for background in measured.backgrounds:
        unison = measured.figure("pr_auc", PULSE, background, "unison")
        assert unison.value > 0.9
        assert unison.low <= unison.value <= unison.high
    silent = measured.find("false_clusters", method=PULSE)
    assert {row.scenario for row in silent} >= {"classroom", "viral", "null_times"}
    assert not any(row.figure.value for row in silent)
