"""The feeder: im2col and kn2row as address patterns, from the tensor memory into the FIFO."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from hw.conv.feed.patches import PLACE, Patches
from hw.conv.feed.scratch import block_layout, block_of
from hw.conv.feed.tap_walk import TAPS, TapWalker
from hw.conv.sequence.fed import fed_word
from hw.conv.sequence.loader import nest_of
from hw.isa import CONV, WINDOW, Algorithm, Dataflow
from hw.isa.config import OverlayConfig
from hw.isa.timing import READ_LATENCY, input_switch_gap
from hw.lib.algorithm import is_winograd, of_transform, skips, transform_index
from hw.lib.counted_steps import Steps
from hw.lib.occupancy import Occupancy
from hw.lib.pipelining import delayed
from hw.lib.tensor_memory import read_request
from hw.lib.tiles import NEST, NEST_FIELDS, Tiles
from hw.lib.window import PixelStep, Step, WindowWalker

_OWN_FIELDS = (
    "dataflow",
    "algorithm",
    "run_words",
    "out_rows",
    "tile_rows",
    "patches",
    "patch_row_step",
    "patch_column_step",
)
FEED_FIELDS = tuple(dict.fromkeys((*WINDOW, *_OWN_FIELDS, *NEST_FIELDS)))
FEED = data.StructLayout({name: CONV[name].shape for name in FEED_FIELDS})


def _place_layout(config: OverlayConfig) -> data.StructLayout:
    """Whether a place is its chunk's first, or the instruction's last; the chunk's block."""
    return data.StructLayout({"first": 1, "final": 1, "block": block_layout(config)})


class Feeder(wiring.Component):
    """Reads every activation word of a convolution, in the order in which the array uses them.

    The nest is channel tile, pixel tile, tap row, tap column, word of the run, pixel; NS always
    reads R words a chunk.  Bytes outside the image become the zero point; kn2row subtracts it from
    all bytes, and in WS leaves out what the padding would add: see `TapWalker`.  One word a cycle
    while the memory grants and the FIFO has room; an instruction is taken `FREE_LATENCY` cycles
    after the one before has been walked.

    Winograd: the nest is pixel tile, round, word of the run, tile; each tile's patch goes to the
    input transform, which has no FIFO before it: a chunk's block in the scratch memory is reserved
    with its first tile.

    Members
    -------
    i : instructions.
    o_read, i_read, i_read_valid : a reader's port of the tensor memory.
    o_valid, o_word : words for the activation FIFO, which has room for them.
    o_last : kn2row in WS: the word is its chunk's last.
    o_patch_valid, o_transform : Winograd: the word is of a patch, for this transform.
    o_asks, o_block, i_fits, o_reserve : Winograd: a chunk's words follow; see `Scratch`.
    i_popped : a word has left the activation FIFO.
    o_busy : an instruction is under way.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(FEED)),
                "o_read": Out(stream.Signature(read_request())),
                "i_read": In(8 * config.tensor_word),
                "i_read_valid": In(1),
                "o_valid": Out(1),
                "o_word": Out(fed_word(config)),
                "o_last": Out(1),
                "o_patch_valid": Out(1),
                "o_transform": Out(config.transform_bits),
                "o_asks": Out(1),
                "o_block": Out(block_layout(config)),
                "i_fits": In(1),
                "o_reserve": Out(1),
                "i_popped": In(1),
                "o_busy": Out(1),
            }
        )
        self._busy = Signal()  # patches of the last instruction are still to come
        # Of the instruction.
        self._skipping, self._streams, self._winograd = (
            Signal(name=name) for name in ("skipping", "streams", "winograd")
        )
        self._index = Signal(config.transform_bits, name="index")

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        m.submodules.tiles = tiles = Tiles()
        m.submodules.walker = walker = WindowWalker(
            config=config, word_bytes=config.reduction, extra=_place_layout(config)
        )
        m.submodules.taps = taps = TapWalker(config=config)
        instruction = Signal(FEED, reset_less=True)
        skipping, winograd, index = self._skipping, self._winograd, self._index
        walking = Signal()  # steps are to be made
        awaiting = Signal()  # places are to be taken
        free = Signal(init=1)
        accept = self.i.valid & self.i.ready
        started = Signal()
        m.d.comb += [
            self.i.ready.eq(free),
            self.o_busy.eq(~free),
            walker.i_start.eq(started),
            tiles.i_load.eq(accept),
            tiles.i_nest.eq(self._nest(self.i.payload)),
            walker.i_window.eq(Cat(getattr(instruction, name) for name in WINDOW)),
            walker.i.valid.eq(walking & ~started),
            taps.i_start.eq(accept & skips(self.i.payload)),
            taps.i_nest.eq(_rows_of(self.i.payload)),
            taps.i_window.eq(Cat(getattr(instruction, name) for name in TAPS.members)),
        ]
        m.d.sync += started.eq(accept)
        still = ~awaiting & ~taps.o_busy & ~self._busy
        m.d.sync += free.eq(still & ~accept)
        with m.If(accept):
            m.d.sync += [
                instruction.eq(self.i.payload),
                walking.eq(~skips(self.i.payload)),
                awaiting.eq(~skips(self.i.payload)),
                skipping.eq(skips(self.i.payload)),
                self._streams.eq(self.i.payload.dataflow == Dataflow.NS),
                winograd.eq(is_winograd(config, self.i.payload)),
                index.eq(transform_index(config, self.i.payload)),
            ]
        stepped = walker.i.valid & walker.i.ready
        with m.If(walker.o.valid & walker.o.ready & walker.o.payload.extra.final):
            m.d.sync += awaiting.eq(0)
        if config.transforms:
            m.d.comb += walker.i.payload.extra.block.eq(
                block_of(config, tiles.o_pixels, tiles.o_single_pixel, index)
            )
        self._steps(m, tiles, walker, instruction, stepped, started)
        with m.If(tiles.i_advance & tiles.o_final):
            m.d.sync += walking.eq(0)
        self._read(m, walker, taps, instruction)
        return m

    def _steps(
        self, m: Module, tiles: Tiles, walker: Any, instruction: Any, stepped: Any, started: Any
    ) -> None:
        """What follows each word in the loop nest."""
        streams = self._streams
        rows = self._config.rows
        pixels = self._loop(
            m,
            "pixels",
            Mux(streams, rows, tiles.o_pixels),
            Mux(streams, rows == 1, tiles.o_single_pixel),
            started,
        )
        words, columns = (
            self._loop(m, name, count, _registered(m, count == 1, f"single_{name}"), started)
            for name, count in (
                ("words", instruction.run_words),
                ("columns", instruction.tap_columns),
            )
        )
        step = walker.i.payload
        m.d.comb += [
            step.extra.first.eq(pixels.o_first),
            step.extra.final.eq(pixels.o_last & tiles.o_final),
            pixels.i_advance.eq(stepped),
            words.i_advance.eq(stepped & pixels.o_last),
            columns.i_advance.eq(words.i_advance & words.o_last),
            tiles.i_advance.eq(words.i_advance),
        ]
        with m.If(~pixels.o_last):
            m.d.comb += step.pixel.eq(PixelStep.NEXT)
        with m.Elif(~tiles.o_last_chunk):
            m.d.comb += step.pixel.eq(PixelStep.AGAIN)
        with m.Elif(~tiles.o_last_pixels):
            m.d.comb += step.pixel.eq(PixelStep.TILE)
        with m.Else():
            m.d.comb += step.pixel.eq(PixelStep.FIRST)
        with m.If(pixels.o_last):
            m.d.comb += step.word.eq(Mux(words.o_last, Step.FIRST, Step.NEXT))
            with m.If(words.o_last):
                m.d.comb += step.tap_column.eq(Mux(columns.o_last, Step.FIRST, Step.NEXT))
                with m.If(tiles.o_last_chunk):
                    m.d.comb += step.tap_row.eq(Step.FIRST)
                with m.Elif(columns.o_last):
                    m.d.comb += step.tap_row.eq(Step.NEXT)

    def _loop(self, m: Module, name: str, count: Any, single: Any, started: Any) -> Steps:
        """A loop of so many steps a round."""
        m.submodules[name] = steps = Steps(bits=16)
        m.d.comb += [
            steps.i_start.eq(started),
            steps.i_count.eq(count),
            steps.i_single.eq(single),
        ]
        return steps

    def _read(self, m: Module, walker: Any, taps: Any, instruction: Any) -> None:
        """Reads the places while the FIFO has room for their words, and masks the answers."""
        skipping, winograd = self._skipping, self._winograd
        may_read = self._room(m, winograd)
        ready = self.o_read.ready & may_read
        sources = [(walker.o, ~skipping & ~winograd), (taps.o, skipping)]
        if self._config.transforms:
            sources.append((self._walk_patches(m, walker, instruction), winograd))
        with m.If(~winograd):
            m.d.comb += walker.o.ready.eq(ready & ~skipping)
        m.d.comb += taps.o.ready.eq(ready & skipping)
        place = Signal(PLACE)
        for source, mine in sources:
            with m.If(mine):
                m.d.comb += self.o_read.valid.eq(source.valid & may_read)
                for name in PLACE.members:
                    m.d.comb += getattr(place, name).eq(getattr(source.payload, name))
        m.d.comb += self.o_read.payload.address.eq(place.address)
        self._accompany(m, taps)
        self._mask(m, self._bounds(m, delayed(m, place, 1, name="asked"), instruction))

    def _room(self, m: Module, winograd: Any) -> Any:
        """Whether a word may be read: the FIFO has room for it, or it does not go there."""
        m.submodules.room = room = Occupancy(depth=self._config.activation_depth, full=True)
        m.d.comb += [
            room.i_enters.eq(self.i_popped),
            room.i_leaves.eq(self.o_read.valid & self.o_read.ready & ~winograd),
        ]
        return winograd | room.o_some

    def _bounds(self, m: Module, place: Any, instruction: Any) -> Any:
        """Which bytes of the answer are the image's, and what all others become; with the answer.

        The place is that of the cycle before. kn2row: bytes count from the zero point.
        """
        lanes = self._config.reduction
        lane_bits, int8 = bits_for(lanes), signed(8)
        bounds = data.StructLayout(
            {"low": lane_bits, "high": lane_bits, "outside": int8, "minus": int8}
        )
        inside = Signal(bounds)
        relative = instruction.algorithm == Algorithm.KN2ROW
        behind = instruction.row_pitch - place.position  # bytes up to the row's end
        m.d.comb += inside.outside.eq(Mux(relative, 0, instruction.zero_point))
        m.d.comb += inside.minus.eq(Mux(relative, instruction.zero_point, 0))
        with m.If(place.row_valid & (behind > 0)):
            m.d.comb += inside.high.eq(Mux(behind < lanes, behind, lanes))
            with m.If(place.position < 0):
                before = -place.position
                m.d.comb += inside.low.eq(Mux(before < lanes, before, lanes))
        return bounds(delayed(m, inside.as_value(), READ_LATENCY - 1, name="inside"))

    def _mask(self, m: Module, bounds: Any) -> None:
        """The answer's bytes as operands."""
        for lane in range(self._config.reduction):
            keep = (bounds.low <= lane) & (lane < bounds.high)
            own = self.i_read.word_select(lane, 8).as_signed() - bounds.minus
            operand = self.o_word.operands.word_select(lane, self._config.operand_bits)
            m.d.sync += operand.eq(Mux(keep, own, bounds.outside))

    def _accompany(self, m: Module, taps: Any) -> None:
        """What leaves beside the operands: where they go, and what the tap walker knows of them."""
        of_patch: Any = Const(0)
        if self._config.transforms:
            late_transform = delayed(m, self._index, READ_LATENCY, name="transform")
            of_patch = delayed(m, self._winograd, READ_LATENCY, name="of_patch")
            m.d.sync += [
                self.o_transform.eq(late_transform),
                self.o_patch_valid.eq(self.i_read_valid & of_patch),
            ]
        m.d.sync += [
            self.o_valid.eq(self.i_read_valid & ~of_patch),
            self.o_word.address.eq(delayed(m, taps.o.payload.pixel, READ_LATENCY, name="pixel")),
            self.o_last.eq(delayed(m, taps.o.payload.last, READ_LATENCY, name="last")),
        ]

    def _nest(self, instruction: Any) -> Any:
        """The instruction's loop nest; the feeder reads a Winograd pixel tile once for all."""
        whole = nest_of(instruction)
        if not self._config.transforms:
            return whole
        return _replaced(
            whole,
            is_winograd(self._config, instruction),
            channels=instruction.channel_tile,
            chunks=instruction.patches,
        )

    def _walk_patches(self, m: Module, walker: Any, instruction: Any) -> Any:
        """Patches from their first places, as blocks and transform can take them."""
        config = self._config
        m.submodules.patches = patches = Patches()
        winograd, index = self._winograd, self._index
        base = walker.o.payload
        free = ~base.extra.first | self.i_fits
        m.d.comb += [
            patches.i_last_row.eq(of_transform(config, index, lambda t: t.y.alpha - 1)),
            patches.i_last_column.eq(of_transform(config, index, lambda t: t.x.alpha - 1)),
            patches.i_height.eq(instruction.height),
            patches.i_row_step.eq(instruction.patch_row_step),
            patches.i_column_step.eq(instruction.patch_column_step),
            patches.i.payload.address.eq(base.address),
            patches.i.payload.row.eq(base.row),
            patches.i.payload.position.eq(base.position),
            patches.i.valid.eq(walker.o.valid & winograd & free),
            patches.o.ready.eq(self.o_read.ready & winograd),
            self.o_asks.eq(walker.o.valid & winograd & base.extra.first),
            self.o_block.eq(base.extra.block),
            self.o_reserve.eq(self.o_asks & self.i_fits & patches.i.ready),
        ]
        with m.If(winograd):
            m.d.comb += walker.o.ready.eq(patches.i.ready & free)
        # A patch of another transform must not follow too soon.
        gap = input_switch_gap(config.transforms)
        cooling = Signal(max(1, gap.bit_length()))
        with m.If(patches.o.valid):
            m.d.sync += cooling.eq(gap)
        with m.Elif(cooling != 0):
            m.d.sync += cooling.eq(cooling - 1)
        m.d.comb += self._busy.eq(patches.o.valid | (cooling != 0))
        return patches.o


def _registered(m: Module, value: Any, name: str) -> Signal:
    register = Signal(name=name)
    m.d.sync += register.eq(value)
    return register


def _replaced(nest: Any, condition: Any, **fields: Any) -> Any:
    """A nest with other values in some fields, where the condition holds."""
    values = [
        Mux(condition, fields[name], getattr(nest, name))[: Shape.cast(shape).width]
        if name in fields
        else getattr(nest, name)
        for name, shape in NEST.members.items()
    ]
    return NEST(Cat(values))


def _rows_of(instruction: Any) -> Any:
    """The instruction's nest with rows of the output for pixels."""
    own = {name: getattr(instruction, name) for name in NEST_FIELDS}
    values = {**own, "pixels": instruction.out_rows, "pixel_tile": instruction.tile_rows}
    shapes = {name: Shape.cast(shape).width for name, shape in NEST.members.items()}
    return NEST(Cat(Cat(value, Const(0, 32))[: shapes[name]] for name, value in values.items()))
