"""Searches on other engines."""

from __future__ import annotations

import sys

import pytest

from boards.board import U200
from dse.explore.executors import ExecutorName, executor
from dse.explore.families import Space
from dse.explore.search import explore
from hw.isa.errors import InputError
from tests.kit.outlines import fires


def test_the_same_design_on_joblib() -> None:
    options = {"array": (8, 8), "space": Space(lanes=(2,)), "certify": False, "trials": False}
    network = fires()
    ours = explore(network, U200, **options)
    other = explore(network, U200, executor=executor(ExecutorName.JOBLIB), **options)
    assert other.mapping.choice == ours.mapping.choice


def test_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "joblib", None)
    with pytest.raises(InputError, match="--executor joblib needs the package joblib"):
        executor(ExecutorName.JOBLIB)
