"""Grafana's HTTP API through grafana-api; the only module that knows that library.

It knows no alerting endpoints, but its low-level client calls any path. Only documented, stable
endpoints are used. The token is handed in by the caller, who read it from the environment or a
file; it is never part of an address or of an error.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

import requests
from grafana_api.grafana_api import GrafanaAPI, GrafanaException

from streams.errors import PulseError, UsageError

__all__ = ["Api", "GrafanaError"]

_TIMEOUT_S: Final = 15.0
#: What a token needs for each kind of thing, as Grafana names it.
_RIGHTS: Final = {
    "dashboards": "dashboards:write",
    "folders": "folders:create and folders:write",
    "v1": "alert.provisioning:write",
    "datasources": "datasources:read",
    "plugins": "plugins.app:access (Editor role)",
}


class GrafanaError(PulseError):
    """Grafana refused something or does not answer."""


class Api:
    """Calls under `address` (http[s]://host[:port][/prefix]) with a service account's token.

    Raises:
        UsageError: the address is none.
    """

    def __init__(self, address: str, token: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise UsageError(f"{address}: expected Grafana's address as https://host[:port][/path]")
        prefix = parts.path.strip("/")
        self.address = address.rstrip("/")
        self._api = GrafanaAPI(
            token,
            host=parts.hostname,
            port=parts.port,
            url_path_prefix=f"{prefix}/" if prefix else "",
            protocol=parts.scheme,
            timeout=_TIMEOUT_S,
        )

    def get(self, path: str) -> Any:
        """JSON of a GET, None where there is nothing (404)."""
        return self._call("GET", path, None, missing_is_none=True)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """JSON of a POST."""
        return self._call("POST", path, body)

    def put(self, path: str, body: dict[str, Any]) -> Any:
        """JSON of a PUT."""
        return self._call("PUT", path, body)

    def close(self) -> None:
        """End the connections."""
        self._api.s.close()

    def _call(
        self, method: str, path: str, body: dict[str, Any] | None, *, missing_is_none: bool = False
    ) -> Any:
        try:
            return getattr(self._api, method)(path, json=body)
        except GrafanaException as error:
            if missing_is_none and error.status_code == 404:
                return None
            raise GrafanaError(self._said(method, path, error)) from None
        except requests.exceptions.SSLError:
            raise GrafanaError(f"{self.address}: its certificate is not trusted here") from None
        except requests.exceptions.Timeout:
            raise GrafanaError(
                f"{self.address}: no answer within {_TIMEOUT_S:.0f} s to {method} {path}"
            ) from None
        except requests.exceptions.JSONDecodeError:
            raise GrafanaError(
                f"{self.address}: answered {method} {path} with something that is not JSON; is "
                "this Grafana's own address?"
            ) from None
        except requests.exceptions.RequestException as error:
            raise GrafanaError(f"{self.address}: {type(error).__name__}, is it up?") from None

    def _said(self, method: str, path: str, error: GrafanaException) -> str:
        if error.status_code == 401:
            return f"{self.address}: the token is not accepted (401); it may have expired"
        if error.status_code == 403:
            kind = path.split("/")[1]
            right = _RIGHTS.get(kind, "more rights")
            return f"{self.address}: the token may not {method} {path}; it needs {right} (403)"
        said = " ".join(str(error.message).split())
        return f"{self.address}: {method} {path}: {said}"
