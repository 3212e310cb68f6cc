"""The broker of the embedded stack: librdkafka's mock cluster, which speaks the real wire protocol.

In the flow it stands where Kafka stands at scale, for `pulse up`, `pulse demo` and `pulse replay`.
`EmbeddedBroker` lives in this process, `EmbeddedProcess` in a child that ends with its parent.

What it does, found out with librdkafka 2.16, aiokafka 0.14 and kafka-python 3.0.12:

- Topics appear when first named, with four partitions, or with as many as `start` was told.
- A partition keeps its youngest 5 MiB (record batches as sent, 61 bytes of overhead each, so some
  77,000 tiny messages sent singly) and forgets older batches whether read or not, silently: the
  consumer jumps forward. A sender has to wait for the consumer. One batch may be larger.
- Message sizes have no limit of its own; gzip, lz4, snappy and zstd pass through as they are.
- Message timestamps reach the consumer as sent. The timestamp in the producer's acknowledgement is
  wrong, and looking offsets up by time finds nothing.
- Offsets are committed and fetched as on Kafka, one partition named at a time; "all offsets of the
  group" fails. First and last offsets are right.
- A group may have ONE member: a second one ends the join with InvalidRequestError. Who follows a
  former member waits for about one session timeout if that one left, up to twice that if it was
  killed or had a static name (those do not leave). So: one worker, and no `group_instance_id`.
- Creating and deleting topics, listing groups and topic ids do not exist. The cluster id is drawn
  at every start.
- kafka-python must be told `api_version=(2, 3)`: the mock's answer to a newer handshake breaks it.
  aiokafka and librdkafka connect as they are.
- Neither TLS nor SASL. It listens on 127.0.0.1 only.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, Self

import confluent_kafka
import confluent_kafka.cimpl

from streams.errors import BrokerUnavailable, PulseError, UsageError

__all__ = ["PARTITIONS", "EmbeddedBroker", "EmbeddedProcess"]

#: Partitions of a topic that appears because somebody named it.
PARTITIONS = 4

_PRODUCER = 0
_READY = "ready "
_USAGE = "usage: python -m streams.broker.embedded [TOPIC=PARTITIONS]..."


class EmbeddedBroker:
    """A broker on a free loopback port, from `start` to `stop`; its topics are forgotten with it.

    `topics` are made at the start, with their number of partitions.
    """

    def __init__(self, topics: Mapping[str, int] | None = None) -> None:
        self.topics = dict(topics or {})
        self.bootstrap = ""
        self._library: Any = None
        self._client: int | None = None
        self._cluster: int | None = None

    def start(self) -> str:
        """Starts it (at most once) and returns its address, `host:port`.

        Raises:
            BrokerUnavailable: no loopback port could be opened.
        """
        if self._cluster is not None:
            return self.bootstrap
        library = self._library = _librdkafka()
        reason = ctypes.create_string_buffer(512)
        configuration = library.rd_kafka_conf_new()
        # A cluster needs a client to hang on; log level 3 (errors) silences that it has no servers.
        library.rd_kafka_conf_set(configuration, b"log_level", b"3", reason, len(reason))
        self._client = library.rd_kafka_new(_PRODUCER, configuration, reason, len(reason))
        if self._client is not None:
            self._cluster = library.rd_kafka_mock_cluster_new(self._client, 1)
        if self._cluster is None:
            self.stop()
            cause = reason.value.decode() or "no free port on 127.0.0.1"
            raise BrokerUnavailable(f"the embedded broker did not start: {cause}")
        # By default the first member of a group waits three seconds for others.
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)
        for name, partitions in self.topics.items():
            library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)
        self.bootstrap = library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
        return self.bootstrap

    def stop(self) -> None:
        """Ends it; what was not read is gone."""
        cluster, client = self._cluster, self._client
        self._cluster, self._client, self.bootstrap = None, None, ""
        if cluster is not None:
            self._library.rd_kafka_mock_cluster_destroy(cluster)
        if client is not None:
            self._library.rd_kafka_destroy(client)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class EmbeddedProcess:
    """An `EmbeddedBroker` in a child process; it ends when this one does, however that happens."""

    def __init__(self, topics: Mapping[str, int] | None = None) -> None:
        self.topics = dict(topics or {})
        self._process: subprocess.Popen[str] | None = None
        self.bootstrap = ""

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return None if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the child still runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> str:
        """Starts the child and returns the broker's address, `host:port`.

        Raises:
            BrokerUnavailable: the child did not become ready.
        """
        if self._process is None:
            topics = (f"{name}={partitions}" for name, partitions in self.topics.items())
            process = subprocess.Popen(
                [sys.executable, "-m", "streams.broker.embedded", *topics],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith(_READY):
                process.kill()
                code = process.wait()
                raise BrokerUnavailable(f"the embedded broker did not start: it ended with {code}")
            self._process = process
            self.bootstrap = line.removeprefix(_READY).strip()
        return self.bootstrap

    def stop(self) -> None:
        """Ends the child and waits for it."""
        if self._process is None:
            return
        process, self._process, self.bootstrap = self._process, None, ""
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        try:
            process.wait(5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def serve(
    broker: EmbeddedBroker,
    stdin: IO[bytes],
    announce: Callable[[str], object],
    parent: Callable[[], int] = os.getppid,
) -> None:
    """Runs `broker` until `stdin` ends or `parent` changes: either way nobody is left to use it."""
    first = parent()
    with broker:
        announce(_READY + broker.bootstrap)
        # The end of stdin tells at once; the parent's id covers a pipe that a fork kept open.
        # (PR_SET_PDEATHSIG would fire when the *thread* that started this process ends.)
        while parent() == first:
            readable, _, _ = select.select([stdin], [], [], 0.5)
            if readable and not os.read(stdin.fileno(), 4096):
                return


def main(arguments: Sequence[str]) -> None:
    """Entry of the child process; `arguments` are `TOPIC=PARTITIONS`."""
    # Ctrl-C reaches the whole process group: the broker has to outlive the worker's last commit.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        broker = EmbeddedBroker(_topics(arguments))
        serve(broker, sys.stdin.buffer, lambda line: print(line, flush=True))
    except PulseError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


def _topics(arguments: Sequence[str]) -> dict[str, int]:
    topics = {}
    for argument in arguments:
        name, _, partitions = argument.rpartition("=")
        if not name or not partitions.isdecimal() or int(partitions) < 1:
            raise UsageError(f"expected TOPIC=PARTITIONS, got {argument!r}; {_USAGE}")
        topics[name] = int(partitions)
    return topics


def _librdkafka() -> Any:
    """The library inside the confluent-kafka wheel, with the functions of rdkafka_mock.h declared.

    Raises:
        BrokerUnavailable: this build of confluent-kafka hides them.
    """
    pointer, text, whole, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t
    functions: dict[str, tuple[Any, list[Any]]] = {
        "rd_kafka_conf_new": (pointer, []),
        "rd_kafka_conf_set": (whole, [pointer, text, text, text, size]),
        "rd_kafka_new": (pointer, [whole, pointer, text, size]),
        "rd_kafka_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_new": (pointer, [pointer, whole]),
        "rd_kafka_mock_cluster_bootstraps": (text, [pointer]),
        "rd_kafka_mock_cluster_destroy": (None, [pointer]),
        "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, [pointer, ctypes.c_int32]),
        "rd_kafka_mock_topic_create": (whole, [pointer, text, whole, whole]),
    }
    # Symbols are looked up in the extension module and in what it was linked with.
    library = ctypes.CDLL(confluent_kafka.cimpl.__file__)
    for name, (result, arguments) in functions.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise BrokerUnavailable(
                f"the embedded broker needs {name} of librdkafka, which confluent-kafka "
                f"{confluent_kafka.__version__} lacks here: install the wheel of constraints.txt"
            ) from None
        function.restype, function.argtypes = result, arguments
    return library


if __name__ == "__main__":
    main(sys.argv[1:])
