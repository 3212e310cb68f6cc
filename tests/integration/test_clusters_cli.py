"""`pulse clusters`: its contract with other people's scripts, and one clear line for bad input."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from tests.support.clusters import run, table, written
from tests.support.traces import trace_file

START = 1_700_000_000
RING = [f"ring-{n}" for n in range(6)]


def traffic(seed: int = 0, kinds: tuple[str, ...] = ("url",)) -> list[str]:
    """300 accounts that share popular objects when they please, and six that always share at once.

    In order of time.
    """
    rng = np.random.default_rng(seed)
    rows: list[tuple[float, str]] = []
    for account in range(300):
        for time in START + np.sort(rng.uniform(0, 5 * 86_400, rng.integers(3, 20))):
            kind = kinds[int(rng.integers(len(kinds)))]
            rows.append((time, f"acct-{account:03},{kind},popular-{rng.zipf(1.5) % 400}"))
    for n, beat in enumerate(START + np.sort(rng.uniform(0, 5 * 86_400, 15))):
        for name in RING:
            rows += [(beat + rng.uniform(0, 4), f"{name},{kind},text-{n}") for kind in kinds]
    rows.sort()
    return [f"{row},{time:.3f}" for time, row in rows]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path, Result]:
    folder = tmp_path_factory.mktemp("clusters")
    source = written(folder, traffic())
    accounts, pairs = folder / "accounts.csv", folder / "pairs.csv"
    return source, accounts, pairs, run(source, "--output", str(accounts), "--pairs", str(pairs))


def test_every_account_gets_a_row_and_the_ring_stands_on_top(
    found: tuple[Path, Path, Path, Result],
) -> None:
    source, accounts, _, result = found
    assert result.exit_code == 0, result.output
    rows = table(accounts)
    assert list(rows[0]) == ["account_id", "cluster_id", "score"]
    assert {row["account_id"] for row in rows} == {row["account_id"] for row in table(source)}
    assert len(rows) == 306
    assert sorted(row["account_id"] for row in rows[:6]) == RING
    assert [row["account_id"] for row in rows if row["cluster_id"]] == [
        row["account_id"] for row in rows[:6]
    ]
    assert {row["cluster_id"] for row in rows[:6]} == {"1"}
    order = [(-float(row["score"]), row["account_id"]) for row in rows]
    assert order == sorted(order)


def test_the_strongest_pairs_are_those_of_the_ring(found: tuple[Path, Path, Path, Result]) -> None:
    rows = table(found[2])
    assert list(rows[0]) == ["account_a", "account_b", "score"]
    best = {(row["account_a"], row["account_b"]) for row in rows[:15]}
    assert best == {(a, b) for a in RING for b in RING if a < b}
    order = [(-float(row["score"]), row["account_a"], row["account_b"]) for row in rows]
    assert order == sorted(order)


def test_the_end_tells_what_was_found(found: tuple[Path, Path, Path, Result]) -> None:
    first, second, third, *more = found[3].output.splitlines()
    assert " actions by 306 accounts on " in first
    assert second.endswith("pairs tied, 1 cluster of 6 accounts")
    assert third.startswith("    1  6 accounts (ring-")
    assert " share 15 objects, 2023-11-" in third
    assert third.endswith(" by chance")
    assert not more


def test_rows_in_any_order_give_the_same_tables_with_a_notice(
    found: tuple[Path, Path, Path, Result], tmp_path: Path
) -> None:
    rows = traffic()
    np.random.default_rng(5).shuffle(rows)
    accounts, pairs = tmp_path / "a.csv", tmp_path / "p.csv"
    result = run(written(tmp_path, rows), "--output", str(accounts), "--pairs", str(pairs))
    assert result.exit_code == 0
    assert "rows are older than one before them: sorted by time" in result.stderr
    assert accounts.read_bytes() == found[1].read_bytes()
    assert pairs.read_bytes() == found[2].read_bytes()


def test_pipes_at_both_ends_and_gzip(found: tuple[Path, Path, Path, Result]) -> None:
    packed = gzip.compress(found[0].read_bytes())
    result = run("-", "--output", "-", text=packed)
    assert result.exit_code == 0
    assert result.stdout == found[1].read_text()
    assert "1 cluster of 6 accounts" in result.stderr


def test_json_has_every_cluster(found: tuple[Path, Path, Path, Result], tmp_path: Path) -> None:
    result = run(found[0], "--output", str(tmp_path / "a.csv"), "--json")
    report: dict[str, Any] = json.loads(result.stdout)
    assert (report["accounts"], report["kinds"], report["skipped"]) == (306, ["url"], 0)
    assert report["pairs"] == len(table(found[2]))
    (cluster,) = report["clusters"]
    assert (cluster["cluster_id"], cluster["accounts"], cluster["objects"]) == (1, 6, 15)
    assert cluster["chance"] < 1e-4
    assert cluster["first"].startswith("2023-11-")


@pytest.mark.parametrize("method", ["coordination", "co-sharing"])
@pytest.mark.parametrize(
    ("rows", "accounts"),
    [([], []), (["solo,url,x,1", "solo,url,x,2", "solo,url,y,3", "solo,url,y,3"], ["solo,,0"])],
    ids=["a header alone", "one account"],
)
def test_nothing_to_find_is_found(
    tmp_path: Path, rows: list[str], accounts: list[str], method: str
) -> None:
    out, pairs = tmp_path / "a.csv", tmp_path / "p.csv"
    how = ("--method", method, "--output", str(out), "--pairs", str(pairs))
    result = run(written(tmp_path, rows), *how)
    assert result.exit_code == 0, result.output
    assert out.read_text().splitlines() == ["account_id,cluster_id,score", *accounts]
    assert pairs.read_text() == "account_a,account_b,score\n"
    assert "0 pairs tied, 0 clusters" in result.output


POLICY = """
[coordination]
{numbers}
[[known_groups]]
name = "our fleet"
accounts = ["ring-*"]
owner = "platform"
reason = "load test"
expires = {expires}
"""


@pytest.mark.parametrize(
    ("numbers", "expires", "end"),
    [
        ("", "2024-01-01", " by chance; known: our fleet"),
        ("", "2023-01-01", " by chance"),
        ("found = 500", "2024-01-01", " tied, 0 clusters"),
        ("members = 7", "2024-01-01", " tied, 0 clusters"),
        (
            "chance = 1e-200\nhigh_chance = 1e-250",
            "2024-01-01",
            "1 group left out: no closer in time than by chance, or too few kinds of signal",
        ),
        (
            "independent_kinds = 4",
            "2024-01-01",
            "1 group left out: no closer in time than by chance, or too few kinds of signal",
        ),
    ],
)
def test_the_numbers_and_known_groups_of_a_policy(
    tmp_path: Path, numbers: str, expires: str, end: str
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.format(numbers=numbers, expires=expires))
    source = written(tmp_path, traffic(kinds=("text", "ip")))
    how = ("--output", str(tmp_path / "a.csv"), "--policy", str(policy))
    result = run(source, *how)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1].endswith(end)


def test_a_wrong_policy_is_told_before_anything_is_read(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("[coordination]\nchance = 2\n")
    result = run(written(tmp_path, []), "--output", str(tmp_path / "a"), "--policy", str(policy))
    assert result.exit_code == 2
    assert result.stderr.startswith(f"pulse: {policy}:2: coordination.chance: ")


def test_kinds_that_go_together_count_once(tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    for kinds, independent in ((("text", "payment"), 3), (("ip", "network"), 2)):
        result = run(written(tmp_path, traffic(kinds=kinds)), "--output", str(out), "--json")
        (cluster,) = json.loads(result.stdout)["clusters"]
        assert (cluster["kinds"], cluster["accounts"]) == (sorted(kinds), 6)
        assert cluster["independent_kinds"] == independent, "timing is one"


def test_time_shuffled_rows_are_no_cluster(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    heads, times = zip(*(row.rsplit(",", 1) for row in traffic()), strict=True)
    rows = [f"{head},{time}" for head, time in zip(heads, rng.permutation(times), strict=True)]
    result = run(written(tmp_path, rows), "--output", str(tmp_path / "a.csv"))
    assert "0 clusters" in result.output


def test_the_classic_counter(tmp_path: Path) -> None:
    rows = [
        "a,url,x,0",
        "b,url,x,60",
        "c,url,x,120.001",
        "a,tag,x,60",
        "a,url,y,300",
        "b,url,y,300",
    ]
    out, pairs = tmp_path / "a.csv", tmp_path / "p.csv"
    how = ["--method", "co-sharing", "--output", str(out), "--pairs", str(pairs)]
    assert run(written(tmp_path, [*rows, "z,url,y,900"]), *how).exit_code == 0
    assert pairs.read_text().splitlines()[1:] == ["a,b,2"]
    assert out.read_text().splitlines()[1:] == ["a,1,2", "b,1,2", "c,,0", "z,,0"]
    assert run(tmp_path / "actions.csv", *how, "--window", "61").exit_code == 0
    assert pairs.read_text().splitlines()[1:] == ["a,b,2", "b,c,1"]
    assert out.read_text().splitlines()[1:] == ["b,1,3", "a,1,2", "c,1,1", "z,,0"]
    assert run(tmp_path / "actions.csv", *how, "--window", "61", "--repeats", "2").exit_code == 0
    assert pairs.read_text().splitlines()[1:] == ["a,b,2"]


@pytest.mark.parametrize(("window", "ties"), [("10", 1092), ("60", 6206)])
def test_the_reference_ties_from_the_public_file(tmp_path: Path, window: str, ties: int) -> None:
    source, pairs = trace_file("coortweet_russian.csv.gz"), tmp_path / "p.csv"
    how = ("--as", "coortweet", "--method", "co-sharing", "--window", window)
    result = run(source, *how, "--output", str(tmp_path / "a.csv"), "--pairs", str(pairs))
    assert result.exit_code == 0
    assert len(table(pairs)) == ties
    assert len(table(tmp_path / "a.csv")) == 9509


def test_accounts_of_known_ties_come_out_on_top(tmp_path: Path) -> None:
    """Of the 300 best scores most belong to the 4 of 10 accounts that known ties of 60 s join."""
    source = trace_file("coortweet_russian.csv.gz")
    converted = tmp_path / "actions.csv"
    with gzip.open(source, "rt", newline="") as file, converted.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("account_id", "signal", "object_id", "timestamp"))
        for row in csv.DictReader(file):
            action = (row["account_id"], "retweet", row["object_id"], row["timestamp_share"])
            writer.writerow(action)
    tied, ranked = tmp_path / "tied.csv", tmp_path / "ranked.csv"
    how = ("--method", "co-sharing", "--window", "60")
    assert run(converted, *how, "--output", str(tied)).exit_code == 0
    assert run(converted, "--output", str(ranked)).exit_code == 0
    known = {row["account_id"] for row in table(tied) if row["cluster_id"]}
    top = [row["account_id"] for row in table(ranked)[:300]]
    assert sum(account in known for account in top) / len(top) > 0.7


def test_the_installed_command(tmp_path: Path) -> None:
    source = written(tmp_path, ["a,url,x,1"])
    command = [sys.executable, "-m", "streams.cli", "clusters", str(source), "--output", "-"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "account_id,cluster_id,score\na,,0\n")
    assert done.stderr.startswith("1 action by 1 account on 1 object in ")
