"""Messages as broken senders make them, among good ones, each with what must become of it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from streams.events.schema import MAX_EVENT_BYTES, MAX_MESSAGE_BYTES, MAX_TOKENS

__all__ = ["Case", "cases"]

_START_MS = 1_700_000_000_000
_REPEATED = 0.03


@dataclass(slots=True)
class Case:
    """One message. `good` has the events that must be stored from it, by line; `bad` the lines that
    must become dead letters, with the reasons allowed (any when empty)."""

    value: bytes | None
    good: dict[int, str] = field(default_factory=dict)
    bad: dict[int, tuple[bytes, frozenset[str]]] = field(default_factory=dict)


def cases(count: int, seed: int) -> Iterator[Case]:
    """`count` messages; same seed, same bytes."""
    rng = random.Random(seed)
    sent: list[bytes] = []
    for number in range(count):
        kind = rng.random()
        if kind < 0.45:
            yield _several(rng, number, sent)
        elif kind < 0.70:
            line, name = _good(rng, f"g{number}")
            sent.append(line)
            yield Case(line, {0: name})
        elif kind < 0.70 + _REPEATED and sent:
            yield Case(rng.choice(sent))  # seen before: neither stored again nor refused
        elif kind < 0.97:
            line, reasons = _bad(rng, f"b{number}")
            yield Case(line, bad={0: (line, reasons)})
        else:
            yield rng.choice(_WHOLE)(rng, f"w{number}")


def _several(rng: random.Random, number: int, sent: list[bytes]) -> Case:
    """NDJSON with good, bad, repeated and blank lines, and either kind of line end."""
    lines: list[bytes] = []
    case = Case(b"")
    for place in range(rng.randint(2, 12)):
        roll = rng.random()
        if roll < 0.70:
            line, name = _good(rng, f"g{number}-{place}")
            case.good[len(lines)] = name
            sent.append(line)
        elif roll < 0.85:
            line, reasons = _bad(rng, f"b{number}-{place}")
            case.bad[len(lines)] = (line, reasons)
        elif roll < 0.92 and sent:
            line = rng.choice(sent)
        elif roll < 0.96:
            line = b'{"heartbeat":%d}' % rng.randint(_START_MS, _START_MS + 1000)
        else:
            line = rng.choice((b"", b" ", b"\t "))
        lines.append(line)
    if not any(line.strip() for line in lines):
        return _blank(rng, "")
    end = rng.choice((b"\n", b"\r\n"))
    case.value = end.join(lines) + rng.choice((b"", end))
    return case


def _event(rng: random.Random, name: str, **changed: Any) -> dict[str, Any]:
    event = {
        "event_id": name,
        "ts": _START_MS + rng.randint(0, 7_200_000),
        "account_id": f"acct-{rng.randint(0, 50)}",
        "prompt_tokens": rng.randint(0, 4000),
        "status": rng.choice((200, 200, 429, 500)),
    }
    return event | changed


def _text(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode()


def _good(rng: random.Random, name: str) -> tuple[bytes, str]:
    event = _event(rng, name)
    line = _text(event | rng.choice(_ADDED)(rng))
    if rng.random() < 0.05:  # the last of equal keys counts
        line = line.replace(b"{", b'{"event_id":"first","status":7,', 1)
    if rng.random() < 0.05:
        line = b"  " + line + b" "
    return line, name


_ADDED: tuple[Callable[[random.Random], dict[str, Any]], ...] = (
    lambda rng: {},
    lambda rng: {"ts": "2023-11-14T22:13:20.123Z"},
    lambda rng: {"ts": "2023-11-14T23:13:20+01:00", "account_created_at": "2020-02-29T00:00:00Z"},
    lambda rng: {"colour": "blue", "nested": {"a": [1, {"b": None}]}},
    lambda rng: {"new_field": None, "big": 10**30, "tiny": 1e-300},
    lambda rng: {"org_id": "Ünïcode 😀 名前", "user_agent": 'quo"te\\ \u2028'},
    lambda rng: {"end_user": "nul\u0000inside", "error": "tab\there\nline"},
    lambda rng: {"moderation": {"hate": 0.25, "own category": 1.0}, "bands": ["aa", "bb"]},
    lambda rng: {"moderation": {}, "bands": [], "stream": True, "quota_used": 1e6},
    lambda rng: {"template": "not hex at all", "ip_hash": "x" * 64},
    lambda rng: {"prompt_tokens": MAX_TOKENS, "latency_ms": 2**32 - 1},
    lambda rng: {
        "blob": "x" * rng.randint(1, MAX_EVENT_BYTES - 2000) if rng.random() < 0.02 else ""
    },
)


def _bad(rng: random.Random, name: str) -> tuple[bytes, frozenset[str]]:
    line, *reasons = rng.choice(_BROKEN)(rng, name)
    return line, frozenset(reasons)


def _changed(field_name: str, value: Any, *reasons: str) -> Callable[..., tuple[Any, ...]]:
    return lambda rng, name: (_text(_event(rng, name, **{field_name: value})), *reasons)


def _raw(text: bytes, *reasons: str) -> Callable[..., tuple[Any, ...]]:
    """Text put into an event, in the place of the value of `x`."""
    return lambda rng, name: (_text(_event(rng, name, x=0)).replace(b'"x": 0', text), *reasons)


def _cut(rng: random.Random, name: str) -> tuple[Any, ...]:
    line = _text(_event(rng, name))
    return line[: rng.randint(1, len(line) - 1)], "not_json"


def _noise(rng: random.Random, name: str) -> tuple[Any, ...]:
    return (b"\xfe" + rng.randbytes(rng.randint(1, 80)).replace(b"\n", b"n"),)


def _flipped(rng: random.Random, name: str) -> tuple[Any, ...]:
    line = bytearray(_text(_event(rng, name, user_agent="pad" * 10)))
    line[line.index(b"padpad") + rng.randint(0, 20)] = rng.choice((0x80, 0xC0, 0xFF, 0xF5))
    return bytes(line), "not_utf8"


def _without(rng: random.Random, name: str) -> tuple[Any, ...]:
    event = _event(rng, name)
    del event[rng.choice(("event_id", "ts", "account_id"))]
    return _text(event), "missing_field"


_BROKEN: tuple[Callable[[random.Random, str], tuple[Any, ...]], ...] = (
    _cut,
    _noise,
    _flipped,
    _without,
    lambda rng, name: (
        rng.choice((b"1", b"null", b"true", b'"text"', b"[]", b"[{}]")),
        "not_an_object",
    ),
    lambda rng, name: (b"{}", "missing_field"),
    lambda rng, name: (b"[" * rng.randint(2000, 30_000), "not_an_object", "too_deep", "not_json"),
    lambda rng, name: (_text(_event(rng, name)) * 2, "not_json"),
    lambda rng, name: (_text(_event(rng, name)).replace(b'"', b"'"), "not_json"),
    lambda rng, name: (b"\xef\xbb\xbf" + _text(_event(rng, name)), "not_json"),
    lambda rng, name: (_text(_event(rng, name)).decode().encode("utf-16").replace(b"\n", b""),),
    lambda rng, name: (
        _text(_event(rng, name, blob="x" * (MAX_EVENT_BYTES + 1))),
        "event_too_large",
    ),
    _changed("ts", "yesterday", "wrong_type", "out_of_range"),
    _changed("ts", "2023-11-14T22:13:20", "naive_time"),
    _changed("ts", None, "wrong_type"),
    _changed("ts", [1], "wrong_type"),
    _changed("ts", 1.5, "wrong_type"),
    _changed("ts", True, "wrong_type"),
    _changed("ts", -1, "ts_too_old", "out_of_range"),
    _changed("ts", 17_000_000, "ts_too_old"),
    _changed("ts", 10**15, "ts_ahead"),
    _changed("ts", 2**63, "out_of_range", "wrong_type"),
    _changed("ts", 10**40, "out_of_range", "wrong_type"),
    _changed("account_created_at", -5, "out_of_range"),
    _changed("account_created_at", 10**17, "out_of_range"),
    _changed("event_id", "", "out_of_range"),
    _changed("event_id", "x" * 257, "out_of_range"),
    _changed("event_id", 17, "wrong_type"),
    _changed("account_id", None, "wrong_type"),
    _changed("account_id", {"id": 1}, "wrong_type"),
    _changed("prompt_tokens", -3, "out_of_range"),
    _changed("prompt_tokens", "12", "wrong_type"),
    _changed("prompt_tokens", 1.25, "wrong_type"),
    _changed("prompt_tokens", MAX_TOKENS + 1, "out_of_range"),
    _changed("prompt_tokens", 10**25, "out_of_range", "wrong_type"),
    _changed("status", 1000, "out_of_range"),
    _changed("stream", "yes", "wrong_type"),
    _changed("bands", "aa", "wrong_type"),
    _changed("bands", [1, 2], "wrong_type"),
    _changed("bands", ["x"] * 65, "out_of_range"),
    _changed("moderation", {"hate": 1.5}, "out_of_range"),
    _changed("moderation", {"hate": "high"}, "wrong_type"),
    _changed("moderation", [["hate", 1]], "wrong_type"),
    _changed("quota_used", -0.1, "out_of_range"),
    _changed("model", None, "wrong_type"),
    _raw(b'"model":"\\ud800"', "not_json", "not_utf8", "wrong_type"),
    _raw(b'"x":"\\udc00\\ud800"', "not_json", "not_utf8", "wrong_type"),
    _raw(b'"x":"raw \x00 nul"', "not_json"),
    _raw(b'"x":"raw \x1b control"', "not_json"),
    _raw(b'"quota_used":NaN', "not_json"),
    _raw(b'"quota_used":1e400', "out_of_range", "not_json", "wrong_type"),
    _raw(b'"x":Infinity', "not_json"),
    _raw(b'"x":' + b"[" * 20_000 + b"]" * 20_000, "too_deep"),
    _raw(b'"x":' + b'{"y":' * 5_000 + b"1" + b"}" * 5_000, "too_deep"),
    _raw(b'"x":0,', "not_json"),
    lambda rng, name: (b'{"heartbeat":"now"}', "wrong_type", "missing_field"),
    lambda rng, name: (b'{"heartbeat":-1}', "out_of_range", "missing_field"),
    lambda rng, name: (b'{"heartbeat":1e30}', "wrong_type", "out_of_range", "missing_field"),
    lambda rng, name: (b'{"heartbeat":%d}' % 10**17, "out_of_range", "missing_field"),
    lambda rng, name: (b'{"heartbeat":1,"x":2}', "missing_field"),
    lambda rng, name: (b'{"heartbeat":', "not_json"),
)


def _blank(rng: random.Random, name: str) -> Case:
    value = rng.choice((None, b"", b" ", b"\n\n\n", b"\r\n", b"\t"))
    return Case(value, bad={0: (value or b"", frozenset({"empty"}))})


def _oversized(rng: random.Random, name: str) -> Case:
    line = _text(_event(rng, name, blob="x" * 60_000))
    value = b"\n".join([line] * (MAX_MESSAGE_BYTES // len(line) + 1))
    return Case(value, bad={0: (value, frozenset({"message_too_large"}))})


def _pretty(rng: random.Random, name: str) -> Case:
    value = json.dumps(_event(rng, name), indent=2).encode()
    return Case(value, {0: name})


def _pretty_but_wrong(rng: random.Random, name: str) -> Case:
    value = json.dumps(_event(rng, name, prompt_tokens=-1), indent=2).encode()
    return Case(value, bad={0: (value, frozenset({"out_of_range"}))})


def _heartbeat(rng: random.Random, name: str) -> Case:
    return Case(b'{"heartbeat":%d}' % rng.randint(_START_MS, _START_MS + 1000))


def _largest(rng: random.Random, name: str) -> Case:
    """A message of exactly the size allowed, good lines only."""
    lines: list[bytes] = []
    good, left = {}, MAX_MESSAGE_BYTES
    while left > 0:
        size = min(left, 60_000) if left > 61_000 or left <= 60_000 else 30_000
        event = _event(rng, f"{name}-{len(lines)}", blob="")
        filling = size - 1 - len(_text(event))
        if filling < 0:
            break
        good[len(lines)] = event["event_id"]
        lines.append(_text(event | {"blob": "x" * filling}))
        left -= size
    return Case(b"\n".join(lines), good)


_WHOLE: tuple[Callable[[random.Random, str], Case], ...] = (
    _blank, _blank, _blank, _pretty, _pretty, _pretty_but_wrong, _heartbeat, _heartbeat,
    lambda rng, name: _oversized(rng, name) if rng.random() < 0.05 else _heartbeat(rng, name),
    lambda rng, name: _largest(rng, name) if rng.random() < 0.05 else _pretty(rng, name),
)  # fmt: skip
