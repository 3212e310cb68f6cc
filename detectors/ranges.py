"""Ranges of parameters: what the `Parameters` of a detector refuse, in one wording for all of them.

Called when parameters are made, by the policy or by hand, before any detector runs on them.
"""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import fields
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["hold", "refuse"]


def hold(
    detector: str,
    parameters: DataclassInstance,
    *,
    zero_too: Container[str] = (),
    shares: Container[str] = (),
    to_one: Container[str] = (),
    whole: Container[str] = (),
) -> None:
    """Every number, also within tuples, is finite and above 0; fields named `zero_too` may be 0.

    Beyond that `shares` are below 1, `to_one` at most 1, and `whole` without a fraction.

    Raises:
        ValueError: a value outside its range, with the names of detector and parameter.
    """
    for field in fields(parameters):
        name, value = field.name, getattr(parameters, field.name)
        for number in value if isinstance(value, tuple) else (value,):
            if name in zero_too:
                if not math.isfinite(number) or number < 0:
                    refuse(detector, parameters, name, "a finite number >= 0")
            elif not math.isfinite(number) or number <= 0:
                refuse(detector, parameters, name, "a finite number > 0")
            if name in shares and number >= 1:
                refuse(detector, parameters, name, "a share below 1")
            if name in to_one and number > 1:
                refuse(detector, parameters, name, "at most 1")
            if name in whole and number != int(number):
                refuse(detector, parameters, name, "a whole number")


def refuse(detector: str, parameters: DataclassInstance, name: str, expected: str) -> NoReturn:
    """Raises: ValueError, the parameter `name` is not what was expected."""
    got = getattr(parameters, name)
    raise ValueError(f"{detector} {name}: expected {expected}, got {got}")
