"""How many cycles a run may take before the overlay ends it."""

from __future__ import annotations

from collections.abc import Iterable

from dse.assembly.instruction import Instruction
from dse.compile.layer_emission import LayerCost
from hw.isa import Opcode
from hw.isa.config import OverlayConfig, ceil_div

CYCLE_MARGIN = 64  # for memory that is slow, shared with others, or answers late
INSTRUCTION_CYCLES = 64  # of pipelines and of memory, for each instruction


def cycle_limit(
    instructions: Iterable[Instruction], costs: Iterable[LayerCost], config: OverlayConfig
) -> int:
    """``CYCLE_MARGIN`` times what all engines would take one after the other.

    The sum of all engines' work bounds the prediction from above: engines that overlap take less.
    """
    cycles = sum(cost.cycles + cost.weight_beats for cost in costs)
    for one in instructions:
        cycles += INSTRUCTION_CYCLES
        if one.opcode in (Opcode.LOAD, Opcode.STORE):
            cycles += ceil_div(one.field("bytes"), config.axi_bytes)
    return CYCLE_MARGIN * cycles
