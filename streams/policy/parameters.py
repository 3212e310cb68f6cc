"""A detector's parameters out of a table of a policy file.

Their types are those of the detector's `Parameters`; their ranges are checked by the dataclass
itself, whose ValueError names the field. To tell all problems at once and not only the first, a
field that was refused is taken out and the rest is tried again.
"""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

from detectors.base import Detector
from streams.policy.convert import Complain, hints, shown, value_or_none
from streams.policy.locate import Path
from streams.policy.problems import nearest

__all__ = ["parameters"]


def parameters(detector: Detector, content: object, path: Path, complain: Complain) -> Any:
    """An instance of `detector.Parameters`; None after a complaint."""
    if not isinstance(content, dict):
        complain(path, f"expected a table, got {shown(content)}")
        return None
    kinds = hints(detector.Parameters)
    own = [item.name for item in fields(detector.Parameters) if item.init]
    good, values = True, {}
    for name, value in content.items():
        if name not in own:
            complain((*path, name), f"unknown parameter of {detector.NAME}; {nearest(name, own)}")
            good = False
            continue
        values[name] = value_or_none(value, kinds[name], (*path, name), complain)
        if values[name] is None:
            good = False
            del values[name]
    made = _made(detector, values, path, complain)
    return made if good else None


def _made(detector: Detector, values: dict[str, Any], path: Path, complain: Complain) -> Any:
    good = True
    while True:
        try:
            made = detector.Parameters(**values)
        except ValueError as error:
            good, blamed = False, _blamed(str(error), values)
            complain((*path, blamed) if blamed else path, _said(str(error), blamed))
            if not blamed:
                return None
            del values[blamed]
        else:
            return made if good else None


def _blamed(message: str, values: dict[str, Any]) -> str:
    """The field of the file that the message names first, empty when it names none."""
    places = {
        name: found.start()
        for name in values
        if (found := re.search(rf"(?<!\w){re.escape(name)}(?!\w)", message))
    }
    return min(places, key=lambda name: places[name], default="")


def _said(message: str, blamed: str) -> str:
    """The message without the names in front, which the place says already."""
    before, found, after = message.partition(f"{blamed}: ")
    return after if blamed and found and " " not in before.strip() else message
