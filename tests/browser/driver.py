"""Debian's Chromium, driven over the W3C WebDriver protocol; standard library only."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["ELEMENT", "Browser", "missing"]

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run", "--hide-scrollbars"),
    *("--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"),
)


def missing() -> str | None:
    """Why no browser can be started here, or None."""
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            return f"{program} is not installed (apt-get install chromium chromium-driver)"
    return None


class Browser:
    """One browser with a fresh profile; `close` ends it and its driver."""

    def __init__(self, *, dark: bool = False, width: int = 1440, height: int = 900) -> None:
        self._profile = Path(tempfile.mkdtemp(prefix="usage-pulse-browser-"))
        self._log = (self._profile / "driver.log").open("w+", encoding="utf-8")
        self._driver = subprocess.Popen(
            ["chromedriver", "--port=0"],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TZ": "Asia/Kolkata", "HOME": str(self._profile)},
        )
        self._session = ""
        try:
            self._address = f"http://127.0.0.1:{self._port()}"
            self._session = self._start(dark, width, height)
        except BaseException:
            self.close()
            raise

    def go(self, url: str) -> None:
        """Open an address."""
        self.call("POST", "url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """The value of a script run in the page."""
        return self.call("POST", "execute/sync", {"script": script, "args": list(arguments)})

    def text(self, selector: str) -> str:
        """What a person reads in the first element that matches."""
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
        """Until the condition holds."""
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, f"did not happen within {seconds} s: {what}"
            time.sleep(0.1)

    def keys(self, text: str) -> None:
        """Type on the focused element."""
        actions = [a for key in text for a in ({"type": "keyDown", "value": key},)]
        released = [{"type": "keyUp", "value": key} for key in text]
        steps = [step for pair in zip(actions, released, strict=True) for step in pair]
        body = {"actions": [{"type": "key", "id": "keyboard", "actions": steps}]}
        self.call("POST", "actions", body)

    def complaints(self) -> list[str]:
        """What the browser's console holds against the page since the last call."""
        entries = self.call("POST", "se/log", {"type": "browser"})
        return [f"{entry['level']}: {entry['message']}" for entry in entries]

    def size(self, width: int, height: int) -> None:
        """The viewport, as a phone or a screen would have it."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._devtools("Emulation.setDeviceMetricsOverride", metrics)

    def screenshot(self, path: Path) -> None:
        """The whole page, to be looked at."""
        path.parent.mkdir(parents=True, exist_ok=True)
        shot = self._devtools("Page.captureScreenshot", {"captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        """End the browser, the driver, and remove the profile."""
        if self._session:
            with contextlib.suppress(OSError):
                self.call("DELETE", "", None)
        self._driver.terminate()
        self._driver.wait(timeout=10)
        self._log.close()
        shutil.rmtree(self._profile, ignore_errors=True)

    def call(self, method: str, command: str, body: dict[str, Any] | None) -> Any:
        """One WebDriver command of this session."""
        place = f"/session/{self._session}" + (f"/{command}" if command else "")
        return self._request(method, place, body)

    def _devtools(self, command: str, parameters: dict[str, Any]) -> Any:
        return self.call("POST", "goog/cdp/execute", {"cmd": command, "params": parameters})

    def _start(self, dark: bool, width: int, height: int) -> str:
        flags = [
            *_FLAGS,
            f"--user-data-dir={self._profile}/data",
            f"--window-size={width},{height}",
        ]
        options = {"args": flags, "binary": shutil.which("chromium")}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        body = {"capabilities": {"alwaysMatch": wanted}}
        self._session = str(self._request("POST", "/session", body)["sessionId"])
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._devtools("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.size(width, height)
        return self._session

    def _port(self) -> int:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            log = Path(self._log.name).read_text(encoding="utf-8")
            # "Starting ChromeDriver on port 0" comes first: that is the wish, not the port.
            if found := re.search(r"started successfully on port (\d+)", log):
                return int(found[1])
            time.sleep(0.05)
        raise AssertionError(f"chromedriver did not start: {log}")

    def _request(self, method: str, place: str, body: dict[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._address + place, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                told = json.load(error)["value"]
            raise AssertionError(f"{method} {place}: {told['error']}: {told['message']}") from None
