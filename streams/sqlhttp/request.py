"""What stands in a request of ClickHouse's HTTP interface, and who sent it.

The query comes in the body, in the parameter `query`, or half in each (the parameter first);
everything else in the address are settings, parameters of the query (`param_...`) or transport.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import uuid
from dataclasses import dataclass, field

from aiohttp import BodyPartReader, web

from streams.sqlhttp.errors import SqlError
from streams.sqlhttp.guard import DATABASE

__all__ = ["Asked", "allow", "asked"]

#: Names in the address that are neither settings nor parameters of the query.
_OWN = frozenset(
    ("query", "database", "user", "password", "default_format", "query_id", "compress")
)
_QUERY_ID = re.compile(r"[\w.:@/-]{1,128}")


@dataclass(slots=True)
class Asked:
    """One request, read."""

    sql: str
    query_id: str
    format: str = ""
    compress: bool = False
    http_compression: bool = True
    revision: int = 0
    parameters: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)


def allow(request: web.Request, token: str) -> None:
    """Let the request pass, or say why not; an empty `token` lets everyone pass.

    Raises:
        SqlError: the token is missing or wrong.
    """
    if not token:
        return
    given = _password(request)
    if not given:
        raise SqlError(194, "a password is needed: the token of this store (setting sql_token)")
    if not hmac.compare_digest(given.encode(), token.encode()):
        raise SqlError(516, "Authentication failed: password is incorrect")


def _password(request: web.Request) -> str:
    key = request.headers.get("X-ClickHouse-Key", "")
    if key:
        return key
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            raise SqlError(516, "Authentication failed: not a valid Authorization header") from None
    return request.query.get("password", "")


async def asked(request: web.Request) -> Asked:
    """What `request` asks.

    Raises:
        SqlError: it names another database, brings data along, or cannot be read.
    """
    given = {name: request.query.getall(name)[-1] for name in request.query}
    try:
        body = await _body(request, given)
    except UnicodeDecodeError:
        raise SqlError(36, "the query is not valid UTF-8") from None
    first = given.get("query", "")
    query_id = given.get("query_id", "")
    headers = request.headers
    result = Asked(
        sql=f"{first}\n{body}" if first and body else first or body,
        query_id=query_id if _QUERY_ID.fullmatch(query_id) else str(uuid.uuid4()),
        format=given.get("default_format", "") or headers.get("X-ClickHouse-Format", ""),
        compress=given.get("compress") == "1",
        http_compression=given.get("enable_http_compression", "1") == "1",
    )
    database = given.get("database", "") or headers.get("X-ClickHouse-Database", "")
    if database not in ("", DATABASE, "__default__"):
        raise SqlError(81, f"Database {database[:80]} does not exist: there is only {DATABASE}")
    if given.get("decompress") == "1":
        raise SqlError(48, "decompress=1: queries are read as they are")
    version = given.get("client_protocol_version", "0")
    result.revision = int(version) if re.fullmatch(r"\d{1,9}", version) else 0
    for name, value in given.items():
        if name.startswith("param_"):
            result.parameters[name.removeprefix("param_")] = value
        elif name not in _OWN:
            result.settings[name] = value
    return result


async def _body(request: web.Request, given: dict[str, str]) -> str:
    """The text of the body; the fields of a form go to `given`."""
    if request.method not in ("POST", "PUT") or not request.can_read_body:
        return ""
    if request.headers.get("Content-Encoding", "identity") not in ("identity", "gzip", "deflate"):
        raise SqlError(89, "a query may come as it is, or packed with gzip or deflate")
    if request.content_type != "multipart/form-data":
        return (await request.read()).decode()
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.filename is not None or not part.name:
            raise SqlError(48, "external data is not taken: this store is read-only")
        value = (await part.read(decode=True)).decode()
        if len(value) > request.client_max_size:
            raise SqlError(307, "the request is too long")
        given[part.name] = value
    return ""
