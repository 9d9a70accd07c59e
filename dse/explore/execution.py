"""What a network becomes: its programs, and the cycles that they take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from dse.assembly.program import Program
from dse.cycles.whole_program import ProgramCycles, in_turn, program_cycles
from hw.isa.config import OverlayConfig


@dataclass(frozen=True)
class Execution:
    """A compiled network: a program for each of its segments, and their cycles, exact."""

    programs: tuple[Program, ...]
    turns: tuple[ProgramCycles, ...]

    @classmethod
    def of(cls, programs: Sequence[Program], config: OverlayConfig) -> Execution:
        """Of the programs of a network's segments on an overlay."""
        return cls(tuple(programs), tuple(program_cycles(one, config) for one in programs))

    @cached_property
    def cycles(self) -> ProgramCycles:
        """Of all programs one after the other; the time of the host between them is not told."""
        return in_turn(self.turns)
