"""What the coordination lab shows: JSON that reads back, tables, pictures, a card that knows when
it lies; and `pulse evaluate` with and without it."""

from __future__ import annotations

import io
import math
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from streams.cli.evaluate import evaluate
from streams.errors import BadInput, UsageError
from streams.lab.coordination.candidates import Candidate
from streams.lab.coordination.card import CARD, FIGURES, stale, write_card
from streams.lab.coordination.document import METHODS, PULSE, Document, Row, read
from streams.lab.coordination.method import Judgement
from streams.lab.coordination.pictures import pictures
from streams.lab.coordination.report import print_report, write
from streams.lab.coordination.scene import staged
from streams.lab.coordination.shapes import SHAPES, STRENGTHS, Plan
from streams.lab.coordination.sharing import dressed, made_up
from streams.lab.coordination.tally import Tally
from streams.lab.coordination.targets import targets
from streams.lab.figures import dumped
from streams.lab.resample import Figure


def document(area: float = 0.9, clusters: float = 0.0, recall: float = 0.95) -> Document:
    """Figures made up: ours ranks with `area`, the others with .8."""
    made = Document(
        seed=1,
        accounts=500,
        actions=12_345,
        campaigns=9,
        backgrounds={"shares": "Built-in shares"},
        scenarios={"unison": "burst in unison", "viral": "viral object", "null_times": "shuffled"},
    )

    def row(measure: str, method: str, scenario: str, value: float, strength: str = "all") -> None:
        figure = Figure(value, value - 0.012345, value + 0.01, 40)
        made.rows.append(Row(measure, method, "shares", scenario, strength, figure, "60 s"))  # type: ignore[arg-type]

    for method in METHODS:
        row("pr_auc", method, "unison", area if method == PULSE else 0.8)
        row("named", method, "viral", 0.0 if method == PULSE else 0.4)
    for measure in ("precision", "recall", "ranked", "ever", "found", "purity", "delay_h"):
        row(measure, PULSE, "unison", recall)
    for strength in STRENGTHS:
        row("pr_auc", PULSE, "unison", area, strength.name)
        row("recall", PULSE, "unison", recall, strength.name)
    row("false_clusters", PULSE, "viral", clusters)
    row("false_clusters", PULSE, "null_times", clusters)
    made.targets = targets(made)
    return made


def test_json_reads_back(tmp_path: Path) -> None:
    file = tmp_path / "coordination.json"
    file.write_text(dumped(document()))
    assert dumped(read(file)) == dumped(document())
    assert '"low": 0.888' in dumped(document(), digits=3)
    assert math.isnan(read(file).figure("pr_auc", PULSE, "shares", "no such").value)
    for text in ("", "[]", '{"format": 9}'):
        file.write_text(text)
        with pytest.raises(BadInput, match=re.escape(str(file))):
            read(file)


def test_targets_are_reached_or_not_by_what_was_measured() -> None:
    assert all(target.reached for target in document().targets)
    lost = {t.name.partition(":")[0]: t.reached for t in document(0.8, 1.0, 0.85).targets}
    assert not any(lost.values()), "equal is not above"
    assert {"PR-AUC", "recall of clusters", "false clusters", "null"} <= set(lost)


def test_the_report_says_everything_a_reader_needs(tmp_path: Path) -> None:
    out = io.StringIO()
    print_report(Console(file=out, width=220), document(0.7))
    text = out.getvalue()
    for expected in ("12,345 actions", "0.700 (0.688 to 0.710)", "not reached", "60 s", "faint"):
        assert expected in text
    for title in METHODS.values():
        assert title in text
    names = {file.name for file in write(document(), tmp_path / "deep")}
    assert {"coordination.json", "coordination.html", "coordination_shares.svg"} <= names
    assert "<script" not in (tmp_path / "deep" / "coordination.html").read_text()
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="--output"):
        write(document(), tmp_path / "file")


def test_pictures_are_valid_and_say_their_numbers_in_words() -> None:
    for name, svg in pictures(document()).items():
        described = ET.fromstring(svg).find("{http://www.w3.org/2000/svg}desc")
        assert described is not None, name
        assert described.text
        assert "nan" not in svg, name
    assert "Usage Pulse: 0.9 at unison" in pictures(document())["coordination_shares.svg"]


def test_the_card_shows_figures_and_knows_when_it_is_stale(tmp_path: Path) -> None:
    assert stale(tmp_path) == [f"{FIGURES} is missing: run `pulse evaluate coordination --cards`"]
    write_card(document(recall=0.3), tmp_path)
    assert stale(tmp_path) == []
    text = (tmp_path / CARD).read_text()
    assert "0.900 (0.888 to 0.910)" in text
    assert "fewer than half of the members of: burst in unison (Built-in shares)." in text
    (tmp_path / CARD).write_text(text.replace("0.900", "0.990"))
    assert [line.split()[0] for line in stale(tmp_path)] == [CARD]


def test_a_tally_takes_each_methods_best_setting_over_all_runs() -> None:
    background = made_up(300, 1)
    tally = Tally("shares", "unison", 1)
    for run in range(2):
        plan = Plan(SHAPES[0], STRENGTHS[run], 6, background.accounts, background.start_ms)
        scene = staged(background, [(plan, dressed(plan, background, np.random.default_rng(run)))])
        truth = scene.truth("unison")
        mixed = np.where(np.arange(len(truth)) < 3, 2.0, truth.astype(float))
        cluster = np.where(truth, 0, -1)
        cluster[0] = 0
        nobody = np.full(len(truth), -1)
        tally.add(
            scene,
            Judgement(mixed, cluster, nobody),
            [
                Candidate("co-sharing", "good in one run", truth.astype(float) * run),
                Candidate("co-sharing", "good", truth.astype(float), truth),
                Candidate("similarity", "bad", mixed, ~truth),
            ],
        )
    tally.found_after(3.0)
    rows = {(row.measure, row.method): row for row in tally.rows() if row.strength == "all"}
    assert rows["pr_auc", "co-sharing tuned"].setting == "good"
    assert rows["pr_auc", "co-sharing tuned"].figure.value == 1.0
    assert rows["precision", "co-sharing tuned"].figure.value == 1.0
    assert rows["recall", "similarity tuned"].figure.value == 1.0  # at its best F1
    assert rows["precision", "similarity"].figure.value == 0.0
    assert rows["pr_auc", PULSE].figure.value == pytest.approx(12 / 18)
    assert rows["precision", PULSE].figure.value == pytest.approx(12 / 14)
    assert rows["recall", PULSE].figure.value == 1.0
    assert rows["purity", PULSE].figure.value == pytest.approx(6 / 7)
    assert rows["delay_h", PULSE].figure.value == 3.0
    assert {row.strength for row in tally.rows()} == {"all", "loud", "quiet"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["coordination", "--accounts", "3"], "--accounts"),
        (["coordination", "--traces", "/no/such"], "--traces"),
        (["--quick", "coordination"], "pulse evaluate coordination --quick"),
        (["groups"], "groups"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(arguments: list[str], told: str) -> None:
    result = CliRunner().invoke(evaluate, arguments, env={"USAGE_TRACES": ""})
    if isinstance(result.exception, UsageError):  # printed by the tree of commands
        assert told in str(result.exception)
    else:
        assert result.exit_code == 2
        assert told in result.output


def test_a_folder_without_traces_is_told_by_name(tmp_path: Path) -> None:
    result = CliRunner().invoke(evaluate, ["coordination", "--traces", str(tmp_path)])
    assert isinstance(result.exception, UsageError)
    assert "servegen_clients.csv.gz" in str(result.exception)


def test_nothing_measured_is_told_as_such() -> None:
    empty = replace(document(), rows=[], targets=[])
    assert targets(empty) == []
    print_report(Console(file=io.StringIO(), width=200), empty)
