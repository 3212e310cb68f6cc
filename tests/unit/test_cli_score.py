"""`pulse score`: its contract with other people's scripts, and one clear line for bad input."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from detectors.series import score as scores_of
from streams.cli import score_rows
from streams.cli.main import Tree, told
from streams.cli.score import score
from streams.errors import PulseError

HEADER = "timestamp,value\n"


def run(source: Path | str, output: Path | str, *more: str, text: str | None = None) -> Result:
    """The command at the edge where a failure becomes one line."""
    tree = Tree("pulse", commands={"score": score})
    tree.get_command = lambda ctx, cmd_name: score  # type: ignore[method-assign]
    return CliRunner().invoke(
        tree, ["score", str(source), "--output", str(output), *more], input=text, prog_name="pulse"
    )


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "in.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_one_scored_row_each_with_the_cells_as_they_were(tmp_path: Path) -> None:
    cells = [("2014-04-01 00:00:00", "1.50"), ("2014-04-01 00:05:00", ""), (" 2014-04-02", "-3e0")]
    source = written(tmp_path, HEADER + "".join(f"{t},{v}\n" for t, v in cells))
    result = run(source, tmp_path / "out.csv")
    assert (result.exit_code, result.output) == (0, "")
    header, *rows = rows_of(tmp_path / "out.csv")
    assert header == ["timestamp", "value", "score"]
    assert [(t, v) for t, v, _ in rows] == cells
    assert all(0.0 <= float(s) <= 1.0 for _, _, s in rows)
    assert float(rows[1][2]) == 0.0


def test_scores_are_the_detectors_over_many_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_rows, "BLOCK_ROWS", 70)
    rng = np.random.default_rng(0)
    values = rng.normal(10.0, 2.0, 1000)
    times = 1_600_000_000 + 300 * np.arange(1000)
    lines = [f"{t},{v!r}\n" for t, v in zip(times.tolist(), values.tolist(), strict=True)]
    source = written(tmp_path, HEADER + "".join(lines))
    assert run(source, tmp_path / "out.csv").exit_code == 0
    got = [float(row[2]) for row in rows_of(tmp_path / "out.csv")[1:]]
    np.testing.assert_allclose(got, scores_of(times, values), atol=1e-9)


@pytest.mark.parametrize(
    "forms",
    [
        [f"{1_600_000_000 + 300 * n}" for n in range(400)],
        [f"{1_600_000_000_000 + 300_000 * n}" for n in range(400)],
        [f"{1_600_000_000 + 300 * n}.0" for n in range(400)],
        [str(np.datetime64(1_600_000_000 + 300 * n, "s")) + "Z" for n in range(400)],
        [str(np.datetime64(1_600_007_200 + 300 * n, "s")) + "+02:00" for n in range(400)],
        [str(np.datetime64(1_600_000_000 + 300 * n, "s")).replace("T", " ") for n in range(400)],
    ],
)
def test_every_form_of_time_gives_the_same_scores(tmp_path: Path, forms: list[str]) -> None:
    values = np.random.default_rng(1).normal(size=400).round(3).tolist()
    lines = [f"{t},{v}\n" for t, v in zip(forms, values, strict=True)]
    assert run(written(tmp_path, HEADER + "".join(lines)), tmp_path / "o.csv").exit_code == 0
    got = [float(row[2]) for row in rows_of(tmp_path / "o.csv")[1:]]
    expected = scores_of(1_600_000_000.0 + 300 * np.arange(400), values)
    np.testing.assert_allclose(got, expected, atol=1e-9)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "expected the header timestamp,value, got an empty file"),
        ("time,val\n1,2\n", 1, "expected the header timestamp,value, got 'time,val'"),
        ("1,2\n3,4\n", 1, "expected the header timestamp,value, got '1,2'"),
        ("timestamp,value,label\n1,2,0\n", 1, "got 'timestamp,value,label'"),
        (HEADER + "1,2\n2,3,4\n", 3, "expected two cells, timestamp,value, got 3"),
        (HEADER + "1,2\n2\n", 3, "expected two cells, timestamp,value, got 1"),
        (HEADER + "1,2\n2,abc\n", 3, "value: expected a finite number or nothing, got 'abc'"),
        (HEADER + "1,2\n2,nan\n", 3, "value: expected a finite number or nothing, got 'nan'"),
        (HEADER + "1,-inf\n", 2, "value: expected a finite number or nothing, got '-inf'"),
        (HEADER + "1,1e999\n", 2, "value: expected a finite number or nothing, got '1e999'"),
        (HEADER + "1,1_000\n", 2, "value: expected a finite number or nothing, got '1_000'"),
        (HEADER + "1,\xff\n", 2, "value: expected a finite number or nothing"),
        (HEADER + "soon,1\n", 2, "timestamp: expected epoch seconds or milliseconds, RFC 3339"),
        (HEADER + "nan,1\n", 2, "timestamp: expected epoch seconds"),
        (HEADER + ",1\n", 2, "timestamp: expected epoch seconds"),
        (HEADER + "1e17,1\n", 2, "timestamp: expected epoch seconds"),
        (HEADER + "1,2\n2014-01-01,3\n", 3, "one form in a file, got '2014-01-01'"),
        (HEADER + "5,2\n\n4,3\n", 4, "expected none before that of the row before, '5', got '4'"),
        (HEADER + '1,"2\n', 2, "no CSV: unexpected end of data"),
    ],
)
@pytest.mark.parametrize("block", [1, 2, 1000])
def test_bad_input_is_one_line_with_its_place(
    tmp_path: Path,
    text: str,
    line: int,
    said: str,
    block: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(score_rows, "BLOCK_ROWS", block)
    source = written(tmp_path, text.encode("latin-1"))
    result = run(source, tmp_path / "out.csv")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"pulse: {source}, line {line}: ")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == ["in.csv"], "nothing half done stays"


def test_negative_values_are_welcome_unless_they_are_counts(tmp_path: Path) -> None:
    source = written(tmp_path, HEADER + "1,3\n2,\n3,-4\n")
    assert run(source, tmp_path / "out.csv").exit_code == 0
    result = run(source, tmp_path / "counts.csv", "--counts")
    assert result.exit_code == 1
    assert result.stderr.endswith("line 4: value: expected a count, 0 or more, got '-4'\n")
    assert not (tmp_path / "counts.csv").exists()


def test_equal_times_blank_lines_windows_ends_and_a_byte_order_mark_are_fine(
    tmp_path: Path,
) -> None:
    source = written(tmp_path, b"\xef\xbb\xbfTimestamp, Value\r\n1,2\r\n1,3\r\n\r\n")
    assert run(source, tmp_path / "out.csv").exit_code == 0
    assert [row[:2] for row in rows_of(tmp_path / "out.csv")[1:]] == [["1", "2"], ["1", "3"]]


def test_a_header_alone_gives_a_header(tmp_path: Path) -> None:
    assert run(written(tmp_path, HEADER), tmp_path / "out.csv").exit_code == 0
    assert (tmp_path / "out.csv").read_text() == "timestamp,value,score\n"


def test_a_pipe_on_both_sides() -> None:
    result = run("-", "-", text=HEADER + "1,2\n2,3\n")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "timestamp,value,score"
    assert len(result.stdout.splitlines()) == 3
    wrong = run("-", "-", text=HEADER + "x,2\n")
    assert wrong.exit_code == 1
    assert wrong.stderr.startswith("pulse: standard input, line 2: ")


def test_an_old_result_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    output.write_text("old")
    assert run(written(tmp_path, HEADER + "1,2\n2,x\n"), output).exit_code == 1
    assert output.read_text() == "old"
    assert run(written(tmp_path, HEADER + "1,2\n"), output).exit_code == 0
    assert output.read_text() != "old"


def test_a_file_may_be_scored_in_place_and_through_a_link(tmp_path: Path) -> None:
    source = written(tmp_path, HEADER + "1,2\n")
    link = tmp_path / "link.csv"
    link.symlink_to(source)
    assert run(source, link).exit_code == 0
    assert link.is_symlink()
    assert source.read_text().startswith("timestamp,value,score\n1,2,")


def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    assert run(written(tmp_path, HEADER + "1,2\n"), os.devnull).exit_code == 0
    assert not Path(os.devnull).is_file()
    assert Path(os.devnull).exists()


def test_files_that_cannot_be_opened_are_wrong_usage(tmp_path: Path) -> None:
    result = run(tmp_path / "none.csv", tmp_path / "out.csv")
    assert result.exit_code == 2
    assert "none.csv: cannot be read: No such file" in result.stderr
    result = run(written(tmp_path, HEADER), tmp_path / "none" / "out.csv")
    assert result.exit_code == 2
    assert result.stderr.startswith("pulse: option --output: ")


def test_errors_are_the_programs_own() -> None:
    assert told(PulseError("x")) == 1
