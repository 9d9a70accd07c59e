"""Bytes between DRAM and chip, by layer."""

from __future__ import annotations

from dse.assembly.program import Program
from dse.explore.card import Card
from dse.explore.exploration import Exploration
from dse.network.blocks import from_host
from dse.passes import layer_shapes
from hw.isa import Opcode


def traffic(found: Exploration, board: Card) -> dict[str, float]:
    """What the compiled program moves; without one, the least that there can be."""
    bytes_of = _least(found, board)
    for program in () if found.execution is None else found.execution.programs:
        bytes_of |= _moved(program)
    return bytes_of


def _least(found: Exploration, board: Card) -> dict[str, float]:
    """Of each layer: weights once, input and output of the network, and what transfers move.

    The network's inputs are the first layer's, its outputs the last one's.  An overlay's transfers
    stay on chip, those of other models cross the memory's bus.
    """
    network, mapping = found.network, found.mapping
    off_chip = board.memory_bandwidth / mapping.clock_hz if found.configuration is None else 0.0
    bytes_of = {
        name: float(shape.taps * shape.cin // shape.groups * shape.cout)
        for name, shape in layer_shapes(network).items()
    }
    for layer in mapping.layers:
        bytes_of[layer.name] += layer.transfer * off_chip
    if bytes_of:
        first, last = next(iter(bytes_of)), next(reversed(bytes_of))
        bytes_of[first] += sum(network.tensors[name].size for name in from_host(network))
        bytes_of[last] += sum(network.tensors[name].size for name in network.outputs)
    return bytes_of


def _moved(program: Program) -> dict[str, float]:
    """Of each layer's LOADs, STOREs and WEIGHTS."""
    beat = program.manifest.overlay.weight_beat_bytes
    names = {entry.tag: entry.name for entry in program.manifest.layers}
    bytes_of = dict.fromkeys(names.values(), 0.0)
    for instruction in program.instructions:
        field = instruction.field
        if instruction.opcode in (Opcode.LOAD, Opcode.STORE):
            bytes_of[names[field("tag")]] += field("bytes")
        elif instruction.opcode is Opcode.WEIGHTS:
            words = (field("segments") - 1) * field("segment_words") + field("last_words")
            beats = words * field("beats_per_word") * field("repeats")
            bytes_of[names[field("tag")]] += beats * beat
    return bytes_of
