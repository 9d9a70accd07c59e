"""What travels between the pooling engine's stages."""

from __future__ import annotations

from amaranth.hdl import Shape, ShapeLike, signed, unsigned
from amaranth.lib import data
from amaranth.utils import bits_for, exact_log2

from hw.isa.config import DEPTHWISE_BLOCKS, DEPTHWISE_ROWS, OverlayConfig

RING = 32  # column results kept for the windows that share them: rows of a distributed RAM
COUNT = unsigned(16)  # taps of a window: 255 * 255
SUM = signed(24)  # of as many int8
MOST_PRODUCTS = (1 << 23) // (1 << 14) - 1  # of two int8 whose sum fits
PRODUCT = signed(18)  # of two int8, each relative to its zero point
SCALED = signed(18)  # of an int8 relative to its zero point: its factor
COMBINED = signed(27)  # of two int8 times their factors

TAP = data.StructLayout(
    {
        "inside": 1,  # the image's byte counts, else:
        "upper_inside": 1,  # likewise, in the upper half of the lanes
        "counted": 1,  # padding that reads the zero point, else nothing
        "group_last": 1,
        "window_last": 1,
        "operand": 1,  # a product's other operand
    }
)


def tensor_address(config: OverlayConfig) -> Shape:
    """Address of a byte of the tensor memory."""
    return unsigned(exact_log2(config.tensor_bytes))


def window_end(config: OverlayConfig) -> data.StructLayout:
    """What travels with a tap's place.

    A product's other operand brings its own address, a tap of a depthwise convolution the places of
    its weights and of its channels' records.
    """
    ends: dict[str, ShapeLike] = {"group_last": 1, "window_last": 1}
    if config.products:
        ends |= {"operand": 1, "operand_address": tensor_address(config)}
    if config.depthwise:
        ends |= {"row": range(DEPTHWISE_ROWS), "block": range(DEPTHWISE_BLOCKS)}
    return data.StructLayout(ends)


def combined(config: OverlayConfig) -> Shape:
    """What the multipliers make of a window."""
    return COMBINED if config.pairs else PRODUCT


def partial_result(lanes: int) -> data.StructLayout:
    """Maximum or sum of some taps, by channel, and how many of them count."""
    return data.StructLayout({"lanes": data.ArrayLayout(SUM, lanes), "count": COUNT})


def group_result(lanes: int, sums: int) -> data.StructLayout:
    """As ``partial_result``, with several sums of a channel."""
    channel = data.ArrayLayout(SUM, sums)
    return data.StructLayout({"lanes": data.ArrayLayout(channel, lanes), "count": COUNT})


def ticket(config: OverlayConfig) -> data.StructLayout:
    """Where a window's result is written: ``channels`` bytes from ``address`` on."""
    return data.StructLayout(
        {
            "address": unsigned(32),
            "channels": Shape.cast(bits_for(config.pool_channels)),
            "last": 1,  # of the instruction
        }
    )
