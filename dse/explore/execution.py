"""What a network becomes: its program, and the cycles that it takes."""

from __future__ import annotations

from dataclasses import dataclass

from dse.assembly.program import Program
from dse.cycles.whole_program import ProgramCycles


@dataclass(frozen=True)
class Execution:
    """A compiled program, and its cycles by the exact model."""

    program: Program
    cycles: ProgramCycles
