"""Arithmetic on numbers that may be of one array or of thousands at once.

numpy takes many times as long for a single number as Python does, and the search asks for single
arrays most often; so each function looks at what it has.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

Count = Any
"""A whole number, or an array of them: integers or float64, which is several times as fast."""


def lesser(a: Count, b: Count) -> Count:
    """The lesser of two."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.minimum(a, b)
    return a if a < b else b


def greater(a: Count, b: Count) -> Count:
    """The greater of two."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.maximum(a, b)
    return a if a > b else b


def either(condition: Any, a: Count, b: Count) -> Count:
    """``a`` where the condition holds, else ``b``."""
    if isinstance(condition, np.ndarray):
        return np.where(condition, a, b)
    return a if condition else b


def ceil_div(a: Count, b: Count) -> Count:
    """a / b, rounded up; exact below 2^53, where no quotient is rounded to a whole number."""
    return ceil(a / b)


def floor_div(a: Count, b: Count) -> Count:
    """a / b, rounded down; as exact."""
    quotient = a / b
    if isinstance(quotient, np.ndarray):
        return np.floor(quotient)
    return float(math.floor(quotient))


def ceil(value: Count) -> Count:
    """Rounded up."""
    if isinstance(value, np.ndarray):
        return np.ceil(value)
    return float(math.ceil(value))


def any_of(value: Count) -> bool:
    """Whether some of it is not 0."""
    return bool(value.any()) if isinstance(value, np.ndarray) else bool(value)


def distinct(candidates: Iterable[Count]) -> list[Count]:
    """Those that differ from all before them in any array."""
    found: list[Count] = []
    for candidate in candidates:
        if not any(_same(candidate, other) for other in found):
            found.append(candidate)
    return found


def _same(a: Count, b: Count) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    return bool(a == b)
