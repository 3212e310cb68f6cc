"""Settings: which source wins, and that every refusal names the place and what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.errors import UsageError
from streams.settings import Settings, describe, load


def write(directory: Path, text: str) -> Path:
    file = directory / "pulse.toml"
    file.write_text(text, encoding="utf-8")
    return file


def refusal(
    *,
    overrides: dict[str, object] | None = None,
    file: Path | None = None,
    environment: dict[str, str] | None = None,
) -> str:
    with pytest.raises(UsageError) as caught:
        load(overrides, file=file, environment=environment or {})
    assert caught.value.exit_code == 2
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_nothing_given_is_the_defaults() -> None:
    assert load(environment={}) == Settings()


def test_option_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    file = write(tmp_path, 'port = 1001\nhost = "file"\ntopic = "file"\n')
    environment = {"PULSE_PORT": "1002", "PULSE_HOST": "environment"}
    settings = load({"port": 1003, "host": None}, file=file, environment=environment)
    assert (settings.port, settings.host, settings.topic) == (1003, "environment", "file")
    assert settings.tick == Settings().tick


def test_text_becomes_the_kind_of_the_setting() -> None:
    environment = {"PULSE_PORT": "0", "PULSE_TICK": "2", "PULSE_STORE_SECURE": "yes"}
    settings = load(environment=environment)
    assert (settings.port, settings.tick, settings.store_secure) == (0, 2.0, True)


def test_other_variables_of_the_environment_do_not_matter() -> None:
    assert load(environment={"HOME": "/", "PULSE": "x", "pulse_port": "y"}) == Settings()


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("PULSE_PORT", "web", "port: expected a whole number, got 'web'"),
        ("PULSE_PORT", "65536", "port: expected 0 to 65535, got '65536'"),
        ("PULSE_TICK", "3", "tick: expected one of 1.0, 2.0, 5.0, 10.0, got '3'"),
        ("PULSE_LATENESS", "nan", "lateness: expected 0.0 to 3600.0, got 'nan'"),
        ("PULSE_STORE_SECURE", "perhaps", "store_secure: expected true or false, got 'perhaps'"),
        ("PULSE_IDLE_DAYS", "0", "idle_days: expected 1.0 to 3650.0, got '0'"),
        ("PULSE_BURST_P", "1e-6", "unknown setting 'burst_p'; known are "),
        ("PULSE_PROT", "1", "unknown setting 'prot'; known are "),
    ],
)
def test_a_wrong_variable_is_named(variable: str, value: str, expected: str) -> None:
    message = refusal(environment={variable: value})
    assert message.startswith(f"environment variable {variable}: {expected}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("port = true", "port: expected a whole number, got True"),
        ("port = 1.5", "port: expected a whole number, got 1.5"),
        ("topic = 7", "topic: expected text, got 7"),
        ("tick = [5]", "tick: expected a number, got [5]"),
        ("prot = 1", "unknown setting 'prot'"),
        ("port = ", "not valid TOML: "),
        ('store_password = "x"', "store_password is a secret: set PULSE_STORE_PASSWORD or "),
    ],
)
def test_a_wrong_line_of_the_file_is_named(tmp_path: Path, text: str, expected: str) -> None:
    file = write(tmp_path, text)
    assert refusal(file=file).startswith(f"{file}: {expected}")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert refusal(file=tmp_path / "none.toml") == (
        f"{tmp_path / 'none.toml'}: cannot be read: No such file or directory"
    )
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'topic = "\xe9"')
    assert refusal(file=latin).startswith(f"{latin}: not valid TOML: ")


def test_a_wrong_option_is_named() -> None:
    assert refusal(overrides={"retention_days": 0}) == (
        "option --retention-days: retention_days: expected 1 to 3650, got 0"
    )


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("s3cret\n", encoding="utf-8")
    settings = load(environment={"PULSE_BROKER_PASSWORD_FILE": str(secret)})
    assert settings.broker_password == "s3cret"
    missing = refusal(environment={"PULSE_BROKER_PASSWORD_FILE": str(tmp_path / "none")})
    assert missing.startswith("environment variable PULSE_BROKER_PASSWORD_FILE: ")
    assert missing.endswith("No such file or directory")


def test_a_secret_never_stands_in_a_refusal() -> None:
    message = refusal(environment={"PULSE_BROKER_PASSWORD": "s3cret", "PULSE_PORT": "x"})
    assert "s3cret" not in message


def test_every_setting_is_described() -> None:
    for setting in describe():
        assert setting.sentence.endswith(".")
        assert setting.name == setting.name.lower()
        assert load({setting.name: setting.default}, environment={}) == Settings()
