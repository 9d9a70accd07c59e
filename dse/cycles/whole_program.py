"""A whole program: when every instruction starts and retires, and what the array waits for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from dse.assembly.program import Program
from dse.cycles.dram import IDEAL, MemoryTiming
from dse.cycles.flow import Span
from dse.cycles.overlay import Machine
from hw.isa import Opcode
from hw.isa.config import OverlayConfig


@dataclass(frozen=True)
class InstructionCycles:
    """Start and retirement of one instruction, in cycles from the run's acceptance on."""

    opcode: Opcode
    tag: int
    start: int
    retire: int


@dataclass(frozen=True)
class LayerCycles:
    """One layer, from the first start of its CONV or POOL to the last retirement.

    Members
    -------
    name : of the layer.
    start, end : cycles from the run's acceptance on.
    compute : cycles in which its waves were issued (CONV); reads of the pooling engine are not
        told apart from its waiting, so a pooling computes throughout.
    fill, drain : from the start to the first wave, from the last wave to the end.
    load : between them, cycles without a wave because weights were missing.
    stall : the same for activations, parameters and room behind the array, and between the layer's
        own instructions.
    """

    name: str
    start: int
    end: int
    compute: int
    fill: int
    load: int
    stall: int
    drain: int

    @property
    def cycles(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class ProgramCycles:
    """``total`` is the overlay's own count of the run's cycles."""

    total: int
    layers: tuple[LayerCycles, ...]
    instructions: tuple[InstructionCycles, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data, ready for ``json.dumps``."""
        layers = [{**asdict(layer), "cycles": layer.cycles} for layer in self.layers]
        return {"total": self.total, "layers": layers}


def program_cycles(
    program: Program, config: OverlayConfig, timing: MemoryTiming = IDEAL
) -> ProgramCycles:
    """The cycles of a program on an overlay, equal to the RTL's.

    ``timing``: of the memory, as the fast simulation's; random stalls and faults are ignored.
    """
    machine = Machine(program.instructions, config, timing)
    total = machine.run()
    spans = {opcode: issuer.spans for opcode, issuer in machine.issuers.items()}
    layers = tuple(
        _layer(entry.name, entry.tag, spans, machine.convolution.waves)
        for entry in program.manifest.layers
    )
    instructions = tuple(
        InstructionCycles(opcode, span.instruction.field("tag"), span.start, span.retire)
        for opcode, found in spans.items()
        for span in found
    )
    return ProgramCycles(total, layers, instructions)


def in_turn(parts: Sequence[ProgramCycles]) -> ProgramCycles:
    """The cycles of programs that run one after the other."""
    total = 0
    layers: list[LayerCycles] = []
    instructions: list[InstructionCycles] = []
    for part in parts:
        layers += (replace(la, start=la.start + total, end=la.end + total) for la in part.layers)
        instructions += (
            replace(one, start=one.start + total, retire=one.retire + total)
            for one in part.instructions
        )
        total += part.total
    return ProgramCycles(total, tuple(layers), tuple(instructions))


def _layer(
    name: str, tag: int, spans: Mapping[Opcode, list[Span]], waves: Mapping[int, Any]
) -> LayerCycles:
    own = [
        span
        for opcode in (Opcode.CONV, Opcode.POOL)
        for span in spans[opcode]
        if span.instruction.field("tag") == tag
    ]
    start, end = min(span.start for span in own), max(span.retire for span in own)
    if tag not in waves:
        return LayerCycles(name, start, end, end - start, 0, 0, 0, 0)
    wave = waves[tag]
    fill, drain = wave.first - start, end - wave.last
    load = wave.waiting
    stall = end - start - fill - drain - wave.issued - load
    return LayerCycles(name, start, end, wave.issued, fill, load, stall, drain)
