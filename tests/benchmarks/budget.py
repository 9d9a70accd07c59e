"""The levels of logic that each block may have, at 4 x 4 with two lanes and both transforms.

``python -m tests.benchmarks.budget`` measures anew and writes what has fallen to ``levels.json``; a
figure that has risen is printed, stays as it was, and ends the program with 1.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.depth.__main__ import small
from benchmarks.depth.survey import survey
from benchmarks.depth.synthesis import Family
from dse.process.progress import Progress

TABLE = Path(__file__).parent / "levels.json"
CONFIG = small(4, 4, 2, "both")
Levels = dict[str, dict[str, float]]


def measured(*only: str) -> Levels:
    """Levels of some blocks, or of all."""
    with Progress("budget") as progress:
        return survey(CONFIG, Family.XCUP, progress=progress, only=only).to_json()["blocks"]


def risen(budget: Levels, found: Levels) -> list[str]:
    """What is above the budget; a block without one has none."""
    return [
        f"{block}: {name} {levels}, at most {budget.get(block, {}).get(name, 0)}"
        for block, one in found.items()
        for name, levels in one.items()
        if levels > budget.get(block, {}).get(name, 0)
    ]


def fallen(budget: Levels, found: Levels) -> Levels:
    """The table with all that is lower now; blocks that are new keep what they have."""
    return {block: _least(budget.get(block, one), one) for block, one in found.items()}


def _least(budget: Mapping[str, float], found: Mapping[str, float]) -> dict[str, float]:
    return {name: min(budget[name], levels) for name, levels in found.items()}


def main() -> int:
    """Command line."""
    found = measured()
    budget = json.loads(TABLE.read_text()) if TABLE.exists() else found
    known = {block: one for block, one in found.items() if block in budget}
    TABLE.write_text(json.dumps(fallen(budget, found), indent=1) + "\n")
    print("\n".join(above := risen(budget, known)) or "nothing has risen")
    return 1 if above else 0


if __name__ == "__main__":
    sys.exit(main())
