"""The JSON schema of a policy file, made from the dataclasses that read it.

For editors that complete and check TOML (`#:schema policy.schema.json` in the first line, with
taplo or Even Better TOML) and for checks before a review. It holds names, types, ranges and lists
of known names; what holds between tables only `pulse policy check` can say.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields
from datetime import date
from typing import Any, Literal, get_args, get_origin

from detectors.base import Detector, all_detectors
from streams.policy.convert import Vocabulary, hints, required
from streams.policy.coordination import CoordinationPolicy, ExtraKind, KnownGroup
from streams.policy.load import vocabulary
from streams.policy.model import (
    Allow,
    Budget,
    Cohort,
    DetectorPolicy,
    IncidentPolicy,
    Policy,
    default_policy,
)
from streams.policy.routes import Channel, Route
from streams.policy.template import comments_of
from streams.policy.version import content

__all__ = ["schema", "text"]

Schema = dict[str, Any]

_PLAIN: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    # Tools that check TOML by a JSON schema hand over a date as its text.
    date: {"type": "string", "format": "date"},
}


def text(detectors: Sequence[Detector] | None = None) -> str:
    """The content of docs/policy.schema.json."""
    return json.dumps(schema(detectors), indent=2, ensure_ascii=False) + "\n"


def schema(detectors: Sequence[Detector] | None = None) -> Schema:
    """JSON schema, draft 2020-12, of a policy for `detectors` (default: all there are)."""
    found = all_detectors() if detectors is None else detectors
    names = vocabulary(found)
    defaults = default_policy(found)
    top = next(item for item in fields(Policy) if item.name == "fdr")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Policy of Usage Pulse",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "fdr": _field(top, float, names),
            "budget": _object(Budget, names),
            "incidents": _object(IncidentPolicy, names),
            "coordination": _coordination(names),
            "detectors": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    detector.NAME: _detector(detector, defaults, names) for detector in found
                },
            },
            **{
                name: {"type": "array", "items": _object(cls, names)}
                for name, cls in (
                    ("cohorts", Cohort),
                    ("allow", Allow),
                    ("known_groups", KnownGroup),
                    ("channels", Channel),
                    ("routes", Route),
                )
            },
        },
    }


def _coordination(names: Vocabulary) -> Schema:
    own = _object(CoordinationPolicy, names, without=("extra",))
    own["properties"]["extra"] = {"type": "array", "items": _object(ExtraKind, names)}
    return own


def _detector(detector: Detector, defaults: Policy, names: Vocabulary) -> Schema:
    own = _object(DetectorPolicy, names, without=("parameters",))
    own["properties"]["share"]["default"] = defaults.detectors[detector.NAME].share
    own["properties"]["parameters"] = _object(detector.Parameters, names)
    return {"title": detector.TITLE, **own}


def _object(cls: type[Any], names: Vocabulary, without: Sequence[str] = ()) -> Schema:
    kinds, comments = hints(cls), comments_of(cls)
    items = [item for item in fields(cls) if item.init and item.name not in without]
    found: Schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            item.name: _field(item, kinds[item.name], names, comments.get(item.name, ""))
            for item in items
        },
    }
    if must := [item.name for item in items if required(item)]:
        found["required"] = must
    return found


def _field(item: Field[Any], kind: Any, names: Vocabulary, comment: str = "") -> Schema:
    found = _type(kind, item.metadata.get("limits", {}), names)
    if about := item.metadata.get("about", "") or comment:
        found["description"] = about
    if item.default is not MISSING:
        found["default"] = content(item.default)
    elif item.default_factory is not MISSING:
        found["default"] = content(item.default_factory())
    return found


def _type(kind: Any, limits: dict[str, Any], names: Vocabulary) -> Schema:
    if get_origin(kind) is Literal:
        return {"enum": list(get_args(kind))}
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        if len(inner) == 2 and inner[1] is Ellipsis:
            return {"type": "array", "items": _type(inner[0], limits, names)}
        return {
            "type": "array",
            "prefixItems": [_type(part, limits, names) for part in inner],
            "minItems": len(inner),
            "maxItems": len(inner),
        }
    found = dict(_PLAIN[kind])
    if "known" in limits:
        found["enum"] = list(names[limits["known"]])
    if limits.get("some"):
        found["pattern"] = r"\S"
    for word, name in (("above", "exclusiveMinimum"), ("low", "minimum"), ("high", "maximum")):
        if word in limits:
            found[name] = limits[word]
    return found
