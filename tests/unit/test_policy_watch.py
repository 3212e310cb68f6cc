"""A policy file that changes under a running worker: taken whole, or not at all and told once."""

from __future__ import annotations

import logging
from datetime import date, timedelta
from pathlib import Path

import pytest

from streams.policy.model import default_policy
from streams.policy.problems import PolicyError
from streams.policy.watch import PolicyFile
from tests.unit.policy_cases import DETECTORS, TODAY

ALLOW = """
[[allow]]
orgs = ["o"]
owner = "me"
reason = "r"
expires = 2026-06-15
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text("fdr = 0.2\n", encoding="utf-8")
    return path


def watching(path: Path | str | None) -> PolicyFile:
    watched = PolicyFile(path, detectors=DETECTORS)
    watched.start(TODAY)
    return watched


def polls(watched: PolicyFile, times: int = 3, today: date = TODAY) -> list[float]:
    """`fdr` of the policies that so many polls bring."""
    return [new.fdr for _ in range(times) if (new := watched.poll(today)) is not None]


def test_a_changed_file_is_taken_once(file: Path) -> None:
    watched = watching(file)
    assert watched.policy.fdr == 0.2
    assert polls(watched) == []
    file.write_text("fdr = 0.3\n", encoding="utf-8")
    assert polls(watched) == [0.3]
    assert watched.policy.fdr == 0.3
    assert watched.problem == ""


def test_a_file_that_is_still_being_written_is_waited_for(file: Path) -> None:
    """Half of a policy can be a valid one; it must never rule."""
    file.write_text("fdr = 0.2\n" + ALLOW, encoding="utf-8")
    watched = watching(file)
    for half in ("", "fdr = 0.4\n", "fdr = 0.4\n[[all", "fdr = 0.4\n" + ALLOW):
        file.write_text(half, encoding="utf-8")
        assert polls(watched, 1) == []
        assert len(watched.policy.allow) == 1
        assert watched.problem == ""
    assert polls(watched, 1) == [0.4]


def test_words_and_order_are_no_change(file: Path) -> None:
    watched = watching(file)
    file.write_text("# new words\nfdr = 0.20\n", encoding="utf-8")
    assert polls(watched) == []
    assert watched.problem == ""


def test_a_wrong_file_leaves_the_policy_before_and_is_told_once(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watched = watching(file)
    before = watched.policy
    with caplog.at_level(logging.WARNING):
        file.write_text("fdr = 7\n[budget]\nhigh = 3\n", encoding="utf-8")
        assert polls(watched, 5) == []
    assert watched.policy is before
    assert watched.problem == f"{file}:1: fdr: expected a number above 0, at most 1, got 7"
    assert [record.getMessage() for record in caplog.records] == [
        f"{watched.problem}; policy {before.version} stays in force"
    ]
    file.write_text("fdr = 0.7\n", encoding="utf-8")
    assert polls(watched) == [0.7]
    assert watched.problem == ""


def test_back_to_what_was_right_ends_the_problem(file: Path) -> None:
    watched = watching(file)
    file.write_text("fdr = 7\n", encoding="utf-8")
    polls(watched)
    assert watched.problem
    file.write_text("fdr = 0.2\n", encoding="utf-8")
    assert polls(watched) == [], "it has been in force all the time"
    assert watched.problem == ""


def test_a_file_that_is_gone_and_comes_back(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    watched = watching(file)
    file.unlink()
    with caplog.at_level(logging.WARNING):
        assert polls(watched) == []
    assert watched.problem == f"{file}: cannot be read: No such file or directory"
    assert len(caplog.records) == 1
    file.write_text("fdr = 0.2\n", encoding="utf-8")
    assert polls(watched) == []
    assert watched.problem == ""


def test_an_excuse_that_ends_meanwhile_is_told(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text("fdr = 0.2\n" + ALLOW, encoding="utf-8")
    watched = watching(file)
    with caplog.at_level(logging.WARNING):
        assert polls(watched) == []
        assert watched.problem == ""
        assert polls(watched, 3, TODAY + timedelta(days=1)) == []
    assert watched.problem == (
        f"{file}: the allow-list's o (me) expired 2026-06-15 and no longer counts"
    )
    assert len(caplog.records) == 1


def test_a_wrong_file_at_the_start_has_nothing_to_fall_back_on(file: Path) -> None:
    file.write_text("fdr = 7\n", encoding="utf-8")
    with pytest.raises(PolicyError, match="fdr"):
        PolicyFile(file, detectors=DETECTORS).start(TODAY)


@pytest.mark.parametrize("path", ["", None])
def test_no_file_is_the_built_in_policy(path: str | None) -> None:
    watched = watching(path)
    assert watched.policy == default_policy(DETECTORS)
    assert polls(watched) == []
