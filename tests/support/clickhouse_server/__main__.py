"""`python -m tests.support.clickhouse_server --path D [--port N] [--user u --password-file F]`.

Prints `ready HOST PORT` when it listens. Ends when its standard input ends, if told to watch it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import ssl
import sys
import threading
from pathlib import Path

from tests.support.clickhouse_server.faults import Faults
from tests.support.clickhouse_server.server import Server


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.support.clickhouse_server")
    parser.add_argument("--path", type=Path, required=True, help="chDB directory")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--user", default="", help="without it anybody may connect")
    parser.add_argument("--password", default="", help="of --user")
    parser.add_argument("--faults", type=Path, help="JSON file with orders, see faults.py")
    parser.add_argument("--tls", type=Path, nargs=2, metavar=("CERTIFICATE", "KEY"))
    parser.add_argument("--end-with-stdin", action="store_true", help="end when stdin ends")
    given = parser.parse_args()
    tls = None
    if given.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*given.tls)
    server = Server(
        ("127.0.0.1", given.port),
        given.path,
        user=given.user,
        password=given.password,
        faults=Faults(given.faults),
        tls=tls,
    )
    if given.end_with_stdin:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    print("ready", *server.server_address[:2], flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever(poll_interval=0.2)


def _end_with_stdin() -> None:
    """No server outlives the tests that started it, however they end."""
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
