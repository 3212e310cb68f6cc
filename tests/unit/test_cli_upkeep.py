"""Commands around the data: migrate, doctor, topics, simulate."""

from __future__ import annotations

import csv
import gzip
import importlib.metadata as metadata
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from streams.storage.chdb_store import ChdbStore
from tests.support.command import good, run

# kafka-python reads its message definitions with functions that Python 3.11 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:(open|read)_text is deprecated")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A directory with our tables and nothing in them."""
    good("migrate", "--data", tmp_path / "data")
    return tmp_path / "data"


def test_migrate_twice(tmp_path: Path) -> None:
    first = good("migrate", "--data", tmp_path / "new")
    assert "applied 0001_events" in first
    assert "nothing to do" in good("migrate", "--data", tmp_path / "new")


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    good("migrate", "--data", tmp_path)
    store = ChdbStore(tmp_path)
    store.command("INSERT INTO schema_migrations (version, name, checksum) VALUES (9999, 'x', 'y')")
    store.close()
    result = run("migrate", "--data", tmp_path)
    assert result.exit_code == 1
    assert "9999" in result.stderr
    assert "upgrade usage-pulse" in result.stderr
    checks = doctor("--data", tmp_path)
    assert checks["schema"]["state"] == "off"


def doctor(*arguments: object) -> dict[str, dict[str, Any]]:
    result = run("doctor", "--json", *arguments)
    answer = json.loads(result.stdout)
    assert result.exit_code == (0 if answer["ok"] else 1)
    assert answer["ok"] == all(check["state"] != "off" for check in answer["checks"])
    for check in answer["checks"]:
        assert check["state"] != "off" or check["mend"], check
    return {check["name"]: check for check in answer["checks"]}


def test_doctor_finds_a_whole_installation_well(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULSE_PORT", "0")
    checks = doctor("--data", data)
    for name in ("python", "packages", "clock", "broker", "data", "disk", "schema", "port"):
        assert checks[name]["state"] == "ok", checks[name]
    shown = good("doctor", "--data", data)
    assert shown.splitlines()[-1] == "all is well"


def test_doctor_names_what_is_off_and_how_to_mend_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("PULSE_PORT", str(taken.getsockname()[1]))
        monkeypatch.setenv("PULSE_BROKER", "127.0.0.1:1")
        checks = doctor("--data", tmp_path)
        shown = run("doctor", "--data", tmp_path)
    assert checks["port"]["state"] == "off"
    assert "PULSE_PORT" in checks["port"]["mend"]
    assert "connection refused" in checks["broker"]["found"]
    assert checks["schema"]["mend"] == "pulse migrate"
    assert shown.exit_code == 1
    assert shown.stdout.splitlines()[-1] == "off: broker, schema, port"


def test_doctor_notices_a_missing_package(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.requires
    monkeypatch.setattr(
        metadata, "requires", lambda name: [*(real(name) or ()), "nonsense>=1", "click<1"]
    )
    check = doctor("--data", data)["packages"]
    assert check["state"] == "off"
    assert "nonsense is missing" in check["found"]
    assert "click" in check["found"]


def test_doctor_reports_a_server_that_does_not_answer() -> None:
    checks = doctor("--store", "clickhouse://127.0.0.1:1/x")
    assert checks["store"]["state"] == "off"
    assert "127.0.0.1:1" in checks["store"]["found"]


@pytest.mark.parametrize("arguments", [("topics", "lag"), ("topics", "create")])
def test_topics_need_a_broker(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "no broker given" in result.stderr
    gone = run(*arguments, "--broker", "127.0.0.1:1")
    assert gone.exit_code == 1
    assert gone.stderr == "pulse: cannot reach Kafka at 127.0.0.1:1: connection refused\n"


def test_simulate_is_the_same_file_again_with_the_truth_beside_it(tmp_path: Path) -> None:
    span = ["--hours", "1", "--rate", "2", "--accounts", "30", "--seed", "7"]
    first = json.loads(good("simulate", "--output", tmp_path / "a.ndjson.gz", *span, "--json"))
    good("simulate", "--output", tmp_path / "b.ndjson.gz", *span)
    assert (tmp_path / "a.ndjson.gz").read_bytes() == (tmp_path / "b.ndjson.gz").read_bytes()
    assert (tmp_path / "a.ndjson.gz").read_bytes()[4:8] == bytes(4), "no time of writing in it"
    with gzip.open(tmp_path / "a.ndjson.gz") as file:
        events = [json.loads(line) for line in file]
    assert len(events) == first["events"] > 1000
    assert [event["ts"] for event in events] == sorted(event["ts"] for event in events)
    with (tmp_path / "a.truth.csv").open(encoding="utf-8") as file:
        truth = list(csv.DictReader(file))
    assert {row["kind"] for row in truth} >= {"burst", "ramp", "coordinated"}
    assert {row["account_id"] for row in truth} <= {event["account_id"] for event in events}
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--hours", "nan"), "option --hours: expected more than 0"),
        (("--attacks", "storm"), "got 'storm'"),
        (("--start", "2024-01-01"), "option --start: expected RFC 3339"),
        (("--rate", "0"), "rate_per_s"),
        (("--output", "/nowhere/x.ndjson"), "/nowhere/x.ndjson: No such file or directory"),
    ],
)
def test_simulate_refuses(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    result = run("simulate", "--output", tmp_path / "x.ndjson", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert list(tmp_path.iterdir()) == []
