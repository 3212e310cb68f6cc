"""`pulse replay` and its neighbours as a person runs them, each command in a process of its own."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.pipeline import event
from tests.support.traces import trace_file
from tests.support.worker import ROOT, environment, wait_until

COUNT = "SELECT count() FROM events"
SUMS = (
    "SELECT count(), sum(requests), sum(prompt_tokens), sum(completion_tokens), "
    "sum(cityHash64(account_id, minute, requests, prompt_tokens)) FROM account_minute"
)


def pulse(*arguments: object, seconds: float = 90) -> subprocess.CompletedProcess[str]:
    """Without the watch for groups, which takes seconds to load; `running` has it."""
    command = [sys.executable, "-m", "streams.cli", *map(str, arguments)]
    given = environment(coordination=False)
    return subprocess.run(
        command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=seconds
    )


def asked(sql: str, data: Path) -> str:
    """The answer of `pulse sql`, '' while there is none."""
    return pulse("sql", sql, "--data", data).stdout.strip()


@contextmanager
def running(*arguments: object, **settings: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "streams.cli", *map(str, arguments)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def azure() -> Path:
    return trace_file("azure_llm_2023_conv.csv.gz")


def test_a_small_file_is_stored_whole_and_a_second_replay_changes_nothing(tmp_path: Path) -> None:
    file, data = tmp_path / "small.ndjson", tmp_path / "data"
    lines = [event(number) for number in range(3000)] + [event(7000, prompt_tokens=-3), event(7)]
    file.write_bytes(b"\n".join(lines) + b"\n")
    first = pulse("replay", file, "--data", data, "--json")
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout)
    assert (told["stored"], told["duplicates"], told["dead"]) == (3000, 1, 1)
    sums = asked(SUMS, data)
    again = pulse("replay", file, "--data", data, "--json")
    assert json.loads(again.stdout)["stored"] == 0
    assert (asked(COUNT, data), asked(SUMS, data)) == ("3000", sums)
    assert "Traceback" not in first.stderr + again.stderr
    shared = asked("SELECT DISTINCT partitions FROM policy_log", data)
    assert shared == "4", "a budget of pages per shift is shared by all partitions"


def test_a_public_trace_twice_has_its_rows_once(azure: Path, tmp_path: Path) -> None:
    for _ in range(2):
        done = pulse("replay", azure, "--as", "azure", "--data", tmp_path)
        assert done.returncode == 0, done.stderr
        assert asked(COUNT, tmp_path) == "19366"
    assert asked("SELECT sum(requests) FROM account_minute", tmp_path) == "19366"


def test_a_replay_killed_in_the_middle_ends_at_the_same_sums(tmp_path: Path) -> None:
    file = tmp_path / "traffic.ndjson.gz"
    with gzip.open(file, "wb", compresslevel=1) as out:
        out.write(b"\n".join(event(number) for number in range(150_000)))
    whole = pulse("replay", file, "--data", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    data = tmp_path / "killed"
    with running("replay", file, "--data", data) as process:
        wait_until(lambda: asked(COUNT, data) not in ("", "0"), "some rows are stored", every=0.0)
        process.kill()
        process.wait()
    stored = int(asked(COUNT, data))
    assert 0 < stored < 150_000
    again = pulse("replay", file, "--data", data)
    assert again.returncode == 0, again.stderr
    assert asked(COUNT, data) == "150000"
    assert asked(SUMS, data) == asked(SUMS, tmp_path / "whole")


def test_a_truncated_gzip_is_named(tmp_path: Path) -> None:
    file = tmp_path / "cut.ndjson.gz"
    file.write_bytes(gzip.compress(b"\n".join(event(number) for number in range(5000)))[:-400])
    done = pulse("replay", file, "--data", tmp_path / "data")
    assert done.returncode == 1
    assert str(file) in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_wrong_usage_is_told_before_anything_starts(tmp_path: Path) -> None:
    file, data = tmp_path / "x.ndjson", tmp_path / "data"
    file.write_bytes(event(1))
    for arguments, told in (
        (("--as", "morse"), "morse"),
        (("--speed", "soon"), "soon"),
        (("--speed", "²"), "²"),
        (("--speed", "inf"), "inf"),
    ):
        done = pulse("replay", file, "--data", data, *arguments)
        assert done.returncode == 2
        assert told in done.stderr
        assert done.stderr.count("\n") == 1
    done = pulse("replay", tmp_path / "none.ndjson", "--data", data)
    assert done.returncode == 2
    assert "none.ndjson" in done.stderr
    assert not data.exists()


def test_sql_beside_a_running_stack_and_a_second_one_is_told_who_holds_the_data(
    tmp_path: Path,
) -> None:
    with running("up", "--data", tmp_path, port=0, heartbeat=0) as process:
        assert process.stdout is not None
        first, second = process.stdout.readline(), process.stdout.readline()
        assert first.startswith("broker 127.0.0.1:"), first
        assert second.startswith("page   http://127.0.0.1:"), second
        assert asked(COUNT, tmp_path) == "0"
        file = tmp_path / "x.ndjson"
        file.write_bytes(event(1))
        done = pulse("replay", file, "--data", tmp_path)
        assert done.returncode == 1
        assert str(process.pid) in done.stderr
        assert str(tmp_path) in done.stderr
        assert done.stderr.count("\n") == 1
        started = time.monotonic()
        process.terminate()
        assert process.wait(10) == 0
        assert time.monotonic() - started < 5.0
