"""Cycles of the overlay, equal to the RTL's: exactly for programs, in closed form for searches."""

from dse.cost.overlay.layer import layer_cycles
from dse.cost.overlay.model import Overlay
from dse.cost.overlay.program import (
    InstructionCycles,
    LayerCycles,
    ProgramCycles,
    program_cycles,
)

__all__ = [
    "InstructionCycles",
    "LayerCycles",
    "Overlay",
    "ProgramCycles",
    "layer_cycles",
    "program_cycles",
]
