"""Values of the settings: from defaults, a TOML file, the environment and the command line.

The environment name is the setting's name in capitals behind `PULSE_`; secrets are read from the
environment or from a file named by `PULSE_<NAME>_FILE`, never from a command line.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

from streams.errors import UsageError
from streams.settings_table import Setting, Settings, describe

__all__ = ["PREFIX", "Setting", "Settings", "describe", "load"]

PREFIX = "PULSE_"


def load(
    overrides: Mapping[str, object] | None = None,
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Defaults, then the TOML file, then the environment, then `overrides` (None is skipped).

    Raises:
        UsageError: an unknown name or a value of the wrong kind, with where it stands.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, object] = {}
    if file is not None:
        values.update(_from_file(file))
    values.update(_from_environment(environment))
    for name, value in (overrides or {}).items():
        if value is not None:
            values[name] = _checked(name, value, "option --" + name.replace("_", "-"))
    return Settings(**values)  # type: ignore[arg-type]


def _from_file(file: Path) -> dict[str, object]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: not valid TOML: {error}") from None
    secrets = {s.name for s in describe() if s.secret}
    for name in content:
        if name in secrets:
            raise UsageError(
                f"{file}: {name} is a secret: "
                f"set {PREFIX}{name.upper()} or {PREFIX}{name.upper()}_FILE"
            )
    return {name: _checked(name, value, str(file)) for name, value in content.items()}


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    secrets = {s.name for s in describe() if s.secret}
    values: dict[str, object] = {}
    for variable, text in environment.items():
        if not variable.startswith(PREFIX):
            continue
        name = variable[len(PREFIX) :].lower()
        if name.endswith("_file") and name[: -len("_file")] in secrets:
            name, text = name[: -len("_file")], _secret(variable, text)
        values[name] = _checked(name, text, f"environment variable {variable}")
    return values


def _secret(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(f"environment variable {variable}: {path}: {error.strerror}") from None


def _checked(name: str, value: object, where: str) -> object:
    by_name = {f.name: f for f in fields(Settings)}
    if name not in by_name:
        known = ", ".join(sorted(by_name))
        raise UsageError(f"{where}: unknown setting {name!r}; known are {known}")
    kind = get_type_hints(Settings)[name]
    limits = by_name[name].metadata["limits"]
    result = _converted(value, kind)
    if result is None:
        raise UsageError(f"{where}: {name}: expected {_KINDS[kind]}, got {value!r}")
    if "among" in limits and result not in limits["among"]:
        choices = ", ".join(str(choice) for choice in limits["among"])
        raise UsageError(f"{where}: {name}: expected one of {choices}, got {value!r}")
    if "low" in limits and not limits["low"] <= result <= limits["high"]:
        raise UsageError(
            f"{where}: {name}: expected {limits['low']} to {limits['high']}, got {value!r}"
        )
    return result


_KINDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _converted(value: object, kind: type) -> object:
    """`value` as `kind`, or None where that cannot be."""
    if kind is bool:
        return value if isinstance(value, bool) else _BOOLEANS.get(str(value).lower())
    if isinstance(value, bool) or (kind is not str and not isinstance(value, str | int | float)):
        return None
    if kind is str:
        return value if isinstance(value, str) else None
    try:
        return kind(str(value)) if kind is int else kind(value)
    except ValueError:
        return None
