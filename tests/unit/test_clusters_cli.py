"""`pulse clusters` with input and options that are wrong: one clear line, and no half result."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.clusters import run, written


def test_an_error_leaves_the_results_of_before_alone(tmp_path: Path) -> None:
    out, pairs = tmp_path / "a.csv", tmp_path / "p.csv"
    out.write_text("before")
    source = written(tmp_path, ["a,url,x,1", "b,url,x,soon", ",url,x,1"])
    result = run(source, "--output", str(out), "--pairs", str(pairs))
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"pulse: {source}, line 3: timestamp: expected seconds since 1970")
    assert line.endswith("line 4: account_id is empty (2 bad rows; --skip-bad leaves them out)")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "actions.csv"]
    assert out.read_text() == "before"

    result = run(source, "--output", str(out), "--skip-bad")
    assert result.exit_code == 0
    assert "2 bad rows left out, line 3: timestamp:" in result.stderr
    assert out.read_text().splitlines()[1:] == ["a,,0"]


def test_only_the_kinds_asked_for_count(tmp_path: Path) -> None:
    source = written(tmp_path, ["a,url,x,1", "b,tag,x,1", "b,url,y,2"])
    out = tmp_path / "a.csv"
    result = run(source, "--output", str(out), "--kinds", " url,tag,mail,ip")
    assert result.exit_code == 1
    assert result.stderr == f"pulse: {source}: --kinds: no ip, mail: the file has tag, url\n"
    result = run(source, "--output", str(out), "--kinds", "tag")
    assert result.output.startswith("1 action by 2 accounts on 1 object ")
    assert out.read_text().splitlines()[1:] == ["a,,0", "b,,0"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--policy", "x", "--method", "co-sharing"], "not with --method co-sharing"),
        (["--window", "5"], "option --window: only with --method co-sharing"),
        (["--repeats", "2"], "option --repeats: only with --method co-sharing"),
        (["--method", "co-sharing", "--window", "-1"], "expected 0 to 2678400 seconds, got -1"),
        (["--method", "co-sharing", "--window", "nan"], "expected 0 to 2678400 seconds, got nan"),
        (["--kinds", " ,"], "option --kinds: expected names of signals separated by commas"),
        (["--pairs", "{out}"], "option --pairs: {out} is option --output already"),
        (["--pairs", "{source}"], "option --pairs: {source} is ACTIONS.csv already"),
        (["--pairs", "{folder}/none/p.csv"], "p.csv: No such file or directory"),
        (["--pairs", "-", "--json"], "cannot both be standard output"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    tmp_path: Path, more: list[str], message: str
) -> None:
    source, out = written(tmp_path, ["a,url,x,1"]), tmp_path / "a.csv"
    places = {"source": source, "out": out, "folder": tmp_path}
    result = run(source, "--output", str(out), *(part.format(**places) for part in more))
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("pulse: ")
    assert message.format(**places) in line
    assert not out.exists()


def test_the_input_is_never_written_over(tmp_path: Path) -> None:
    source = written(tmp_path, ["a,url,x,1"])
    link = tmp_path / "link.csv"
    os.link(source, link)
    before = source.read_bytes()
    for output in (source, link):
        result = run(source, "--output", str(output))
        assert (result.exit_code, source.read_bytes()) == (2, before)
        assert "is ACTIONS.csv already" in result.stderr
    assert run(tmp_path / "none.csv", "--output", str(link)).exit_code == 2
