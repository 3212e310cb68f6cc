"""Generated pages say what the code says, and `--check` names what is stale."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from deploy import docs
from streams.cli.main import COMMANDS
from streams.events.schema import Event
from streams.settings import Setting, describe

# kafka-python reads its message definitions with functions that Python 3.11 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:(open|read)_text is deprecated")

README = f"# Title\n\n{docs.BEGIN}\nold\n{docs.END}\n\nafter\n"


def test_every_field_of_an_event_is_in_the_table() -> None:
    page = docs.events_page()
    for field in msgspec.structs.fields(Event):
        assert f"| `{field.encode_name}` |" in page
    assert "| `prompt_tokens` | integer | tokens | `0` | 0 to 10,000,000 |" in page
    assert "| `event_id` | string |  | **required** | 1 to 256 characters |" in page
    assert "`gen_ai.usage.input_tokens`" in page
    assert "| `bands` | list of strings |  | `[]` |" in page


def test_every_setting_is_in_the_table() -> None:
    table = docs.settings_table()
    for setting in describe():
        assert f"| `{setting.name}` | `PULSE_{setting.name.upper()}`" in table
        assert setting.sentence.replace("|", "\\|") in table
    assert "`PULSE_STORE_PASSWORD` or `..._FILE`" in table


def test_no_cell_breaks_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = Setting("port", 1, "a|b", "One | two.", False)
    monkeypatch.setattr(docs, "describe", lambda: [setting])
    columns = [line.replace("\\|", "").count("|") for line in docs.settings_table().splitlines()]
    assert columns == [7, 7, 7]


def test_every_command_is_on_the_page() -> None:
    page = docs.cli_page()
    for name in COMMANDS:
        assert f"## pulse {name}\n" in page
    assert "### pulse dead-letters retry\n" in page
    assert "--format NAME" in page


def test_every_table_of_the_migrations_is_on_the_page() -> None:
    page = docs.tables_page()
    stories = ("findings", "incidents", "alerts", "policy_log")
    for table in ("events", "account_minute", "dead_letters", *stories):
        assert f"\n## {table}\n" in page
    assert "| `line` | `UInt32` | line in the message, from 0 |" in page
    assert "What could not be understood: the bytes, the place" in page
    assert ".inner" not in page


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    assert docs.with_table(README, "| new |\n") == (
        f"# Title\n\n{docs.BEGIN}\n| new |\n{docs.END}\n\nafter\n"
    )
    with pytest.raises(ValueError, match="begin:settings"):
        docs.with_table("# Title\n", "| new |\n")


def test_check_names_what_is_stale_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    assert docs.main(["--check"], tmp_path) == 1
    told = capsys.readouterr().err
    for name in (*docs.PAGES, "README.md"):
        assert f"docs: {name} is stale: run `make docs`" in told
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]

    assert docs.main([], tmp_path) == 0
    assert docs.main(["--check"], tmp_path) == 0
    assert docs.main([], tmp_path) == 0, "nothing to do twice"

    page = tmp_path / "docs" / "settings.md"
    page.write_text(page.read_text(encoding="utf-8") + "edited", encoding="utf-8")
    capsys.readouterr()
    assert docs.main(["--check"], tmp_path) == 1
    told = capsys.readouterr().err
    assert told == "docs: docs/settings.md is stale: run `make docs` and commit it\n"
