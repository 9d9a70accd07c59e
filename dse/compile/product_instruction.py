"""POOL of a product: two tensors element by element, or one with a pixel of the other."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dse.assembly.instruction import Action, make
from dse.assembly.region import Memory, Region, strided
from dse.compile.strips import Rows
from dse.compile.window_fields import WindowWalk
from dse.network.graph import Multiply, Network, Window
from dse.tiling.walks import largest
from hw.isa import Opcode

TAPS = 2  # one of each tensor


@dataclass(frozen=True)
class ProductStrip:
    """Output rows ``[first, last)`` of a product, with the rows of all its tensors."""

    multiply: Multiply
    source: Rows
    factor: Rows
    target: Rows
    first: int
    last: int

    @property
    def is_shared(self) -> bool:
        """Whether all pixels have one factor."""
        return self.factor.view.height * self.factor.view.width == 1

    def walk(self, zero_point: int) -> WindowWalk:
        """Over all pixels as one line if that can be said, so that a shared factor is read once."""
        pixels = (self.last - self.first) * self.target.view.width
        line = pixels <= largest("POOL", "out_width")
        line &= pixels * self.source.view.pitch <= largest("POOL", "row_pitch")
        source, target, rows = self.source, self.target, (self.first, self.last)
        if line:
            source, target = (self._line(one, pixels) for one in (source, target))
            rows = 0, 1
        return WindowWalk(
            window=Window(),
            taps=(1, 1),
            source=source,
            target=target,
            first=rows[0],
            last=rows[1],
            zero_point=zero_point,
        )

    def _line(self, rows: Rows, pixels: int) -> Rows:
        return Rows(replace(rows.view, height=1, width=pixels), rows.at(self.first), 0, 1)


def product(network: Network, strip: ProductStrip, parameters: int) -> Action:
    """The POOL of one strip."""
    multiply, view, factor = strip.multiply, strip.source.view, strip.factor.view
    zero_points = [network.tensors[name].zero_point for name in multiply.inputs]
    walk = strip.walk(zero_points[0])
    # A shared factor is the column before the first pixel, which the windows of a line slide on.
    step = view.pitch if strip.is_shared else 0
    address = strip.factor.at(0 if strip.is_shared else strip.first) + factor.channel
    pitch = 0 if strip.is_shared else factor.pitch
    fields = walk.fields()
    fields |= {
        "position0": fields["position0"] - step,
        "tap_columns": TAPS,
        "tap_column_step": step,
        "parameters": parameters,
        "channels": view.channels,
        "product": 1,
        "operand_address": address,
        "operand_pitch": pitch,
        "operand_zero_point": zero_points[1],
    }
    count = 1 if strip.is_shared else walk.pixels
    reads = (
        *walk.read(),
        strided(Memory.TENSOR, address, view.channels, pitch, count),
        Region(Memory.PARAMETER, parameters, 1),
    )
    action = make(Opcode.POOL, multiply.name, fields)
    return Action(action, multiply.name, reads, (walk.written(view.channels),))
