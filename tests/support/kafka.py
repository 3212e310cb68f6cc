"""A real Kafka for tests, out of `deploy/kafka`: started, stopped, killed and started again."""

from __future__ import annotations

import ctypes
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Self

import kafka
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion
from kafka.errors import KafkaError

from tests.support.certificates import Certificates

__all__ = ["KAFKA_HOME", "RealKafka", "missing"]

KAFKA_HOME = Path(__file__).resolve().parents[2] / "deploy" / "kafka"

_START_S = 60.0
_SECURE = ("SSL", "SASL_PLAINTEXT", "SASL_SSL")


def missing() -> str:
    """What a real Kafka lacks on this machine, as a sentence; empty when it can be started."""
    lacking = [name for name in ("java", "mvn") if shutil.which(name) is None]
    return f"a real Kafka needs {' and '.join(lacking)}" if lacking else ""


class RealKafka:
    """One Kafka 4 on loopback with a data directory of its own; port and data outlive restarts.

    `listeners` adds SSL, SASL_PLAINTEXT and SASL_SSL beside PLAINTEXT; their addresses come from
    `address(protocol)`, the authority from `certificates`. With `client_certificates` the SSL
    listener asks clients for theirs. `users` maps names to passwords, known to SCRAM and to PLAIN.
    """

    def __init__(
        self,
        *,
        partitions: int = 4,
        listeners: tuple[str, ...] = (),
        users: dict[str, str] | None = None,
        client_certificates: bool = False,
        properties: dict[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        self.partitions = partitions
        self.listeners = listeners
        self.users = dict(users or {})
        self.client_certificates = client_certificates
        self.properties = dict(properties or {})
        self._own_directory = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="pulse-kafka-"))
        self.certificates = Certificates(self.directory / "certificates")
        self._process: subprocess.Popen[bytes] | None = None
        self._ports = dict(
            zip(("PLAINTEXT", *listeners), _free_ports(1 + len(listeners)), strict=True)
        )

    @property
    def bootstrap(self) -> str:
        """Address of the PLAINTEXT listener."""
        return self.address("PLAINTEXT")

    def address(self, protocol: str) -> str:
        """Address of one listener."""
        return f"127.0.0.1:{self._ports[protocol]}"

    @property
    def pid(self) -> int:
        """Process id of the running broker."""
        assert self._process is not None, "Kafka is not running"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the broker's process is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Starts the broker, on the same port and data as before, and waits until it answers."""
        assert not self.running, "Kafka is already running"
        log = self.directory / "server.log"
        offset = log.stat().st_size if log.exists() else 0
        extra = self.directory / "extra.properties"
        extra.write_text("".join(f"{key}={value}\n" for key, value in self._extra().items()))
        extra.chmod(0o600)
        self._process = subprocess.Popen(
            [
                str(KAFKA_HOME / "start"), "--foreground",
                "--port", str(self._ports["PLAINTEXT"]),
                "--dir", str(self.directory),
                "--partitions", str(self.partitions),
                "--config", str(extra),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # The signal would come at the end of the starting thread, not of the process.
            preexec_fn=_die_with_parent if _on_main_thread() else None,
        )  # fmt: skip
        self._wait_for_start(log, offset)
        self._add_users()
        return self

    def stop(self) -> None:
        """Asks the broker to end and waits for it (SIGTERM)."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends the broker at once (SIGKILL): nothing is flushed or said."""
        self._end(signal.SIGKILL)

    def restart(self) -> Self:
        """Ends it, if it runs, and starts it again on the same port and data."""
        if self.running:
            self.stop()
        return self.start()

    def close(self) -> None:
        """Ends it for good and removes its data."""
        self.kill()
        if self._own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def admin(self) -> kafka.KafkaAdminClient:
        """An administration client on the PLAINTEXT listener; the caller closes it."""
        return kafka.KafkaAdminClient(bootstrap_servers=self.bootstrap, bootstrap_timeout_ms=10_000)

    def create_topic(
        self, name: str, partitions: int | None = None, configs: dict[str, str] | None = None
    ) -> None:
        """Creates a topic and waits until every partition has a leader."""
        with self.admin() as admin:
            admin.create_topics(
                {
                    name: {
                        "num_partitions": partitions or self.partitions,
                        "replication_factor": 1,
                        "configs": configs or {},
                    }
                },
                wait_for_metadata=True,
            )

    def delete_topic(self, name: str) -> None:
        """Deletes a topic and waits until the broker has forgotten it."""
        with self.admin() as admin:
            admin.delete_topics([name])
            deadline = time.monotonic() + 10.0
            while name in admin.list_topics():
                assert time.monotonic() < deadline, f"topic {name} is still there"
                time.sleep(0.05)

    def __enter__(self) -> Self:
        return self if self.running else self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _extra(self) -> dict[str, str]:
        """Lines of server.properties for the further listeners."""
        if not self.listeners:
            return self.properties
        controller = (self.directory / "ports").read_text().split()[1] if self._kept() else None
        if controller is None:
            controller = str(_free_ports(1)[0])
            (self.directory / "ports").write_text(f"{self._ports['PLAINTEXT']} {controller}\n")
        clients = ",".join(f"{name}://127.0.0.1:{port}" for name, port in self._ports.items())
        lines = {
            "listeners": f"{clients},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": clients,
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        }
        for listener in self.listeners:
            assert listener in _SECURE, f"unknown listener {listener}"
            prefix = f"listener.name.{listener.lower()}"
            if listener.endswith("SSL"):
                lines[f"{prefix}.ssl.keystore.type"] = "PEM"
                lines[f"{prefix}.ssl.keystore.location"] = str(self.certificates.server_bundle)
                lines[f"{prefix}.ssl.truststore.type"] = "PEM"
                lines[f"{prefix}.ssl.truststore.location"] = str(self.certificates.authority)
                if self.client_certificates and listener == "SSL":
                    lines[f"{prefix}.ssl.client.auth"] = "required"
            if listener.startswith("SASL"):
                known = "".join(f' user_{name}="{word}"' for name, word in self.users.items())
                lines[f"{prefix}.plain.sasl.jaas.config"] = (
                    f"org.apache.kafka.common.security.plain.PlainLoginModule required{known};"
                )
                for mechanism in ("scram-sha-256", "scram-sha-512"):
                    lines[f"{prefix}.{mechanism}.sasl.jaas.config"] = (
                        "org.apache.kafka.common.security.scram.ScramLoginModule required;"
                    )
        return lines | self.properties

    def _kept(self) -> bool:
        return (self.directory / "ports").exists()

    def _add_users(self) -> None:
        if not self.users:
            return
        with self.admin() as admin:
            for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
                refused = admin.alter_user_scram_credentials(
                    [
                        UserScramCredentialUpsertion(n, mechanism, word)
                        for n, word in self.users.items()
                    ]
                )
                assert not any(refused.values()), f"SCRAM users were refused: {refused}"

    def _wait_for_start(self, log: Path, offset: int) -> None:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                assert self._process.stdout is not None
                said = self._process.stdout.read().decode() or _tail(log, offset)
                raise AssertionError(f"Kafka did not start: {said.strip()}")
            if "Kafka Server started" in _tail(log, offset) and self._answers():
                return
            time.sleep(0.05)
        self.kill()
        raise AssertionError(
            f"Kafka did not answer within {_START_S:.0f} s: {_tail(log, offset)[-2000:]}"
        )

    def _answers(self) -> bool:
        try:
            with self.admin() as admin:
                return bool(admin.describe_cluster()["brokers"])
        except KafkaError:
            return False

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(number)
        try:
            process.wait(20.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _die_with_parent() -> None:
    """The broker gets a SIGTERM when the test run ends in whatever way (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _on_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _tail(log: Path, offset: int) -> str:
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(offset)
        return file.read().decode(errors="replace")


def _free_ports(count: int) -> list[int]:
    """Ports nobody listens on, below the range given out to outgoing connections."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.SystemRandom().randint(20_000, 32_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports
