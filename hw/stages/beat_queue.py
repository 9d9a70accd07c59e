"""Results of a stage that keeps whole maps: tile by tile, as they come."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.lib.queue import Queue
from hw.stages.pass_walk import below
from hw.stages.result_beat import result_layout
from hw.stages.shape import StageShape


class BeatQueue(wiring.Component):
    """Keeps the beats of passes until they are taken; drops those beyond the map.

    Parameters
    ----------
    shape : of the stage, MAP.

    Members
    -------
    i, i_valid : In. Beats of the drain; the pass's room was reserved.
    i_pass : In. Room for a pass is reserved.
    o : stream of beats.
    o_room : Out. There is room for a pass.
    """

    def __init__(self, *, shape: StageShape) -> None:
        self._shape = shape
        super().__init__(
            {
                "i": In(data.ArrayLayout(signed(shape.bits), shape.drain_channels)),
                "i_valid": In(1),
                "i_pass": In(1),
                "o": Out(stream.Signature(result_layout(shape.beat_channels, shape.bits))),
                "o_room": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape = self._shape
        depth = shape.queue_depth
        counts, short, empty = self._walk(m)
        m.submodules.queue = queue = Queue(
            shape=result_layout(shape.beat_channels, shape.bits), depth=depth + 1, block=True
        )
        m.d.comb += [
            queue.i.valid.eq(self.i_valid & counts),
            queue.i.payload.values.eq(self.i),
            queue.i.payload.short.eq(short),
            queue.i.payload.empty.eq(empty),
        ]
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        credits = Signal(range(depth + 1), init=depth)
        m.d.sync += credits.eq(
            credits
            - Mux(self.i_pass, shape.drain_beats, 0)
            + (self.o.valid & self.o.ready)
            + (self.i_valid & ~counts)
        )
        m.d.comb += self.o_room.eq(credits >= shape.drain_beats)
        return m

    def _walk(self, m: Module) -> tuple[Any, Any, Any]:
        """Whether the beat lies in the map, and whether it is short or empty."""
        shape = self._shape
        of_tile = shape.para_out // shape.drain_channels
        rest = shape.n_out - (shape.tiles - 1) * shape.para_out  # channels of the last tile
        beat, segment = Signal(below(of_tile)), Signal(below(shape.para_seg))
        number, tile = Signal(below(shape.passes)), Signal(below(shape.tiles))
        last_pass, last_tile = number == shape.passes - 1, tile == shape.tiles - 1
        with m.If(self.i_valid):
            m.d.sync += beat.eq(beat + 1)
            with m.If(beat == of_tile - 1):
                m.d.sync += [beat.eq(0), segment.eq(segment + 1)]
                with m.If(segment == shape.para_seg - 1):
                    m.d.sync += [segment.eq(0), number.eq(number + 1)]
                    with m.If(last_pass):
                        m.d.sync += [number.eq(0), tile.eq(Mux(last_tile, 0, tile + 1))]
        pixels = shape.pixels - (shape.passes - 1) * shape.para_seg
        full, part = divmod(rest, shape.drain_channels)
        counts = ~(last_pass & (segment >= pixels))
        short = last_tile & (beat == full) if part else 0
        return counts, short, last_tile & (beat >= full + (part > 0))
