"""What the feeder tells the sequencer along with the operands."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import unsigned
from amaranth.lib import data

from hw.config import OverlayConfig
from hw.isa import Algorithm, Dataflow


def fed_word(config: OverlayConfig) -> data.StructLayout:
    """A word of the activation FIFO: L operands, and the accumulator of its sums (`skips`)."""
    return data.StructLayout(
        {"operands": config.activation_bits, "address": unsigned(config.address_bits)}
    )


def skips(instruction: Any) -> Any:
    """Whether the words of taps in the padding are left out: kn2row, weight stationary."""
    kn2row = instruction.algorithm == Algorithm.KN2ROW
    return kn2row & (instruction.dataflow == Dataflow.WS)
