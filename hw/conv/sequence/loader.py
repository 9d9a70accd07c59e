"""The loader fills the shadow of the next tile while the current one streams (WS, IS)."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.isa import CONV, Dataflow
from hw.isa.config import OverlayConfig
from hw.lib.algorithm import is_winograd
from hw.lib.tiles import NEST, NEST_FIELDS, Tiles

SEQUENCE_FIELDS = ("dataflow", "algorithm", "replay", *NEST_FIELDS, "parameters")
SEQUENCE = data.StructLayout({name: CONV[name].shape for name in SEQUENCE_FIELDS})

# What a consumer does to the weight buffer: advance; keep the word; back to the start of the held
# segment; give up the held segment.
WEIGHT_POP = data.StructLayout({"pop": 1, "hold": 1, "rewind": 1, "release": 1})


# Of a burst: the scratch memory's words are kept, and read again behind it; likewise the weights.
_BURST = ("by_pixel", "wide", "keep", "again", "hold", "rewind", "release")


def begin_nest(config: OverlayConfig, tiles: Tiles, instruction: Any) -> list[Any]:
    """The loop nest of an instruction: Winograd's has the pixel tiles outside."""
    return [
        tiles.i_nest.eq(nest_of(instruction)),
        tiles.i_pixels_outside.eq(is_winograd(config, instruction)),
    ]


def nest_of(instruction: Any) -> Any:
    """The loop nest of an instruction, for ``Tiles``."""
    return NEST(Cat(getattr(instruction, name) for name in NEST_FIELDS))


class Loader(wiring.Component):
    """Starts a burst into the shadow chains as soon as the previous shadow has been swapped in.

    A burst is atomic: it starts when all its words are there, at the earliest in the cycle after
    the swap.  WS: R weight words; IS: one activation word a pixel through the corner turn, whose
    serialisers are then busy for a multiple of R cycles.  Two swaps are `tile_cycles` apart.
    In NS the streamer drives the chains itself.  An instruction of another dataflow than its
    predecessor waits until the streamer has finished that, since the two pop other words.

    Members
    -------
    i : instructions. i_swap : the streamer takes the shadow in this cycle. i_finish : the streamer
    has issued an instruction's last wave. i_activations, i_weights : words there.
    o_ready : the shadow is loaded. o_activation_pop, o_weight_pop. o_enable, o_start, o_top,
    o_serial, o_serial_first, o_turned, o_wide : see `wave_layout`.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(SEQUENCE)),
                "i_swap": In(1),
                "i_finish": In(1),
                "i_activations": In(unsigned(24)),
                "i_scratch": In(unsigned(24)),
                "i_weights": In(unsigned(24)),
                "o_ready": Out(1),
                "o_activation_pop": Out(1),
                "o_scratch_pop": Out(WEIGHT_POP),
                "o_weight_pop": Out(WEIGHT_POP),
                "o_enable": Out(1),
                "o_start": Out(1),
                "o_top": Out(1),
                "o_serial": Out(1),
                "o_serial_first": Out(1),
                "o_turned": Out(1),
                "o_wide": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        m.submodules.tiles = tiles = Tiles()
        instruction = Signal(SEQUENCE)
        active = Signal()
        ahead = Signal(2)  # instructions begun here and not finished by the streamer
        last_dataflow = Signal(Dataflow)

        follows = (self.i.payload.dataflow == last_dataflow) & (
            self.i.payload.dataflow != Dataflow.NS
        )
        accept = self.i.valid & self.i.ready
        streaming = self.i.payload.dataflow == Dataflow.NS
        m.d.comb += [
            self.i.ready.eq(~active & ((ahead == 0) | (follows & (ahead == 1)))),
            tiles.i_load.eq(accept),
            *begin_nest(config, tiles, self.i.payload),
        ]
        with m.If(accept):
            m.d.sync += [instruction.eq(self.i.payload), last_dataflow.eq(self.i.payload.dataflow)]
            m.d.sync += active.eq(~streaming)
        m.d.sync += ahead.eq(ahead + accept - self.i_finish)

        by_pixel = instruction.dataflow == Dataflow.IS
        burst = Signal(range(max(config.columns, config.rows) + 1))
        m.d.comb += burst.eq(Mux(by_pixel, tiles.o_pixels, config.rows))
        winograd = is_winograd(config, instruction)
        activations = Mux(winograd, self.i_scratch, self.i_activations)
        there = Mux(by_pixel, activations, self.i_weights) >= burst
        loaded = Signal()
        start = Signal()
        settle = Signal(range(config.tile_cycles + 1))  # cycles until the shadow is ready
        shift = Signal(range(config.rows + 1))  # cycles that the chains still shift
        words = Signal.like(burst)  # words still to pop
        phase = Signal(range(config.rows))  # of the serialisers: column c has serialiser c mod R
        free = (settle == 0) & ~loaded & (words == 0) & (phase == 0)
        m.d.comb += [
            start.eq(active & free & there),
            self.o_ready.eq(loaded),
            tiles.i_advance.eq(start),
        ]
        with m.If(settle != 0):
            m.d.sync += [settle.eq(settle - 1), loaded.eq(settle == 1)]
        with m.If(self.i_swap):
            m.d.sync += loaded.eq(0)
        with m.If(shift != 0):
            m.d.sync += shift.eq(shift - 1)
        with m.If(words != 0):
            m.d.sync += words.eq(words - 1)
        with m.If(start | (words != 0) | (phase != 0)):
            m.d.sync += phase.eq(Mux(phase == config.rows - 1, 0, phase + 1))
        with m.If(start):
            m.d.sync += [settle.eq(config.tile_cycles - 2), words.eq(burst - 1)]
            m.d.sync += [shift.eq(config.rows - 1), active.eq(~tiles.o_final)]
        last_pop = Mux(start, burst == 1, words == 1)
        self._outputs(m, tiles, instruction, start, shift, words, last_pop)
        return m

    def _outputs(
        self,
        m: Module,
        tiles: Tiles,
        instruction: Any,
        start: Any,
        shift: Any,
        words: Any,
        last_pop: Any,
    ) -> None:
        layout = data.StructLayout(dict.fromkeys(_BURST, 1))
        winograd = is_winograd(self._config, instruction)
        burst, kept = Signal(layout), Signal(layout)  # of the burst under way
        ends = instruction.replay & tiles.o_last_chunk & (tiles.o_last_channels | ~winograd)
        m.d.comb += burst.eq(kept)
        m.d.sync += kept.eq(burst)
        with m.If(start):
            m.d.comb += [
                burst.by_pixel.eq(instruction.dataflow == Dataflow.IS),
                burst.wide.eq(winograd),
                burst.hold.eq(instruction.replay),
                burst.keep.eq(~tiles.o_last_channels),
                burst.again.eq(tiles.o_last_chunk & ~tiles.o_last_channels),
                burst.rewind.eq(ends & ~tiles.o_last_pixels),
                burst.release.eq(ends & tiles.o_last_pixels),
            ]
        pop = start | (words != 0)
        weight, scratch = self.o_weight_pop, self.o_scratch_pop
        m.d.comb += [
            self.o_start.eq(start),
            self.o_enable.eq(start | (shift != 0)),
            self.o_turned.eq(burst.by_pixel),
            self.o_serial.eq(pop & burst.by_pixel),
            self.o_serial_first.eq(start & burst.by_pixel),
            self.o_activation_pop.eq(self.o_serial & ~burst.wide),
            scratch.pop.eq(self.o_serial & burst.wide),
            scratch.hold.eq(scratch.pop & burst.keep),
            scratch.rewind.eq(scratch.pop & last_pop & burst.again),
            self.o_top.eq(pop & ~burst.by_pixel),
            self.o_wide.eq(self.o_top & burst.wide),
            weight.pop.eq(self.o_top),
            weight.hold.eq(self.o_top & burst.hold),
            weight.rewind.eq((words == 1) & ~burst.by_pixel & burst.rewind),
            weight.release.eq((words == 1) & ~burst.by_pixel & burst.release),
        ]
