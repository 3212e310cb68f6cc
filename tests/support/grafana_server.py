"""A Grafana over real HTTP, as far as the push needs one: it checks method, path and payload, keeps
what it was given, and answers in the forms of Grafana 11.6's documentation."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["FakeGrafana", "grafana"]

TOKEN = "glsa_of_the_test"


class FakeGrafana:
    """State of the server; tests change it to make trouble, and read `calls`."""

    def __init__(self) -> None:
        self.version = "11.6.1"
        self.plugin = True
        self.source: dict[str, Any] | None = {
            "uid": "usage-pulse-clickhouse",
            "type": "grafana-clickhouse-datasource",
        }
        self.forbidden = ""  # beginning of a path that the token may not write to
        self.folders: dict[str, dict[str, Any]] = {}
        self.boards: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, str]] = []
        self.raw: tuple[int, bytes] | None = None  # answered to everything
        self.url = ""

    @property
    def writes(self) -> list[tuple[str, str]]:
        """Calls that change something, in order."""
        return [call for call in self.calls if call[0] != "GET"]

    def answer(self, method: str, path: str, body: Any, token: str) -> tuple[int, Any]:
        """Status and JSON of one call."""
        self.calls.append((method, path))
        if token != f"Bearer {TOKEN}":
            return 401, {"message": "Invalid API key"}
        if method != "GET" and self.forbidden and path.startswith(self.forbidden):
            return 403, {"message": "You'll need additional permissions to perform this action."}
        parts = path.strip("/").split("/")
        match (method, *parts):
            case ("GET", "api", "health"):
                return 200, {"database": "ok", "version": self.version, "commit": "abc"}
            case ("GET", "api", "plugins", "grafana-clickhouse-datasource", "settings"):
                return (200, {"enabled": True}) if self.plugin else (404, _missing("Plugin"))
            case ("GET", "api", "datasources", "uid", uid):
                known = self.source is not None and self.source["uid"] == uid
                return (200, self.source) if known else (404, _missing("Data source"))
            case ("GET", "api", "folders", uid):
                found = self.folders.get(uid)
                return (200, found) if found else (404, _missing("Folder"))
            case ("POST", "api", "folders"):
                return self._folder(body)
            case ("GET", "api", "dashboards", "uid", uid):
                found = self.boards.get(uid)
                return (200, found) if found else (404, _missing("Dashboard"))
            case ("POST", "api", "dashboards", "db"):
                return self._board(body)
            case ("GET", "api", "v1", "provisioning", "folder", folder, "rule-groups", name):
                found = self.groups.get(f"{folder}/{name}")
                return (200, found) if found else (404, _missing("Rule group"))
            case ("PUT", "api", "v1", "provisioning", "folder", folder, "rule-groups", name):
                return self._group(folder, name, body)
        return 404, {"message": f"no such endpoint: {method} {path}"}

    def _folder(self, body: Any) -> tuple[int, Any]:
        if set(body) != {"uid", "title"}:
            return 400, {"message": "bad folder"}
        if body["uid"] in self.folders:
            return 409, {"message": "a folder with the same uid exists"}
        self.folders[body["uid"]] = body | {"id": 7, "version": 1}
        return 200, self.folders[body["uid"]]

    def _board(self, body: Any) -> tuple[int, Any]:
        board = body.get("dashboard", {})
        if body.get("folderUid") not in self.folders:
            return 400, {"message": "folder not found"}
        if not board.get("uid") or not board.get("title") or "id" in board:
            return 400, {"message": "bad dashboard"}
        known = self.boards.get(board["uid"])
        if known is not None and not body.get("overwrite"):
            return 412, {"message": "The dashboard has been changed by someone else"}
        version = 1 if known is None else known["dashboard"]["version"] + 1
        self.boards[board["uid"]] = {
            "dashboard": board | {"id": 30 + len(self.boards), "version": version},
            "meta": {"folderUid": body["folderUid"], "slug": board["uid"]},
        }
        return 200, {"status": "success", "uid": board["uid"], "version": version}

    def _group(self, folder: str, name: str, body: Any) -> tuple[int, Any]:
        if folder not in self.folders or body["title"] != name or body["folderUid"] != folder:
            return 400, {"message": "bad rule group"}
        for rule in body["rules"]:
            needed = {"uid", "title", "condition", "data", "for", "noDataState", "execErrState"}
            if not needed <= set(rule) or rule["ruleGroup"] != name:
                return 400, {"message": f"bad rule {rule.get('uid')}"}
            references = [one["refId"] for one in rule["data"]]
            if rule["condition"] not in references:
                return 400, {"message": "condition names no query"}
        kept = [
            rule | {"id": 100 + number, "updated": "2026-01-01T00:00:00Z", "provenance": "api"}
            for number, rule in enumerate(body["rules"])
        ]
        self.groups[f"{folder}/{name}"] = body | {"rules": kept}
        return 200, self.groups[f"{folder}/{name}"]


def _missing(what: str) -> dict[str, str]:
    return {"message": f"{what} not found"}


@contextmanager
def grafana() -> Iterator[FakeGrafana]:
    """A server on a free loopback port, until the context ends."""
    state = FakeGrafana()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"null")
            token = self.headers.get("Authorization", "")
            if state.raw is not None:
                status, content = state.raw
            else:
                status, answer = state.answer(self.command, self.path, body, token)
                content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _serve  # noqa: N815 - names of the library

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
