"""What the feeder tells the sequencer along with the operands."""

from __future__ import annotations

from amaranth.hdl import unsigned
from amaranth.lib import data

from hw.isa.config import OverlayConfig


def fed_word(config: OverlayConfig) -> data.StructLayout:
    """A word of the activation FIFO: L operands, and the accumulator of its sums (`skips`)."""
    return data.StructLayout(
        {"operands": config.activation_bits, "address": unsigned(config.address_bits)}
    )
