"""What travels between the pooling engine's stages."""

from __future__ import annotations

from amaranth.hdl import Shape, signed, unsigned
from amaranth.lib import data
from amaranth.utils import bits_for

from hw.isa.config import OverlayConfig

RING = 32  # column results kept for the windows that share them: rows of a distributed RAM
COUNT = unsigned(16)  # taps of a window: 255 * 255
SUM = signed(24)  # of as many int8

WINDOW_END = data.StructLayout({"group_last": 1, "window_last": 1})

TAP = data.StructLayout(
    {
        "inside": 1,  # the image's byte counts, else:
        "counted": 1,  # padding that reads the zero point, else nothing
        "group_last": 1,
        "window_last": 1,
    }
)


def partial_result(lanes: int) -> data.StructLayout:
    """Maximum or sum of some taps, by channel, and how many of them count."""
    return data.StructLayout({"lanes": data.ArrayLayout(SUM, lanes), "count": COUNT})


def ticket(config: OverlayConfig) -> data.StructLayout:
    """Where a window's result is written: ``channels`` bytes from ``address`` on."""
    return data.StructLayout(
        {
            "address": unsigned(32),
            "channels": Shape.cast(bits_for(config.pool_channels)),
            "last": 1,  # of the instruction
        }
    )
