"""Resources of an overlay on an ECP5: LUTs of four inputs, multipliers of 18 x 18 bits."""

from __future__ import annotations

from dataclasses import replace

from boards.estimate import breakdown
from dse.explore.resources import Resources
from hw.conv.array.primitive import BEHAVIOURAL
from hw.isa.config import OverlayConfig

LUT4_SHARE = 2.05
"""LUT4s, carries and distributed RAM among them, for each LUT6 of `boards.estimate`: 58,717 for
28,632 in an overlay of 8 x 8 elements with two lanes, tables and products, as Yosys maps it."""
FF_SHARE = 1.24
"""Flip-flops for each of those, in the same overlay."""


def on_ecp5(config: OverlayConfig) -> dict[str, Resources]:
    """The overlay by block; block RAMs of 18 kbit have the shapes of UltraScale's."""
    parts = breakdown(config, primitive=BEHAVIOURAL)
    # A product of more than 18 bits takes two multipliers at any width of the sums.
    parts["feet"] = replace(parts["feet"], dsp=2 * config.columns)
    return {
        name: replace(part, lut=round(LUT4_SHARE * part.lut), ff=round(FF_SHARE * part.ff))
        for name, part in parts.items()
    }
