"""Every latency of hw/isa/timing.py is measured, on the unit that it is of."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from hw.isa import timing
from tests.hw.timing import (  # noqa: F401
    arithmetic,
    array_units,
    control,
    feeding,
    memories,
    pool_units,
    sequencing,
    stage_units,
    winograd_units,
)
from tests.hw.timing.bench import MEASURES


def entries() -> set[str]:
    """What the table defines."""
    found = set()
    for node in ast.parse(Path(timing.__file__).read_text()).body:
        if isinstance(node, ast.Assign):
            found.update(target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
    return found


def test_every_entry_is_measured() -> None:
    assert set(MEASURES) == entries()


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_latency(name: str) -> None:
    measured, entry = MEASURES[name](), getattr(timing, name)
    if isinstance(measured, int):
        assert measured == entry
    else:
        assert measured == {arguments: entry(*arguments) for arguments in measured}
