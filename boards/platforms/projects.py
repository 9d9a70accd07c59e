"""The first projects of a board: what ``python -m`` and the name of its module write."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from amaranth.hdl import Elaboratable
from amaranth_boards.test.blinky import Blinky

from boards.platforms.memory_test import MemoryTest

DEPTH = 1 << 12
"""Words that the memory test takes: 32 KiB."""


def designs() -> dict[str, Elaboratable]:
    """The designs by the names of their projects."""
    return {"blinky": Blinky(), "memory_test": MemoryTest(depth=DEPTH)}


def main(platform: Any, name: str) -> int:
    """Command line of a board's module."""
    parser = argparse.ArgumentParser(
        prog=f"python -m boards.{name}", description="Write the board's first projects."
    )
    parser.add_argument("--out", type=Path, default=Path("build") / name, help="for the projects")
    folder: Path = parser.parse_args().out
    for project, design in designs().items():
        # A platform hands out each pin once.
        plan = type(platform)().build(design, name=project, do_build=False)
        try:
            plan.extract(str(folder / project))
        except OSError as error:
            print(f"{name}: {error.filename}: {error.strerror}", file=sys.stderr)
            return 2
        print(f"{folder / project}: ./build_{project}.sh builds it with the vendor's tools")
    return 0
