"""Commands that show and mend what is stored: dead letters and accounts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import Consumer

from streams.app import policy_of
from streams.broker.embedded import EmbeddedBroker
from streams.cli.accounts import sparkline
from streams.features.fold import Fold
from streams.features.rows import Rows
from streams.features.snapshot import save
from streams.policy.load import parse
from streams.policy.log import record
from streams.settings import load
from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.support.command import good, run

# kafka-python reads its message definitions with functions that Python 3.11 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:(open|read)_text is deprecated")

HOUR_MS = 3_600_000
START_MS = 1_760_000_400_000 // HOUR_MS * HOUR_MS
HOURS = 3
BYTES = {
    "1a": b'{"event_id": "e1", "account_id": "acme", "prompt_tokens": -3}',
    "1b": b'{"event_id": "e2", "ts": \xff\x00',
    "2c": b"\x1b]0;owned\x07{}",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One account with a request each ten seconds for three hours, and three dead letters."""
    directory = tmp_path_factory.mktemp("cli") / "data"
    store = ChdbStore(directory)
    migrate(store)
    count = HOURS * 360
    store.command(
        "INSERT INTO events (event_id, account_id, org_id, ts, arrived_at, status, prompt_tokens, "
        "completion_tokens) SELECT toString(number), 'acme', 'org', "
        f"fromUnixTimestamp64Milli(toInt64({START_MS} + number * 10000), 'UTC'), now64(3), "
        f"if(number % 360 = 0, 500, 200), 10, 5 FROM numbers({count})"
    )
    for number, (letter, content) in enumerate(BYTES.items()):
        store.command(
            "INSERT INTO dead_letters (letter_id, topic, kafka_partition, kafka_offset, line, "
            f"reason, sentence, bytes, arrived_at) SELECT '{letter}', 'usage.events', 2, "
            f"{40 + number}, 1, '{'wrong_type' if number else 'out_of_range'}', 'what is off', "
            f"unhex('{content.hex()}'), now64(3) + INTERVAL {number} SECOND"
        )
    store.command(
        "INSERT INTO findings (finding_id, detector, account_id, window_end, sentence, held, "
        f"parts) SELECT 'f1', 'burst', 'acme', fromUnixTimestamp64Milli({START_MS}, 'UTC'), "
        "'acme sent 30 requests', 'budget', map('burst', 0.25)"
    )
    snapshot(store)
    store.close()
    return directory


def snapshot(store: ChdbStore, hours: int = HOURS, taken_at: int = START_MS) -> None:
    """What the fold knows so long after the events above began, as the worker writes it."""
    fold = Fold(policy_of(load(environment={})))
    count = HOURS * 360
    ts = START_MS + np.arange(count, dtype=np.int64) * 10_000
    fold.push(
        Rows(
            account=fold.accounts.rows(["acme"], ["org"])[np.zeros(count, np.int64)],
            ts=ts,
            tick=ts // 5000 * 5000 + 5000,
            status=np.full(count, 200, np.uint16),
            prompt=np.full(count, 10, np.int64),
            completion=np.full(count, 5, np.int64),
            address=np.zeros(count, np.uint64),
            user=np.zeros(count, np.uint64),
            template=np.zeros(count, np.uint64),
            quota=None,
            moderation=None,
        )
    )
    assert not fold.advance(START_MS + hours * HOUR_MS).alerts
    save(store, 0, fold, None, 0, taken_at)


@pytest.fixture
def broker() -> Iterator[str]:
    embedded = EmbeddedBroker()
    yield embedded.start()
    embedded.stop()


def received(broker: str, count: int) -> list[tuple[bytes | None, bytes | None]]:
    """Key and value of the first `count` messages of usage.events."""
    consumer = Consumer(
        {"bootstrap.servers": broker, "group.id": "test", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe(["usage.events"])
    found = []
    for _ in range(200):
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            found.append((message.key(), message.value()))
        if len(found) == count:
            break
    consumer.close()
    return found


def test_dead_letters_are_counted_and_listed_newest_first(data: Path) -> None:
    shown = good("dead-letters", "list", "--data", data)
    lines = shown.splitlines()
    assert lines[0] == "2 wrong_type, 1 out_of_range"
    assert lines[1].startswith("2c  ")
    assert lines[1].endswith("usage.events, partition 2, offset 42, line 1")
    assert lines[2] == "    wrong_type: what is off"
    listed = json.loads(good("dead-letters", "list", "--data", data, "--json", "--limit", 1))
    assert listed["counts"] == {"wrong_type": 2, "out_of_range": 1}
    assert [letter["letter_id"] for letter in listed["letters"]] == ["2c"]


def test_dead_letters_of_one_reason(data: Path) -> None:
    shown = json.loads(
        good("dead-letters", "list", "--reason", "out_of_range", "--data", data, "--json")
    )
    assert [letter["letter_id"] for letter in shown["letters"]] == ["1a"]
    assert good("dead-letters", "list", "--reason", "o'clock", "--data", data) == (
        "no dead letters for the reason o'clock\n"
    )


def test_bytes_are_shown_safely(data: Path) -> None:
    assert BYTES["1a"].decode() in good("dead-letters", "show", "1a", "--data", data)
    binary = good("dead-letters", "show", "1b", "--data", data)
    assert "00000010  22 2c 20 22 74 73 22 3a 20 ff 00" in binary
    assert '", "ts": ..' in binary
    control = good("dead-letters", "show", "2", "--data", data)
    assert "\x1b" not in control
    assert "\\u001b]0;owned" in control
    answer = json.loads(good("dead-letters", "show", "1b", "--data", data, "--json"))
    assert (answer["text"], answer["hex"]) == (None, BYTES["1b"].hex())


@pytest.mark.parametrize(
    ("letter", "code", "said"),
    [("9", 1, "no dead letter 9"), ("1", 2, "1 fits several dead letters")],
)
def test_a_letter_that_is_not_one(data: Path, letter: str, code: int, said: str) -> None:
    result = run("dead-letters", "show", letter, "--data", data)
    assert result.exit_code == code
    assert said in result.stderr


def test_retry_sends_the_very_bytes_or_a_mended_version(
    data: Path, broker: str, tmp_path: Path
) -> None:
    before = json.loads(good("dead-letters", "list", "--pending", "--data", data, "--json"))
    assert len(before["letters"]) == 3
    place = ["--data", data, "--broker", broker]
    good("dead-letters", "retry", "1b", "1a", "1a", *place)
    mended = tmp_path / "mended.json"
    mended.write_bytes(b'{"event_id": "e3", "ts": 1, "account_id": "acme"}\n')
    sent = json.loads(good("dead-letters", "retry", "2c", "--edit", mended, *place, "--json"))
    assert sent[0]["letter_id"] == "2c"
    messages = received(broker, 3)
    assert sorted(value or b"" for _, value in messages) == sorted(
        [BYTES["1a"], BYTES["1b"], mended.read_bytes().rstrip()]
    )
    assert {key for key, value in messages if value != BYTES["1b"]} == {b"acme"}
    after = json.loads(good("dead-letters", "list", "--pending", "--data", data, "--json"))
    assert after["letters"] == []
    assert "sent again 1 times" in good("dead-letters", "show", "1a", "--data", data)


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        ((), 2, "no broker given"),
        (("--broker", "127.0.0.1:1"), 1, "127.0.0.1:1: connection refused"),
        (("1b", "--edit", __file__, "--broker", "127.0.0.1:1"), 2, "give one ID"),
    ],
)
def test_a_retry_that_cannot_be_sent(
    data: Path, more: tuple[str, ...], code: int, said: str
) -> None:
    result = run("dead-letters", "retry", "1a", "--data", data, *more)
    assert result.exit_code == code
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_account_on_one_screen(data: Path) -> None:
    shown = good("accounts", "show", "acme", "--hours", "3", "--data", data)
    assert "1,080 requests, 16,200 tokens, 3 errors" in shown
    assert "no snapshot" not in shown
    found = json.loads(good("accounts", "show", "acme", "--hours", "3", "--data", data, "--json"))
    assert found["totals"]["org_id"] == "org"
    assert sum(found["timeline"]["requests"]) == 1080
    assert sum(found["timeline"]["errors"]) == 3
    assert set(found["timeline"]["requests"]) == {0, 18}, "even traffic is an even line"
    windows = found["windows"]
    assert (windows["requests_1m"], windows["requests_1h"], windows["requests_24h"]) == (
        6,
        360,
        1080,
    )
    baseline = found["baseline"]
    assert baseline["record"]["requests"] == pytest.approx(
        {"1 minute": 6, "5 minutes": 30, "1 hour": 360}, rel=0.02
    )
    assert baseline["mean"]["prompt_tokens"] == pytest.approx(300, rel=0.05)
    assert baseline["mean"]["completion_tokens"] == pytest.approx(150, rel=0.05)
    assert "input tokens" in shown
    assert found["incidents"] == []
    (finding,) = found["findings"]
    assert (finding["held"], finding["parts"]) == ("budget", {"burst": 0.25})
    assert "  no alert (budget): acme sent 30 requests\n" in shown


def test_the_baseline_fades_as_the_policy_has_it_that_ruled(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ChdbStore(data)
    snapshot(store, HOURS + 6, START_MS + 1)
    store.close()

    def shown() -> float:
        found = json.loads(good("accounts", "show", "acme", "--data", data, "--json"))
        return float(found["baseline"]["record"]["requests"]["1 hour"])

    usual = shown()
    fading = "[detectors.burst.parameters]\nrecord_half_life_s = 600.0\n"
    (tmp_path / "policy.toml").write_text(fading)
    with monkeypatch.context() as patch:
        patch.setenv("PULSE_POLICY", str(tmp_path / "policy.toml"))
        assert shown() < 0.1 * usual, "no log: the policy that is set"
    store = ChdbStore(data)
    record(store, 0, START_MS + (HOURS + 6) * HOUR_MS + 1, parse(fading, "later", today=None))
    store.close()
    assert shown() == usual, "it did not rule yet"
    store = ChdbStore(data)
    record(store, 1, START_MS, parse(fading, "elsewhere", today=None))
    record(store, 0, START_MS, parse(fading, "now", today=None))
    store.close()
    assert shown() < 0.1 * usual
    store = ChdbStore(data)  # as the other tests found it
    store.command("TRUNCATE TABLE policy_log")
    snapshot(store, HOURS, START_MS + 2)
    store.close()


def test_another_tick_hides_the_baseline_and_nothing_else(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULSE_TICK", "10")
    found = json.loads(good("accounts", "show", "acme", "--data", data, "--json"))
    assert found["baseline"] is None
    assert found["windows"]["requests_1m"] == 6


def test_an_account_nobody_saw(data: Path) -> None:
    result = run("accounts", "show", "no'body", "--data", data)
    assert result.exit_code == 1
    assert "no events of account" in result.stderr


def test_a_store_without_tables_says_how_to_get_them(tmp_path: Path) -> None:
    result = run("accounts", "show", "acme", "--data", tmp_path)
    assert result.exit_code == 1
    assert result.stderr == "pulse: the store has no tables of ours yet: run `pulse migrate`\n"


def test_a_sparkline_shows_every_event() -> None:
    assert sparkline([0, 1, 50, 100]) == "·▁▅█"
    assert sparkline([0, 0]) == "··"
