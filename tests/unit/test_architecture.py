"""The shape of the repository: imports run one way, modules stay small, nothing escapes mypy."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("detectors", "streams", "dashboards", "deploy", "tests")
MODULES = sorted(path for package in OURS for path in (ROOT / package).rglob("*.py"))
LONGEST = 300

#: For each folder, what its modules must not import. The first match from the top of a path counts.
FORBIDDEN = {
    "detectors": ("streams", "dashboards", "deploy", "tests"),
    "dashboards": ("detectors", "streams.ingest", "streams.features", "streams.app", "tests"),
    "streams": ("deploy", "tests"),
    "deploy": ("tests",),
}


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Every module imported anywhere in a file, also inside functions and by name."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield node.lineno, base
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith("import_module")
            and isinstance(node.args[0], ast.Constant)
        ):
            yield node.lineno, str(node.args[0].value)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_imports_run_one_way(folder: str) -> None:
    wrong = {
        f"{name(path)}:{line} imports {module}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line, module in imported(path)
        for forbidden in FORBIDDEN[folder]
        if within(module, forbidden)
    }
    assert not wrong, "detectors <- streams <- deploy: " + "; ".join(sorted(wrong))


def test_the_mathematics_reads_no_clock() -> None:
    clocks = re.compile(r"\b(time\.(time|monotonic|perf_counter)|datetime\.(now|utcnow|today))\b")
    wrong = [
        f"{name(path)}: {match.group()}"
        for folder in ("detectors", "streams/features")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if (match := clocks.search(path.read_text(encoding="utf-8")))
    ]
    assert not wrong, wrong


def test_modules_stay_readable() -> None:
    lengths = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    too_long = {module: length for module, length in lengths.items() if length >= LONGEST}
    assert not too_long, f"split them, {LONGEST} lines are the limit: {too_long}"


def test_every_module_says_what_it_is_for() -> None:
    silent = []
    for path in MODULES:
        source = path.read_text(encoding="utf-8")
        if source.strip() and not ast.get_docstring(ast.parse(source)):
            silent.append(name(path))
    assert not silent


def test_no_module_of_ours_escapes_mypy() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    assert settings["strict"] is True
    assert "exclude" not in settings
    assert set(settings["files"]) == set(OURS)
    for override in settings.get("overrides", []):
        modules = override["module"]
        for module in [modules] if isinstance(modules, str) else modules:
            assert module.split(".")[0] not in (*OURS, "*"), f"mypy override for {module}"
    marks = re.compile(r"#\s*mypy:|#\s*type:\s*ignore(?!\[)")
    blanket = [
        name(path)
        for path in MODULES
        if path != Path(__file__) and marks.search(path.read_text(encoding="utf-8"))
    ]
    assert not blanket, f"say which error is ignored: {blanket}"


def test_every_folder_is_a_package() -> None:
    """Without __init__.py mypy and the wheel would pass a folder over without a word."""
    missing = {name(path.parent) for path in MODULES if not (path.parent / "__init__.py").exists()}
    assert not missing
