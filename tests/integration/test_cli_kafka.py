"""`pulse topics`, `doctor` and `dead-letters retry` against a real Kafka, as a person runs them."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest

from streams.storage.chdb_store import ChdbStore
from streams.storage.migrations import migrate
from tests.support.command import run
from tests.support.kafka import RealKafka

pytestmark = [
    pytest.mark.kafka,
    # kafka-python reads its message definitions with functions that Python 3.11 deprecates.
    pytest.mark.filterwarnings("ignore:(open|read)_text is deprecated"),
]


@pytest.fixture
def broker(real_kafka: RealKafka, monkeypatch: pytest.MonkeyPatch) -> str:
    """A broker on which our topics, under names of this test, do not exist yet."""
    name = uuid4().hex[:8]
    monkeypatch.setenv("PULSE_TOPIC", f"events-{name}")
    monkeypatch.setenv("PULSE_DEAD_LETTER_TOPIC", f"dlq-{name}")
    monkeypatch.setenv("PULSE_SIGNALS_TOPIC", f"signals-{name}")
    monkeypatch.setenv("PULSE_GROUP", f"group-{name}")
    monkeypatch.setenv("PULSE_PORT", "0")
    return real_kafka.bootstrap


def test_from_missing_topics_to_a_retried_letter(broker: str, tmp_path: Path) -> None:
    at = ("--broker", broker)
    missing = run("doctor", *at, "--data", tmp_path / "none")
    assert missing.exit_code == 1
    assert missing.stdout.splitlines()[-1] == "off: topics"
    assert "-> pulse topics create" in missing.stdout
    assert run("topics", "lag", *at).exit_code == 2

    created = run("topics", "create", "--partitions", 3, *at)
    assert created.stdout.count("created, 3 partitions") == 3
    assert run("topics", "create", *at).stdout.count("was there, 3 partitions") == 3

    store = ChdbStore(tmp_path)
    migrate(store)
    store.command(
        "INSERT INTO dead_letters (letter_id, topic, reason, sentence, bytes, arrived_at) "
        "VALUES ('aa', 'x', 'not_json', 'no JSON', 'x', now64(3))"
    )
    store.close()
    sent = json.loads(run("dead-letters", "retry", "aa", *at, "--data", tmp_path, "--json").stdout)
    lag = json.loads(run("topics", "lag", *at, "--json").stdout)
    assert lag["lag"] == 1
    assert [p["end"] for p in lag["partitions"] if p["partition"] == sent[0]["partition"]] == [1]
    well = run("doctor", *at, "--data", tmp_path)
    assert (well.exit_code, well.stdout.splitlines()[-1]) == (0, "all is well")
