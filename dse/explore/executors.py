"""Engines other than our own processes that a search can run on, if they are installed."""

from __future__ import annotations

import enum
import importlib
from collections.abc import Callable, Iterable
from typing import Any

from hw.isa.errors import InputError


class ExecutorName(enum.Enum):
    """What ``--executor`` takes."""

    JOBLIB = "joblib"


class Joblib:
    """joblib, with its own backend and as many workers as there are cores."""

    def __init__(self) -> None:
        try:
            self._joblib: Any = importlib.import_module("joblib")
        except ImportError:
            raise InputError(
                "--executor joblib needs the package joblib: pip install joblib"
            ) from None

    def map(self, fn: Callable[[Any], Any], items: Iterable[Any], /) -> list[Any]:
        """The function's values, in order."""
        made: list[Any] = self._joblib.Parallel(n_jobs=-1)(
            self._joblib.delayed(fn)(item) for item in items
        )
        return made


def executor(name: ExecutorName) -> Joblib:
    """The engine of a name; InputError if its package is missing."""
    return {ExecutorName.JOBLIB: Joblib}[name]()
