"""`pulse policy`: what a person or a pipeline sees of a policy, right or wrong."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from detectors.base import all_detectors
from streams.cli.main import COMMANDS, cli
from streams.policy.budget import HOURS_AN_ALARM
from streams.policy.model import default_policy
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate

DETECTORS = len(all_detectors())
DAY = "2026-06-15"
GOOD = """
[budget]
high = 4
[detectors.burst]
share = 0.8
[[cohorts]]
name = "agencies"
orgs = ["org-a*"]
min_accounts = 2
[[allow]]
accounts = ["load-*"]
detectors = ["burst"]
owner = "platform"
reason = "load tests"
expires = 2026-06-20
[[channels]]
name = "on-call"
url_env = "ON_CALL"
[[routes]]
name = "day"
severities = ["high"]
hours = "09:00-17:00"
time_zone = "Europe/Berlin"
channel = "on-call"
"""
BAD = "fdr = 2\n[budget]\nhihg = 1\n"


@pytest.fixture(autouse=True)
def commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "policy", ("policy", "policy", "What alarms, and how often."))


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return written(tmp_path / "good.toml", GOOD)


def written(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two accounts in one organisation, each active in 12 hours of a day."""
    directory = tmp_path_factory.mktemp("policy") / "data"
    store = ChdbStore(directory)
    migrate(store)
    store.command(
        "INSERT INTO events (event_id, account_id, org_id, ts, arrived_at) "
        "SELECT toString(number), concat('acct-', toString(number % 2)), 'org-a1', "
        "toDateTime64('2026-06-01 00:30:00', 3, 'UTC') + INTERVAL number HOUR, now64(3) "
        "FROM numbers(24)"
    )
    store.close()
    return directory


def run(*arguments: object) -> Result:
    words = ["policy", *(str(argument) for argument in arguments)]
    return CliRunner().invoke(cli, words, prog_name="pulse")


def told(*arguments: object) -> str:
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def answered(*arguments: object) -> Any:
    return json.loads(told(*arguments, "--json"))


def test_check_of_a_right_policy(good: Path) -> None:
    line = told("check", good, "--at", DAY)
    assert line.startswith(f"{good}: a right policy, version ")
    assert line.endswith(
        f"{DETECTORS} of {DETECTORS} detectors, 1 cohort, 1 entry in the allow-list, "
        "0 known groups, 1 channel, 1 route\n"
    )
    assert answered("check", good, "--at", DAY)["ok"] is True


def test_check_of_nothing_is_of_the_built_in_policy() -> None:
    assert f"default: a right policy, version {default_policy().version}: " in told("check")
    assert told("check") == told("check", "default")


def test_check_of_a_wrong_policy_names_every_line(tmp_path: Path) -> None:
    bad = written(tmp_path / "bad.toml", BAD)
    result = run("check", bad)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        f"{bad}:1: fdr: expected a number above 0, at most 1, got 2",
        f"{bad}:3: budget.hihg: unknown key; did you mean 'high'?",
    ]
    result = run("check", bad, "--json")
    assert (result.exit_code, result.stderr) == (2, "")
    answer = json.loads(result.stdout)
    assert answer["ok"] is False
    assert [problem["line"] for problem in answer["problems"]] == [1, 3]


@pytest.mark.parametrize("command", ["explain", "show", "diff"])
def test_no_command_works_on_a_wrong_policy(command: str, tmp_path: Path) -> None:
    bad = written(tmp_path / "bad.toml", BAD)
    result = run(command, bad, *(["default"] if command == "diff" else []))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{bad}:1: fdr: ")
    assert result.stderr.count("\n") == 2


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    result = run("check", tmp_path / "none.toml")
    assert result.exit_code == 2
    assert result.stderr == f"{tmp_path / 'none.toml'}: cannot be read: No such file or directory\n"


def test_an_excuse_runs_out(good: Path) -> None:
    assert run("check", good, "--at", "2026-06-20").exit_code == 0
    result = run("check", good, "--at", "2026-06-21")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{good}:15: allow #1.expires: expired 2026-06-20, 1 day ago")


def test_check_against_a_store(good: Path, data: Path, tmp_path: Path) -> None:
    result = run("check", good, "--at", DAY, "--data", data)
    assert result.exit_code == 0
    assert result.stderr == f"{good}:10: note: allow load-*: matches no account of the store\n"
    nobody = written(tmp_path / "nobody.toml", GOOD.replace("org-a*", "org-b*"))
    result = run("check", nobody, "--at", DAY, "--data", data)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"{nobody}:6: cohorts 'agencies': matches no account of the store\n"
    result = run("check", good, "--at", DAY, "--data", tmp_path / "none")
    assert result.exit_code == 2
    assert "no such data directory" in result.stderr


def test_explain_says_how_often_and_how_rare() -> None:
    lines = told("explain", "--accounts", 350).splitlines()
    for line in (
        "  high: at most about 0.7 a day (2 per 1,000 account-days, 1 in 9,231 account-hours)",
        "  medium: at most about 2.8 a day (8 per 1,000 account-days, 1 in 2,308 account-hours)",
    ):
        assert line in lines
    assert "  in all: at most about 3.5 a day" in lines
    assert any(line.startswith("Burst (") and "burst" in line for line in lines)
    for detector in all_detectors():
        assert any(line.startswith(f"{detector.TITLE} (") for line in lines)


def test_explain_measures_the_traffic_of_a_store(data: Path) -> None:
    answer = answered("explain", "--data", data)
    assert answer["population"] == {
        "accounts": 2,
        "account_hours_per_day": 24.0,
        "measured_hours": 24,
    }
    assert answer["channels"]["usual"]["high"]["per_day"] == pytest.approx(2 * 2 / 1000)
    assert answer["channels"]["cold"]["high"]["per_day"] == pytest.approx(2 * 2 / 1000)
    # Half of the hours are idle and cannot alarm, so the active ones may alarm twice as often.
    assert answer["channels"]["usual"]["high"]["p_value"] == pytest.approx(
        2 * 2 * HOURS_AN_ALARM / 24_000
    )
    text = told("explain", "--data", data)
    assert "for 2 active accounts with 24 active account-hours a day (measured over 24" in text
    assert "high: at most about one in 250 days (2 per 1,000 account-days, 1 in 4,615" in text


def test_explain_tells_what_one_detector_alone_must_show(good: Path) -> None:
    answer = answered("explain", good, "--at", DAY)
    burst = next(part for part in answer["detectors"] if part["name"] == "burst")
    others = [p for p in answer["detectors"] if p["channel"] == "usual" and p["name"] != "burst"]
    assert burst["weight"] == pytest.approx(0.8 / (0.8 + 0.1 * len(others)))
    assert burst["weight"] + sum(other["weight"] for other in others) == pytest.approx(1.0)
    assert burst["alone"]["high"] == pytest.approx(burst["weight"] * 4 * HOURS_AN_ALARM / 24_000)
    assert burst["alone"]["medium"] == pytest.approx(burst["weight"] * 12 * HOURS_AN_ALARM / 24_000)


def test_explain_tells_who_is_excused_and_who_is_told(good: Path) -> None:
    lines = told("explain", good, "--at", DAY).splitlines()
    assert "  agencies: orgs org-a*; judged among themselves from 2 accounts on" in lines
    assert "  accounts load-*, excused from burst: load tests (platform); 5 days left" in lines
    assert "  day: high alerts, 09:00-17:00 Europe/Berlin, to on-call" in lines
    assert "today is its last day" in told("explain", good, "--at", "2026-06-20")


def test_explain_of_pages_per_shift_needs_traffic(tmp_path: Path) -> None:
    file = written(tmp_path / "p.toml", 'budget.unit = "pages_per_shift"\nbudget.high = 1\n')
    unknown = answered("explain", file)["channels"]["usual"]["high"]
    assert unknown == {"budget": 1.0, "p_value": None, "per_day": 3.0}
    known = answered("explain", file, "--accounts", 1000)["channels"]["usual"]["high"]
    assert known["p_value"] == pytest.approx(HOURS_AN_ALARM / 8000)
    assert "1 in 6,154 account-hours" in told("explain", file, "--accounts", 1000)
    assert "Beware" not in told("explain", file, "--accounts", 1000)
    loose = told("explain", file, "--accounts", 10)
    assert "Beware: the budget asks for more than 1 in 100 account-hours" in loose
    assert "high: at most about 1.8 a day (1 in a shift of 8 hours, 1 in 100 account" in loose
    assert "medium: never" in loose


def test_explain_takes_one_kind_of_traffic(data: Path, tmp_path: Path) -> None:
    result = run("explain", "--accounts", 5, "--data", data)
    assert result.exit_code == 2
    assert result.stderr == "pulse: --accounts and --data or --store: expected one of them\n"
    store = ChdbStore(tmp_path / "empty")
    migrate(store)
    store.close()
    result = run("explain", "--data", tmp_path / "empty")
    assert result.exit_code == 2
    assert result.stderr.startswith("pulse: the store holds no traffic yet")


def test_diff_of_the_same_is_silent_about_how_it_is_written(tmp_path: Path) -> None:
    file = written(tmp_path / "p.toml", "# words\nfdr = 0.5\n[budget]\nmedium = 8\n")
    assert told("diff", "default", file, "--exit-code") == (
        f"the same policy, version {default_policy().version}\n"
    )


def test_diff_tells_everything_that_changes(good: Path) -> None:
    lines = told("diff", "default", good).splitlines()
    for line in (
        "budget: high 2.0 -> 4.0",
        "detectors: burst: share 0.4 -> 0.8",
        'cohorts: agencies: new: orgs = ["org-a*"], min_accounts = 2',
        "allow: new, until 2026-06-20: accounts load-*, excused from burst: load tests (platform)",
        'routes: day: new: severities = ["high"], hours = "09:00-17:00", '
        'time_zone = "Europe/Berlin", channel = "on-call"',
    ):
        assert line in lines
    assert sum(line.startswith("thresholds: burst: alone alarms ") for line in lines) == 2
    assert run("diff", "default", good).exit_code == 0
    assert run("diff", "default", good, "--exit-code").exit_code == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("fdr = 0.5", "fdr = 0.1", ["fdr: 0.5 -> 0.1"]),
        (
            "budget.high = 2\nbudget.medium = 8",
            "budget.high = 1\nbudget.medium = 9",
            ["budget: high 2.0 -> 1.0", "budget: medium 8.0 -> 9.0", "2 times as rarely"],
        ),
        ("", "incidents.resolve_after_s = 60", ["incidents: resolve_after_s 600.0 -> 60.0"]),
        ("", "detectors.cold_start.enabled = false", ["detectors: cold_start: switched off"]),
        (
            GOOD,
            GOOD.replace("2026-06-20", "2026-07-20").replace('"platform"', '"me"'),
            ["allow: load-*: owner platform -> me, expires 2026-06-20 -> 2026-07-20"],
        ),
        (GOOD, GOOD.replace("= 2\n", "= 9\n"), ["cohorts: agencies: min_accounts 2 -> 9"]),
        (GOOD, GOOD.replace("on-call", "night"), ["routes: day: channel on-call -> night"]),
        (GOOD, GOOD.replace('"day"', '"days"'), ["routes: day: gone: ", "routes: days: new: "]),
    ],
)
def test_diff_in_words(tmp_path: Path, old: str, new: str, said: list[str]) -> None:
    first, second = written(tmp_path / "a", old), written(tmp_path / "b", new)
    lines = told("diff", first, second).splitlines()
    for part in said:
        assert any(part in line for line in lines), lines
    assert not any("thresholds" in line for line in lines) or "budget" in new
    answer = answered("diff", first, second)
    assert answer["old"] != answer["new"]
    assert len(answer["differences"]) == len(lines)


def test_show_and_schema_give_something_to_begin_with(tmp_path: Path, good: Path) -> None:
    file = written(tmp_path / "mine.toml", told("show", "default"))
    assert told("diff", "default", file).startswith("the same policy")
    assert "# " in told("show", good)
    bare = told("show", good, "--bare")
    assert "#" not in bare
    assert tomllib.loads(bare)["detectors"]["burst"]["share"] == 0.8
    assert json.loads(told("schema"))["title"] == "Policy of Usage Pulse"
