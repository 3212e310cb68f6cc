"""Receivers of notifications over real HTTP and SMTP on loopback; they keep what they are given."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Hook", "Mails", "Taken", "hook", "mails"]


@dataclass(frozen=True, slots=True)
class Taken:
    """One request: the message's identity, what it said, and when it came (monotonic seconds)."""

    identity: str
    title: str
    body: str
    kind: str
    at: float
    status: int


@dataclass(slots=True)
class Hook:
    """A web hook; `answer` decides the status of each request, `port` is its own."""

    answer: Callable[[Taken], int] = lambda taken: 200
    port: int = 0
    all: list[Taken] = field(default_factory=list)

    @property
    def taken(self) -> list[Taken]:
        """Requests that were answered with success."""
        return [one for one in self.all if one.status < 300]

    def titles(self) -> list[str]:
        """Of what was taken, in order."""
        return [one.title for one in self.taken]

    def address(self, path: str = "") -> str:
        """What Apprise calls it."""
        return f"json://127.0.0.1:{self.port}/{path}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextmanager
def hook(answer: Callable[[Taken], int] | None = None) -> Iterator[Hook]:
    """A web hook on a free port while the context is open."""
    state = Hook(answer) if answer is not None else Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            identity = self.headers.get("Idempotency-Key", "")
            said = (given["title"], given["message"], given["type"])
            taken = Taken(identity, *said, time.monotonic(), 0)
            status = state.answer(taken)
            state.all.append(Taken(identity, *said, taken.at, status))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = _Server(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    with _serving(server):
        yield state


@dataclass(slots=True)
class Mails:
    """A mail server that takes everything; `refuse` is the answer to the sender, if any."""

    port: int = 0
    refuse: str = ""
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    messages: list[EmailMessage] = field(default_factory=list)

    def address(self) -> str:
        """What Apprise calls it."""
        return f"mailto://127.0.0.1:{self.port}?from=pulse@example.org&to=shift@example.org"


@contextmanager
def mails() -> Iterator[Mails]:
    """A mail server on a free port while the context is open; as much SMTP as a sender needs."""
    state = Mails()

    class Handler(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(line.encode() + b"\r\n")

        def handle(self) -> None:
            sender, recipients = "", list[str]()
            self.say("220 127.0.0.1 ready")
            while line := self.rfile.readline().decode("utf-8", "replace").strip():
                word = line.split(":")[0].split(" ")[0].upper()
                if word == "QUIT":
                    self.say("221 bye")
                    return
                if word == "MAIL":
                    sender = line.partition(":")[2].strip()
                    self.say(state.refuse or "250 ok")
                elif word == "RCPT":
                    recipients.append(line.partition(":")[2].strip())
                    self.say("250 ok")
                elif word == "DATA":
                    self.say("354 go on")
                    content = self.data()
                    state.envelopes.append((sender, recipients))
                    message = message_from_bytes(content, policy=policy.default)
                    state.messages.append(message)
                    self.say("250 taken")
                else:
                    self.say("250 ok")

        def data(self) -> bytes:
            lines = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line.removeprefix(b"."))
            return b"".join(lines)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    with _serving(server):
        yield state


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
