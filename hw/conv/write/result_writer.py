"""The writer: result words through their table, with the residual added, to their addresses."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from hw.conv.write.output_tiles import OutputTiles
from hw.conv.write.word_walk import ChannelGroups, PixelWalk, Track
from hw.isa import CONV, Dataflow
from hw.isa.config import OverlayConfig
from hw.isa.timing import (
    READ_LATENCY,
    RESIDUAL_LATENCY,
    RETIRE_LATENCY,
    TABLE_LATENCY,
    WRITER_LATENCY,
)
from hw.lib.algorithm import is_winograd, transform_index
from hw.lib.pipelining import delayed
from hw.lib.requantise import ResidualAdd
from hw.lib.table_lanes import TableLanes, table_write
from hw.lib.tensor_memory import read_request, write_request
from hw.lib.tiles import Tiles

WRITE_FIELDS = (
    "dataflow",
    "algorithm",
    "out_width",
    "out_rows",
    "image_width",
    "out_row_pitch",
    "residual_row_pitch",
    "pixels",
    "pixel_tile",
    "channels",
    "channel_tile",
    "out_address",
    "out_pitch",
    "residual",
    "residual_address",
    "residual_pitch",
    "factor",
    "residual_factor",
    "residual_offset",
    "residual_shift",
    "residual_zero",
    "residual_low",
    "residual_high",
    "table",
)
WRITE = data.StructLayout({name: CONV[name].shape for name in WRITE_FIELDS})


class Writer(wiring.Component):
    """Takes the words of each convolution in the order in which the array delivers them.

    WS: pixels ascending. IS: groups of up to C channels, in each the pixels ascending, a word's
    channels in its highest bytes. NS: a tile's pixels descending, for which the writer first walks
    up while the array still computes. Winograd: see `OutputTiles`. One word a cycle, or as the
    residual's reads are granted; writes have priority in the memory, so nothing behind the read
    ever waits.

    Members
    -------
    i : instructions.
    i_word : words of C bytes, from the output FIFO.
    o_read, i_read : a reader's port of the tensor memory (residual).
    i_table : writes of the tables.
    o_write : a writer's port of the tensor memory, the one of highest priority.
    o_retire : pulse, an instruction's last write has been accepted.
    o_busy : an instruction is under way.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(WRITE)),
                "i_word": In(stream.Signature(8 * config.columns)),
                "o_read": Out(stream.Signature(read_request())),
                "i_read": In(8 * config.tensor_word),
                "i_table": In(table_write(config)),
                "o_write": Out(stream.Signature(write_request(config))),
                "o_retire": Out(1),
                "o_busy": Out(1),
            }
        )
        self._instruction = Signal(WRITE)
        self._winograd = Signal(name="winograd")
        self._index = Signal(config.transform_bits, name="index")
        self._turned = Signal()  # a word's channels are in its highest bytes
        self._last_channels = Signal()  # Winograd: the word's are the pixel tile's last
        self._groups = ChannelGroups(columns=config.columns)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.tiles = tiles = Tiles()
        m.submodules.groups = groups = self._groups
        instruction = self._instruction
        begin, ready, final = Signal(), Signal(), Signal()
        taken = self.i_word.valid & self.i_word.ready
        done = delayed(m, final, RETIRE_LATENCY, name="done", reset_less=False)
        m.d.comb += [
            self.i.ready.eq(~self.o_busy),
            begin.eq(self.i.valid & self.i.ready),
            tiles.i_load.eq(begin),
            groups.i_begin.eq(begin),
            *self._nest(tiles),
            groups.i_channels.eq(tiles.o_channels),
            groups.i_turned.eq(self._turned),
            self.i_word.ready.eq(ready & (self.o_read.ready | ~instruction.residual)),
            self.o_read.valid.eq(ready & self.i_word.valid & instruction.residual),
            self.o_retire.eq(done),
        ]
        with m.If(begin):
            winograd = is_winograd(self._config, self.i.payload)
            m.d.sync += [
                self.o_busy.eq(1),
                instruction.eq(self.i.payload),
                self._winograd.eq(winograd),
                self._index.eq(transform_index(self._config, self.i.payload)),
                self._turned.eq((self.i.payload.dataflow == Dataflow.IS) & ~winograd),
            ]
        with m.If(done):
            m.d.sync += self.o_busy.eq(0)
        self._places(m, tiles, begin, taken, ready, final)
        return m

    def _nest(self, tiles: Tiles) -> list[Any]:
        """The words' loop nest: one step a tile."""
        instruction = self.i.payload
        sizes = ("pixels", "pixel_tile", "channels", "channel_tile")
        return [
            *(tiles.i_nest[name].eq(instruction[name]) for name in sizes),
            tiles.i_nest.chunks.eq(1),
            tiles.i_pixels_outside.eq(is_winograd(self._config, instruction)),
        ]

    def _places(
        self, m: Module, tiles: Tiles, begin: Signal, taken: Any, ready: Signal, final: Signal
    ) -> None:
        """Where the next word goes, by the walk that the instruction needs."""
        instruction, groups = self._instruction, self._groups
        m.submodules.walk = walk = PixelWalk()
        target, residual = self._tracks(m, walk)
        winograd = self._winograd
        leaves = Signal()  # the word is the last of its channels
        ends = taken & leaves & groups.o_last
        # The tile is its channel tile's last one, or the instruction's.  Between two tiles, no word
        # is taken for a cycle.
        last_pixels, last_tile = Signal(), Signal()
        m.d.sync += [last_pixels.eq(tiles.o_last_pixels), last_tile.eq(tiles.o_final)]
        m.d.comb += [
            walk.i_start.eq(begin & ~is_winograd(self._config, self.i.payload)),
            walk.i_descends.eq(instruction.dataflow == Dataflow.NS),
            walk.i_pixels.eq(tiles.o_pixels),
            walk.i_single.eq(tiles.o_single_pixel),
            walk.i_last_group.eq(groups.o_last),
            walk.i_last_pixels.eq(last_pixels),
            walk.i_final.eq(last_tile),
            walk.i_taken.eq(taken),
            ready.eq(walk.o_ready),
            leaves.eq(walk.o_leaves),
            groups.i_step.eq(taken & leaves),
            groups.i_move.group.eq(~groups.o_last),
            groups.i_move.tile.eq(groups.o_last & (winograd | last_pixels)),
            groups.i_move.again.eq(groups.o_last & ~(winograd | last_pixels)),
            groups.i_move.first.eq(winograd & self._last_channels),
            tiles.i_advance.eq(ends),
            final.eq(ends & last_tile),
        ]
        inside: Any = Const(1)
        if self._config.transforms:
            places = self._tile_places(m, tiles, begin, taken, ready, final)
            with m.If(winograd):
                m.d.comb += leaves.eq(places.o_last)
            inside = ~winograd | places.o_inside
            target = Mux(winograd, places.o_address, target)
            residual = Mux(winograd, places.o_residual, residual)
        self._transfer(m, target, residual, taken, inside)

    def _tracks(self, m: Module, walk: PixelWalk) -> list[Any]:
        """Addresses of the current pixel in result and residual."""
        instruction, addresses = self._instruction, []
        for name, base, pitch in (
            ("target", instruction.out_address, instruction.out_pitch),
            ("residual", instruction.residual_address, instruction.residual_pitch),
        ):
            m.submodules[name] = track = Track()
            m.d.comb += [track.i_base.eq(base), track.i_pitch.eq(pitch)]
            m.d.comb += [
                getattr(track, f"i_{strobe}").eq(getattr(walk.o_track, strobe))
                for strobe in Track.STROBES
            ]
            addresses.append(track.o_address)
        return addresses

    def _tile_places(
        self, m: Module, tiles: Tiles, begin: Signal, taken: Any, ready: Signal, final: Signal
    ) -> OutputTiles:
        """Winograd: the pixel of the next word; a tile's words follow each other by groups."""
        instruction, groups = self._instruction, self._groups
        m.submodules.places = places = OutputTiles(config=self._config)
        walking, opens = Signal(), Signal()
        at_word = Signal()  # the walk is at the next word's place
        m.d.comb += [
            places.i_begin.eq(opens),
            places.i_step.eq(taken),
            places.i_transform.eq(self._index),
            places.i_tiles.eq(tiles.o_pixels),
            places.i_last_channels.eq(self._last_channels),
            places.i_columns.eq(instruction.out_width),
            places.i_width.eq(instruction.image_width),
            places.i_height.eq(instruction.out_rows),
            places.i_address.eq(instruction.out_address),
            places.i_pitch.eq(instruction.out_pitch),
            places.i_row_pitch.eq(instruction.out_row_pitch),
            places.i_residual_address.eq(instruction.residual_address),
            places.i_residual_pitch.eq(instruction.residual_pitch),
            places.i_residual_row_pitch.eq(instruction.residual_row_pitch),
        ]
        # They are looked at with a tile's last word, its fourth or a later one.
        m.d.sync += self._last_channels.eq(tiles.o_last_channels & groups.o_last)
        m.d.sync += opens.eq(begin & is_winograd(self._config, self.i.payload))
        with m.If(opens):
            m.d.sync += walking.eq(1)
        with m.If(opens | (places.o_looks & walking)):
            m.d.sync += at_word.eq(1)
        with m.If(taken & places.o_last):
            m.d.sync += at_word.eq(0)
        with m.If(at_word):
            m.d.comb += ready.eq(1)
        with m.If(final):
            m.d.sync += walking.eq(0)
        return places

    def _transfer(self, m: Module, target: Any, residual: Any, taken: Any, inside: Any) -> None:
        """A word's way: table while the residual is read, addition, write; nothing on it waits."""
        config, instruction = self._config, self._instruction
        columns = config.columns
        lanes = unsigned(bits_for(columns))
        groups = self._groups
        start = Mux(self._winograd, groups.o_offset, groups.o_start)
        head = Signal(data.StructLayout({"address": 32, "low": lanes, "high": lanes}))
        low = Mux(self._turned, columns - groups.o_size, 0)[: lanes.width]
        m.d.comb += [
            self.o_read.payload.address.eq(residual + start),
            head.address.eq(delayed(m, target + start, 1, name="target")),
            head.low.eq(low),
            head.high.eq(low + groups.o_size),
        ]
        m.submodules.table = table = TableLanes(config=config, lanes=columns)
        m.d.comb += [
            table.i_write.eq(self.i_table),
            table.i_table.eq(instruction.table),
            table.i_word.eq(self.i_word.payload),
        ]
        word = delayed(m, table.o_word, READ_LATENCY - TABLE_LATENCY, name="word")
        m.submodules.add = add = ResidualAdd(lanes=columns)
        m.d.comb += [
            add.i_value.as_value().eq(word),
            add.i_residual.as_value().eq(self.i_read[: 8 * columns]),
            add.i_factor.eq(instruction.factor),
            add.i_residual_factor.eq(instruction.residual_factor),
            add.i_offset.eq(instruction.residual_offset),
            add.i_shift.eq(instruction.residual_shift),
            add.i_zero_point.eq(instruction.residual_zero),
            add.i_low.eq(instruction.residual_low),
            add.i_high.eq(instruction.residual_high),
        ]
        plain = delayed(m, word, RESIDUAL_LATENCY, name="plain")
        writes = delayed(m, taken & inside, WRITER_LATENCY, name="writes", reset_less=False)
        late = head.shape()(delayed(m, head.as_value(), WRITER_LATENCY - 1, name="head"))
        result = Mux(instruction.residual, add.o_result.as_value(), plain)
        m.d.comb += [
            self.o_write.valid.eq(writes),
            self.o_write.payload.address.eq(late.address),
            self.o_write.payload.low.eq(late.low),
            self.o_write.payload.high.eq(late.high),
            self.o_write.payload.data.eq(result),
        ]
