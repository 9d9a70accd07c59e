"""One stage of a layer pipeline: a convolution, its pooling, and the buffers around them."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.isa.timing import BANK_LATENCY, bank_address_latency
from hw.lib.emit import Shared
from hw.lib.pipelining import delayed
from hw.stages.beat_queue import BeatQueue
from hw.stages.beat_split import BeatSplit
from hw.stages.input_ring import InputRing
from hw.stages.pass_walk import PassWalk
from hw.stages.result_drain import ResultDrain
from hw.stages.ring_write import beat_layout
from hw.stages.segment import Segment, segment_module
from hw.stages.shape import StageShape
from hw.stages.stage_parameters import parameter_bits
from hw.stages.step_buffer import StepBuffer
from hw.stages.wave_issue import WaveIssue
from hw.stages.weight_store import WeightStore
from hw.stages.window_maximum import WindowMaximum


class LayerStage(wiring.Component):
    """Takes maps, gives their convolutions, image after image.

    Between the wave and the drain everything runs at a fixed rate.  A pass begins only when the
    cells and the weights that it takes are there, and when there is room for its results.  So it
    takes exactly ``StageShape.period`` an image, whenever neighbours and weights keep up.

    Parameters
    ----------
    shape : of the stage.

    Members
    -------
    i : stream of beats, as ``shape.source`` says. o : stream, as ``shape.target`` says.
    i_weights : stream of beats of weights, tile after tile: once if they stay, else in each step.
    i_parameters : stream of a header and records.
    o_busy : Out. A wave is issued. o_ends : Out. It is an image's last.
    o_there : Out. Parameters are there, and weights for a first tile, or all that stay.
    """

    def __init__(self, *, shape: StageShape) -> None:
        self._shape = shape
        super().__init__(
            {
                "i": In(stream.Signature(beat_layout(shape.source.width, shape.bits))),
                "o": Out(stream.Signature(beat_layout(shape.out_width, shape.bits))),
                "i_weights": In(stream.Signature(data.ArrayLayout(shape.bits, shape.weight_beat))),
                "i_parameters": In(stream.Signature(parameter_bits(shape))),
                "o_busy": Out(1),
                "o_ends": Out(1),
                "o_there": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape = self._shape
        m.submodules.walk = walk = PassWalk(shape=shape)
        m.submodules.issue = issue = WaveIssue(shape=shape)
        m.submodules.ring = ring = InputRing(shape=shape)
        m.submodules.weights = weights = WeightStore(shape=shape)
        m.submodules.drain = drain = ResultDrain(shape=shape)
        results: Any = StepBuffer(shape=shape) if shape.reorders else BeatQueue(shape=shape)
        m.submodules.results = results
        wiring.connect(m, walk.o, issue.i)
        wiring.connect(m, wiring.flipped(self.i), ring.i)
        wiring.connect(m, wiring.flipped(self.i_weights), weights.i)
        wiring.connect(m, wiring.flipped(self.i_parameters), drain.i_parameters)

        read = bank_address_latency(shape.para_seg, edges=bool(shape.edges))
        weight_row = shape.operand_latency - BANK_LATENCY
        m.d.comb += [
            ring.i_wave.eq(issue.o),
            ring.i_frees.eq(delayed(m, issue.o_frees, read, name="frees", reset_less=False)),
            ring.i_padding.eq(drain.o_padding),
            issue.i_cell.eq(ring.o_cell),
            issue.i_row.eq(ring.o_row),
            issue.i_tile.eq(weights.o_tile),
            issue.i_there.eq(drain.o_there),
            issue.i_room.eq(results.o_room),
            weights.i_row.eq(delayed(m, issue.o.weights, weight_row, name="weight_row")),
            weights.i_done.eq(
                delayed(m, issue.o_done, weight_row, name="row_done", reset_less=False)
            ),
            self.o_busy.eq(issue.o.valid),
            self.o_ends.eq(issue.o_ends),
        ]
        begun = Signal()
        with m.If(weights.o_tile):
            m.d.sync += begun.eq(1)
        m.d.comb += self.o_there.eq(begun & drain.o_there)
        self._multiply(m, issue.o, ring.o, weights.o, drain)
        m.d.comb += [results.i.eq(drain.o), results.i_valid.eq(drain.o_valid)]
        if shape.reorders:
            m.d.comb += results.i_step.eq(issue.o_step)
        else:
            m.d.comb += results.i_pass.eq(issue.o_pass)
        self._finish(m, results.o)
        return m

    def _multiply(self, m: Module, wave: Any, operands: Any, weights: Any, drain: Any) -> None:
        shape = self._shape
        latency = shape.operand_latency
        first = delayed(m, wave.valid & wave.first, latency, name="first")
        last = delayed(
            m,
            wave.valid & wave.last,
            latency + shape.dot_latency + shape.para_in - 1,
            name="last",
            reset_less=False,
        )
        m.d.comb += drain.i_load.eq(last)
        groups = self._groups(m, wave.tile, latency) if shape.touched > 1 else None
        for number in range(0, shape.para_seg, shape.pair_segments):
            segment = Shared(
                Segment(shape=shape), segment_module(shape), hier_block=shape.hier_segments
            )
            m.submodules[f"segment_{number}"] = segment
            m.d.comb += [
                segment.i_weights.eq(weights),
                segment.i_first.eq(first),
            ]
            pair = range(number, min(number + shape.pair_segments, shape.para_seg))
            for lane, own in enumerate(pair):
                m.d.comb += [
                    segment.i_values[lane].eq(operands[own]),
                    drain.i[own].eq(segment.o[lane]),
                ]
            if groups is not None:
                m.d.comb += segment.i_groups.eq(groups)

    def _groups(self, m: Module, tile: Any, latency: int) -> Any:
        """For each channel of a tile its group, among those that are touched."""
        shape = self._shape
        layout = data.ArrayLayout(range(shape.touched), shape.para_out)
        groups = Signal(layout.size, name="tile_groups")
        with m.Switch(tile):
            for number, channels in enumerate(shape.column_groups):
                with m.Case(number):
                    m.d.comb += groups.eq(layout.const([g % shape.touched for g in channels]))
        return delayed(m, groups, latency, name="groups")

    def _finish(self, m: Module, results: Any) -> None:
        """Pooling, and beats as wide as the next stage wants them."""
        shape = self._shape
        if shape.pool is not None:
            m.submodules.pool = pool = WindowMaximum(
                pool=shape.pool,
                size=shape.size_out,
                beats=shape.pixel_beats,
                width=shape.beat_channels,
                bits=shape.bits,
            )
            wiring.connect(m, results, pool.i)
            results = pool.o
        m.submodules.split = split = BeatSplit(
            width_in=shape.beat_channels,
            width=shape.out_width,
            rest=shape.short_channels,
            bits=shape.bits,
        )
        wiring.connect(m, results, split.i)
        wiring.connect(m, split.o, wiring.flipped(self.o))
