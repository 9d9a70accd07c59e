"""The loader fills the shadow of the next tile while the current one streams (WS, IS)."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from hw.isa import CONV, TRANSFORM_OF, Dataflow
from hw.isa.config import OverlayConfig
from hw.lib.algorithm import is_winograd
from hw.lib.tiles import NEST, NEST_FIELDS, Tiles

SEQUENCE_FIELDS = ("dataflow", "algorithm", "replay", *NEST_FIELDS, "parameters")
# An instruction's fields, and what would come late if the streamer worked it out: whose tiles the
# drain finishes, a bit a transform; none where there is nothing to drain, or in IS.
SEQUENCE = data.StructLayout(
    {name: CONV[name].shape for name in SEQUENCE_FIELDS} | {"drained": len(TRANSFORM_OF)}
)

# What a consumer does to the weight buffer: advance; keep the word; back to the start of the held
# segment; give up the held segment.
WEIGHT_POP = data.StructLayout({"pop": 1, "hold": 1, "rewind": 1, "release": 1})


# Of a burst: the scratch memory's words are kept, and read again behind it; likewise the weights.
_BURST = ("wide", "keep", "again", "hold", "rewind", "release")


def sequence_of(instruction: Any) -> Any:
    """The `SEQUENCE` of a CONV."""
    weight_stationary = instruction.dataflow == Dataflow.WS
    drained = [weight_stationary & (instruction.algorithm == a) for a in TRANSFORM_OF]
    return Cat(*(getattr(instruction, name) for name in SEQUENCE_FIELDS), *drained)


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

    A burst is atomic: it starts `THERE_LATENCY` cycles after all its words are there, at the
    earliest in the cycle after the swap.  WS: R weight words; IS: one activation word a pixel
    through the corner turn, whose serialisers are then busy for a multiple of R cycles.  Two swaps
    are `tile_cycles` apart.  In NS the streamer drives the chains itself.  An instruction of
    another dataflow than its predecessor waits until the streamer has finished that, since the two
    pop other words.

    Members
    -------
    i : instructions. i_swap : the streamer takes the shadow in this cycle. i_finish : the streamer
    has issued an instruction's last wave. i_activations, i_weights : words there.
    o_ready : the shadow is loaded. o_turns : a burst of IS has words left, or the serialisers turn.
    o_activation_pop, o_weight_pop. o_enable, o_start, o_top,
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
                "o_turns": Out(1),
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

        self._most = max(config.columns, config.rows)  # words of a burst
        self._by_pixel, self._winograd, self._turning = (
            Signal(name=name) for name in ("by_pixel", "winograd", "turning")
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.tiles = tiles = Tiles()
        instruction, active, start = Signal(SEQUENCE), Signal(), Signal()
        self._accept(m, tiles, instruction, active)
        burst = self._burst(m, tiles)
        words, idle = self._pops(m, start, burst)
        there = self._there(m, tiles, active, words.some)
        m.d.sync += start.eq(~start & self._settle(m, start) & idle & there)
        m.d.comb += tiles.i_advance.eq(start)
        with m.If(start):
            m.d.sync += active.eq(~tiles.o_final)
        last_pop = Mux(words.some, words.last, burst.single)
        kind = self._kind(m, tiles, instruction, words.some)
        self._shift(m, start)
        self._pop(m, kind, start, words, last_pop)
        return m

    def _accept(self, m: Module, tiles: Tiles, instruction: Any, active: Any) -> None:
        """Takes the next instruction: at most one ahead of the streamer, of the same dataflow."""
        following = self.i.payload
        ahead = Signal(2)  # instructions begun here and not finished by the streamer
        begun = {flow: Signal(name=flow.name.lower()) for flow in (Dataflow.WS, Dataflow.IS)}
        follows = reduce(or_, (last & (following.dataflow == f) for f, last in begun.items()))
        accept = self.i.valid & self.i.ready
        streaming = following.dataflow == Dataflow.NS
        m.d.comb += [
            self.i.ready.eq(~active & ((ahead == 0) | (follows & (ahead == 1)))),
            tiles.i_load.eq(accept),
            *begin_nest(self._config, tiles, following),
        ]
        with m.If(accept):
            m.d.sync += instruction.eq(following)
            m.d.sync += [last.eq(following.dataflow == flow) for flow, last in begun.items()]
            m.d.sync += self._by_pixel.eq(following.dataflow == Dataflow.IS)
            m.d.sync += self._winograd.eq(is_winograd(self._config, following))
            m.d.sync += active.eq(~streaming)
        m.d.sync += ahead.eq(ahead + accept - self.i_finish)

    def _burst(self, m: Module, tiles: Tiles) -> Any:
        """Words of the next burst."""
        rows, pixels = self._config.rows, self._pixels(tiles)
        burst = Signal(data.StructLayout({"words": range(self._most + 1), "single": 1}))
        m.d.comb += [
            burst.words.eq(Mux(self._by_pixel, pixels, rows)),
            burst.single.eq(Mux(self._by_pixel, tiles.o_single_pixel, rows == 1)),
        ]
        return burst

    def _pixels(self, tiles: Tiles) -> Any:
        """IS: words of a burst, one a column."""
        return tiles.o_pixels[: bits_for(self._config.columns)]

    def _there(self, m: Module, tiles: Tiles, active: Any, pops: Any) -> Any:
        """Whether a burst's words are there, without the one that is popped.

        What is compared is not chosen first: comparisons are side by side.  A segment that is read
        again is there.
        """
        again = self.o_weight_pop.rewind | self.o_scratch_pop.rewind
        rows, pixels = self._config.rows, self._pixels(tiles)

        def enough(level: Any, words: Any) -> Any:
            return Mux(pops, level > words, level >= words)

        of_pixels, weights = enough(self.i_activations, pixels), enough(self.i_weights, rows)
        if self._config.transforms:
            of_pixels = Mux(self._winograd, enough(self.i_scratch, pixels), of_pixels)
        return active & (again | Mux(self._by_pixel, of_pixels, weights))

    def _settle(self, m: Module, start: Any) -> Any:
        """The shadow is loaded `tile_cycles` after its start, until the swap.

        May it be filled in the next cycle, if it is not begun?
        """
        loaded = Signal()
        settle = Signal(range(self._config.tile_cycles + 1))  # cycles until the shadow is ready
        settles = Signal()  # there are some
        m.d.comb += self.o_ready.eq(loaded)
        with m.If(settles):
            done = settle == 1
            m.d.sync += [settle.eq(settle - 1), settles.eq(~done), loaded.eq(done)]
        with m.If(self.i_swap):
            m.d.sync += loaded.eq(0)
        with m.If(start):
            m.d.sync += [settle.eq(self._config.tile_cycles - 2), settles.eq(1)]
        return ~settles & (~loaded | self.i_swap)

    def _pops(self, m: Module, start: Any, burst: Any) -> tuple[Any, Any]:
        """Words still to pop, and whether all is popped and the serialisers rest in the next cycle,
        if no burst begins: they turn for a multiple of R cycles, since column c has number c mod R.
        """
        rows = self._config.rows
        count = range(self._most + 1)
        words = Signal(data.StructLayout({"left": count, "some": 1, "last": 1}))
        phase, turning = Signal(range(rows)), self._turning  # it is not zero
        with m.If(words.some):
            m.d.sync += [
                words.left.eq(words.left - 1),
                words.some.eq(~words.last),
                words.last.eq(words.left == 2),
            ]
        last = phase == rows - 1
        with m.If(start | words.some | turning):
            m.d.sync += [phase.eq(Mux(last, 0, phase + 1)), turning.eq(~last)]
        with m.If(start):
            m.d.sync += [
                words.left.eq(burst.words - 1),
                words.some.eq(~burst.single),
                words.last.eq(burst.words == 2),
            ]
        return words, ~(words.some & ~words.last) & ~((words.some | turning) & ~last)

    def _kind(self, m: Module, tiles: Tiles, instruction: Any, begun: Any) -> Any:
        """What holds of the burst under way, or of the next one."""
        layout = data.StructLayout(dict.fromkeys(_BURST, 1))
        winograd = self._winograd
        burst, kept = Signal(layout), Signal(layout, name="kept")
        self._kept = kept
        ends = instruction.replay & tiles.o_last_chunk & (tiles.o_last_channels | ~winograd)
        m.d.comb += burst.eq(kept)
        m.d.sync += kept.eq(burst)
        with m.If(~begun):
            m.d.comb += [
                burst.wide.eq(winograd),
                burst.hold.eq(instruction.replay),
                burst.keep.eq(~tiles.o_last_channels),
                burst.again.eq(tiles.o_last_chunk & ~tiles.o_last_channels),
                burst.rewind.eq(ends & ~tiles.o_last_pixels),
                burst.release.eq(ends & tiles.o_last_pixels),
            ]
        return burst

    def _shift(self, m: Module, start: Any) -> None:
        """The chains shift for R cycles."""
        rows = self._config.rows
        shift = Signal(range(rows + 1))  # cycles that the chains still shift
        shifts = Signal()  # there are some
        with m.If(shifts):
            m.d.sync += [shift.eq(shift - 1), shifts.eq(shift != 1)]
        with m.If(start):
            m.d.sync += [shift.eq(rows - 1), shifts.eq(rows > 1)]
        m.d.comb += [
            self.o_start.eq(start),
            self.o_enable.eq(start | shifts),
            self.o_turned.eq(self._by_pixel),
        ]

    def _pop(self, m: Module, burst: Any, start: Any, words: Any, last_pop: Any) -> None:
        """Each of the burst's words, and where it goes: to a serialiser or to the top.

        An instruction of the other kind begins behind the burst.  A burst of weights has two words
        or more.
        """
        pop, by_pixel = start | words.some, self._by_pixel
        weight, scratch = self.o_weight_pop, self.o_scratch_pop
        m.d.comb += [
            self.o_serial.eq(pop & by_pixel),
            self.o_serial_first.eq(start & by_pixel),
            self.o_turns.eq(by_pixel & (words.some | self._turning)),
            self.o_activation_pop.eq(self.o_serial & ~burst.wide),
            scratch.pop.eq(self.o_serial & burst.wide),
            scratch.hold.eq(scratch.pop & burst.keep),
            scratch.rewind.eq(scratch.pop & last_pop & burst.again),
            self.o_top.eq(pop & ~by_pixel),
            self.o_wide.eq(self.o_top & burst.wide),
            weight.pop.eq(self.o_top),
            weight.hold.eq(self.o_top & burst.hold),
            weight.rewind.eq(words.last & ~by_pixel & self._kept.rewind),
            weight.release.eq(words.last & ~by_pixel & self._kept.release),
        ]
