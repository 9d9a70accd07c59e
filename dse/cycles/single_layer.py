"""One CONV on an otherwise idle overlay, exactly."""

from __future__ import annotations

from dse.assembly.instruction import Instruction
from dse.cycles.dram import IDEAL, MemoryTiming
from dse.cycles.overlay import Machine
from hw.isa import Opcode
from hw.isa.config import OverlayConfig


def layer_cycles(
    conv: Instruction,
    weights: Instruction,
    config: OverlayConfig,
    *,
    ahead: int = 0,
    timing: MemoryTiming = IDEAL,
) -> int:
    """Cycles of a CONV from its start to its retirement; exact if nothing else is under way.

    Parameters
    ----------
    conv, weights : the CONV, of any algorithm, and its WEIGHTS; parameters and input are there.
    config : the overlay's.
    ahead : cycles that the WEIGHTS starts before the CONV.
    timing : of the memory.
    """
    machine = Machine((), config, timing)
    machine.issuers[Opcode.WEIGHTS].push(weights)
    tokens = {"wait": 0, "post": 0}
    machine.run(until=machine.now + ahead)
    issuer = machine.issuers[Opcode.CONV]
    issuer.push(Instruction(conv.opcode, {**conv.fields, **tokens}))
    machine.run()
    (span,) = issuer.spans
    return span.retire - span.start
