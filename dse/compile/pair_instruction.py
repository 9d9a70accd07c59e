"""POOL of a combination: two tensors, or one with a pixel or a channel of the other."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dse.assembly.instruction import Action, make
from dse.assembly.region import Memory, Region, strided
from dse.compile.strips import Rows
from dse.compile.window_fields import WindowWalk
from dse.network import constants
from dse.network.graph import Combine, Network, Window
from dse.tiling.walks import largest
from hw.isa import Combination, Opcode

TAPS = 2  # one of each tensor


@dataclass(frozen=True)
class PairStrip:
    """Output rows ``[first, last)`` of a combination, with the rows of all its tensors."""

    combine: Combine
    source: Rows
    operand: Rows
    target: Rows
    first: int
    last: int

    @property
    def is_shared(self) -> bool:
        """Whether all pixels have one operand."""
        return self.operand.view.height * self.operand.view.width == 1

    def walk(self, zero_point: int) -> WindowWalk:
        """Over all pixels as one line if it can be said, so that a shared operand is read once."""
        pixels = (self.last - self.first) * self.target.view.width
        line = pixels <= largest(Opcode.POOL, "out_width")
        line &= pixels * self.source.view.pitch <= largest(Opcode.POOL, "row_pitch")
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


def combine(network: Network, strip: PairStrip, parameters: int) -> Action:
    """The POOL of one strip."""
    op, view, operand = strip.combine, strip.source.view, strip.operand.view
    zero_points = [network.tensors[name].zero_point for name in op.inputs]
    factor, operand_factor, _ = constants.combine_constants(network, op)
    walk = strip.walk(zero_points[0])
    # A shared operand is the column before the first pixel, which the windows of a line slide on.
    step = view.pitch if strip.is_shared else 0
    address = strip.operand.at(0 if strip.is_shared else strip.first) + operand.channel
    pitch = 0 if strip.is_shared else operand.pitch
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
    if op.combination != "product":
        fields |= {
            "combination": int(_COMBINATIONS[op.combination]),
            "factor": factor,
            "operand_factor": operand_factor,
        }
    if operand.channels < view.channels:
        fields["spread"] = 1
    count = 1 if strip.is_shared else walk.pixels
    reads = (
        *walk.read(),
        strided(Memory.TENSOR, address, operand.channels, pitch, count),
        Region(Memory.PARAMETER, parameters, 1),
    )
    action = make(Opcode.POOL, op.name, fields)
    return Action(action, op.name, reads, (walk.written(view.channels),))


_COMBINATIONS = {
    "sum": Combination.SUM,
    "difference": Combination.SUM,
    "reverse": Combination.SUM,
    "maximum": Combination.MAXIMUM,
    "minimum": Combination.MINIMUM,
}
