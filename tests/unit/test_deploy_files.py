"""What stands in deploy/: settings that exist, pinned images, no secrets, commands that exist."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
import pytest

from streams.cli.main import cli
from streams.settings import PREFIX, describe, load

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose" / "docker-compose.yaml"
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
MANIFESTS = [
    DEPLOY / "Dockerfile",
    COMPOSE,
    *KUBERNETES,
]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

_SECRET = re.compile(r"(\w*(?:password|token|secret_key)\w*)[:=] *(\S+)", re.IGNORECASE)
_TOOLS = ("bash", "cat", "cmp", "dirname", "grep", "mkdir", "mktemp", "rm", "mv", "cp")


def _names(files: list[Path]) -> list[Any]:
    return [pytest.param(file, id=str(file.relative_to(ROOT))) for file in files]


def _documents(file: Path) -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml", reason="pyyaml (of the dev extra) reads the manifests")
    return [document for document in yaml.safe_load_all(file.read_text()) if document]


def _kubernetes(kind: str) -> dict[str, Any]:
    found = [d for file in KUBERNETES for d in _documents(file) if d["kind"] == kind]
    assert len(found) == 1, kind
    return found[0]


@pytest.mark.parametrize("file", _names(MANIFESTS))
def test_every_variable_named_is_a_setting(file: Path) -> None:
    known = {PREFIX + setting.name.upper() for setting in describe()}
    known |= {f"{PREFIX}{setting.name.upper()}_FILE" for setting in describe() if setting.secret}
    assert set(re.findall(rf"\b{PREFIX}[A-Z_]+", file.read_text())) <= known


@pytest.mark.parametrize("file", [COMPOSE, DEPLOY / "kubernetes" / "settings.yaml"])
def test_the_settings_of_a_deployment_load(file: Path, tmp_path: Path) -> None:
    pairs = dict(
        re.findall(rf"^ +({PREFIX}\w+): \"?([^\"\n]+)\"?$", file.read_text(), re.MULTILINE)
    )
    secret = tmp_path / "secret"
    secret.write_text("from a file\n")
    pairs |= {name: str(secret) for name in pairs if name.endswith("_PASSWORD_FILE")}
    settings = load(environment=pairs)
    assert settings.broker
    assert settings.store.startswith("clickhouse://")
    assert settings.store_password == "from a file"


@pytest.mark.parametrize("file", _names(MANIFESTS))
def test_images_are_pinned_by_version(file: Path) -> None:
    for image in re.findall(r"^(?:FROM| *image:) +(\S+)", file.read_text(), re.MULTILINE):
        name, _, tag = image.partition(":")
        assert re.match(r"\d+\.\d+", tag), image
        if name == "usage-pulse":
            assert tag == VERSION


@pytest.mark.parametrize("file", _names(MANIFESTS))
def test_no_secret_stands_in_a_manifest(file: Path) -> None:
    for line in file.read_text().splitlines():
        if line.lstrip().startswith("#"):
            continue
        for name, value in _SECRET.findall(line):
            from_file = name.endswith("_FILE") or value.startswith(("$__file{", '"$$(cat'))
            assert from_file or value in ("true", "false"), line


@pytest.mark.parametrize("file", _names([COMPOSE, *KUBERNETES]))
def test_commands_of_containers_exist(file: Path) -> None:
    text = file.read_text()
    for arguments in re.findall(r"^ +(?:command|args): \[([^\]]+)\]", text, re.MULTILINE):
        words = [word.strip().strip('"') for word in arguments.split(",")]
        command: click.Command = cli
        context = click.Context(command)
        while isinstance(command, click.Group):
            found = command.get_command(context, words.pop(0))
            assert found is not None, arguments
            command = found
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options


def test_compose_publishes_on_loopback_only() -> None:
    for name, service in _documents(COMPOSE)[0]["services"].items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name}: {port}"


def test_compose_workers_have_names_of_their_own() -> None:
    services = _documents(COMPOSE)[0]["services"]
    workers = {n: s for n, s in services.items() if s.get("command") == ["worker"]}
    assert workers
    assert all(worker["environment"]["PULSE_WORKER"] == name for name, worker in workers.items())


def test_compose_waits_for_what_it_needs() -> None:
    services = _documents(COMPOSE)[0]["services"]
    for service in services.values():
        for needed, how in service.get("depends_on", {}).items():
            healthy = how["condition"] == "service_healthy"
            assert ("healthcheck" in services[needed]) == healthy, needed


def test_pods_are_named_static_members_of_the_group() -> None:
    workers = _kubernetes("StatefulSet")
    environment = workers["spec"]["template"]["spec"]["containers"][0]["env"]
    assert environment == [
        {"name": "PULSE_WORKER", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    ]


def test_selectors_find_the_worker_pods() -> None:
    labels = _kubernetes("StatefulSet")["spec"]["template"]["metadata"]["labels"]
    assert _kubernetes("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert _kubernetes("Service")["spec"]["selector"] == labels
    assert _kubernetes("StatefulSet")["spec"]["selector"]["matchLabels"] == labels


def test_probes_ask_the_page_that_the_settings_open() -> None:
    container = _kubernetes("StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    settings = _kubernetes("ConfigMap")["data"]
    assert settings["PULSE_HOST"] == "0.0.0.0"
    assert container["ports"] == [{"name": "page", "containerPort": int(settings["PULSE_PORT"])}]
    assert container["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": "page"}
    for probe in ("startupProbe", "livenessProbe"):
        # /healthz fails while Kafka or ClickHouse is away, which no restart mends.
        assert container[probe]["httpGet"] == {"path": "/livez", "port": "page"}


@pytest.mark.parametrize("kind", ["StatefulSet", "Job"])
def test_pods_run_without_privileges_and_find_their_secrets(kind: str) -> None:
    pod = _kubernetes(kind)["spec"]["template"]["spec"]
    settings = _kubernetes("ConfigMap")["data"]
    assert pod["securityContext"]["runAsNonRoot"]
    user = pod["securityContext"]["runAsUser"]
    assert f"USER {user}:" in (DEPLOY / "Dockerfile").read_text()
    volumes = {volume["name"] for volume in pod["volumes"]}
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["resources"]["limits"]["memory"]
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert set(mounts.values()) <= volumes
        for name, path in settings.items():
            if name.endswith("_FILE"):
                assert str(Path(path).parent) in mounts, name


def test_kustomization_lists_every_manifest_with_our_version() -> None:
    kustomization = _kubernetes("Kustomization")
    others = {file.name for file in KUBERNETES} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == others
    assert kustomization["images"] == [{"name": "usage-pulse", "newTag": VERSION}]


def test_the_image_installs_pinned_packages_and_is_not_root() -> None:
    stage = (DEPLOY / "Dockerfile").read_text()
    assert "--constraint constraints.txt" in stage
    assert (ROOT / "constraints.txt").is_file()
    final = stage.rpartition("FROM ")[2]
    assert re.search(r"^USER (?!0|root)\S+", final, re.MULTILINE)


def test_kafka_is_pinned_and_comes_from_no_named_repository() -> None:
    project = ElementTree.parse(DEPLOY / "kafka" / "pom.xml").getroot()
    namespace = {"m": "http://maven.apache.org/POM/4.0.0"}
    versions = {
        found.tag.rpartition("}")[2]: found.text or ""
        for found in project.findall("m:properties/*", namespace)
    }
    for dependency in project.findall(".//m:dependency", namespace):
        written = dependency.findtext("m:version", "", namespace)
        assert re.fullmatch(r"[\d.]+", versions.get(written[2:-1], written)), written
    assert not project.findall(".//m:repository", namespace)


@pytest.mark.parametrize("script", ["kafka/start", "kafka/stop", "compose/up"])
def test_scripts_are_executable_bash(script: str) -> None:
    assert os.access(DEPLOY / script, os.X_OK)
    subprocess.run(["bash", "-n", str(DEPLOY / script)], check=True)


@pytest.mark.parametrize(
    ("present", "line"),
    [((), "java is missing: Kafka needs a Java"), (("java",), "mvn is missing: Maven fetches")],
)
def test_kafka_start_says_what_is_missing(
    present: tuple[str, ...], line: str, tmp_path: Path
) -> None:
    for tool in _TOOLS:
        found = shutil.which(tool)
        assert found
        (tmp_path / tool).symlink_to(found)
    for tool in present:
        (tmp_path / tool).symlink_to("/bin/true")
    ended = subprocess.run(
        [str(tmp_path / "bash"), str(DEPLOY / "kafka" / "start")],
        env={"PATH": str(tmp_path), "KAFKA_RUN_DIR": str(tmp_path / "run")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert line in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("wrong", [["--port", "70000"], ["--partitions", "0"], ["--prot"]])
def test_kafka_start_refuses_wrong_options(wrong: list[str]) -> None:
    ended = subprocess.run(
        [str(DEPLOY / "kafka" / "start"), *wrong], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert wrong[0] in ended.stderr
    assert ended.stderr.count("\n") == 1
