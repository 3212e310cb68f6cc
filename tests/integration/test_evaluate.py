"""`pulse evaluate`: a small run from end to end, and wrong usage in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streams.cli.evaluate import evaluate
from streams.errors import UsageError
from streams.lab.cards import FOLDER, stale
from streams.scoring.record import DETECTORS


def run(*arguments: str, environment: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(evaluate, arguments, env={"USAGE_TRACES": "", **(environment or {})})


@pytest.mark.slow
def test_a_small_run_measures_prints_and_writes(tmp_path: Path) -> None:
    out, repository, reference = tmp_path / "out", tmp_path / "repo", tmp_path / "reference.json"
    repository.mkdir()
    result = run(
        "--quick", "--accounts", "20", "--output", str(out),
        "--cards", str(repository), "--write-reference", str(reference),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "Built-in population: 40 accounts" in result.output
    assert "Targets" in result.output
    document = json.loads((out / "evaluation.json").read_text())
    assert {method["family"] for method in document["methods"]} == {
        "system",
        "detector",
        "baseline",
    }
    recalls = [
        row["value"]
        for row in document["rows"]
        if (row["measure"], row["method"], row["scenario"]) == ("recall", "pulse", "all")
    ]
    assert len(recalls) == 4
    assert recalls == sorted(recalls)  # a larger budget never finds less
    assert recalls[-1] > 0.1
    assert (out / "evaluation.html").exists()
    assert stale(repository) == []
    assert (repository / FOLDER / "README.md").exists()
    learned = json.loads(reference.read_text())
    assert set(learned) == {detector.NAME for detector in DETECTORS}
    for detector in DETECTORS:
        assert len(learned[detector.NAME]["quantiles"]) == detector.STRATA


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--only", "no_such"], "--only"),
        (["--accounts", "3"], "--accounts"),
        (["--days", "40"], "--days"),
        (["--traces", "/no/such/folder"], "--traces"),
        (["--seed", "-1"], "--seed"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(arguments: list[str], told: str) -> None:
    result = run(*arguments)
    if isinstance(result.exception, UsageError):  # printed by the tree of commands
        assert told in str(result.exception)
        assert result.exception.exit_code == 2
    else:
        assert result.exit_code == 2
        assert told in result.output


def test_a_folder_without_traces_is_told_by_name(tmp_path: Path) -> None:
    result = run("--accounts", "20", environment={"USAGE_TRACES": str(tmp_path / "none")})
    assert isinstance(result.exception, UsageError)
    assert "USAGE_TRACES" in str(result.exception)
    result = run("--accounts", "20", "--traces", str(tmp_path))
    assert isinstance(result.exception, UsageError)
    assert "servegen_clients.csv.gz" in str(result.exception)
