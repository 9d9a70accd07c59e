"""Engines other than our own processes that a search can run on, if they are installed."""

from __future__ import annotations

import enum
import importlib
from collections.abc import Callable, Iterable
from typing import Any

from polymap.errors import InputError


class ExecutorName(enum.Enum):
    """What ``--executor`` takes."""

    JOBLIB = "joblib"
    DASK = "dask"


class Joblib:
    """joblib, with its own backend and as many workers as there are cores."""

    def __init__(self) -> None:
        self._joblib = _imported("joblib", "joblib")

    def map(self, fn: Callable[[Any], Any], items: Iterable[Any], /) -> list[Any]:
        """The function's values, in order."""
        made: list[Any] = self._joblib.Parallel(n_jobs=-1)(
            self._joblib.delayed(fn)(item) for item in items
        )
        return made


class Dask:
    """The dask cluster that ``DASK_SCHEDULER_ADDRESS`` names, or a local one."""

    def __init__(self) -> None:
        self._client = _imported("dask.distributed", "distributed").Client()

    def map(self, fn: Callable[[Any], Any], items: Iterable[Any], /) -> list[Any]:
        """The function's values, in order."""
        futures = self._client.map(fn, list(items), pure=False)
        found: list[Any] = self._client.gather(futures)
        return found


def executor(name: ExecutorName) -> Joblib | Dask:
    """The engine of a name; InputError if its package is missing."""
    return Joblib() if name is ExecutorName.JOBLIB else Dask()


def _imported(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise InputError(f"--executor needs the package {package}: pip install {package}") from None
