"""The writer: result words to their addresses, with the residual added on the way."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from hw.algorithm import is_winograd, transform_index
from hw.config import OverlayConfig
from hw.isa import CONV, Dataflow
from hw.memory import READ_LATENCY, read_request, write_request
from hw.output_tiles import OutputTiles
from hw.pipeline import delayed
from hw.requantise import RESIDUAL_LATENCY, ResidualAdd
from hw.sequence.tiles import NEST, Tiles

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
)
WRITE = data.StructLayout({name: CONV[name].shape for name in WRITE_FIELDS})
WRITER_LATENCY = READ_LATENCY + RESIDUAL_LATENCY  # cycles from a word to its write


class Track(wiring.Component):
    """The address of the current pixel of one tensor, by additions.

    Members
    -------
    i_base, i_pitch : of the tensor; held.
    i_image : to the first pixel, a tile's first.
    i_tile : what follows is a new tile, behind the highest pixel so far.
    i_restart : back to the tile's first pixel.
    i_up, i_down : to the next or the previous pixel.
    o_address : of the current pixel.
    """

    def __init__(self) -> None:
        strobes = {f"i_{name}": In(1) for name in ("image", "tile", "restart", "up", "down")}
        address = unsigned(32)
        ports = {"i_base": In(address), "i_pitch": In(unsigned(24)), "o_address": Out(address)}
        super().__init__({**ports, **strobes})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        first, highest = Signal(32), Signal(32)
        with m.If(self.i_up):
            m.d.sync += self.o_address.eq(self.o_address + self.i_pitch)
            m.d.sync += highest.eq(self.o_address + self.i_pitch)
        with m.If(self.i_down):
            m.d.sync += self.o_address.eq(self.o_address - self.i_pitch)
        with m.If(self.i_restart):
            m.d.sync += self.o_address.eq(first)
        with m.If(self.i_tile):
            following = highest + self.i_pitch
            m.d.sync += [self.o_address.eq(following), first.eq(following), highest.eq(following)]
        with m.If(self.i_image):
            m.d.sync += [
                self.o_address.eq(self.i_base),
                first.eq(self.i_base),
                highest.eq(self.i_base),
            ]
        return m


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
                "o_write": Out(stream.Signature(write_request(config))),
                "o_retire": Out(1),
                "o_busy": Out(1),
            }
        )
        self._instruction = Signal(WRITE)
        self._offset = Signal(16)  # channel of the tile's or the group's first byte
        self._size = Signal(16)  # channels of a word
        self._begin = Signal()
        self._last_group = Signal()  # the word's channels are the channel tile's last
        self._last_word = Signal()  # Winograd: of a pixel tile's channels

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        instruction = self._instruction
        m.submodules.tiles = tiles = Tiles()
        m.submodules.target = target = Track()
        m.submodules.residual = residual = Track()
        tracks = (target, residual)
        m.d.comb += [
            target.i_base.eq(instruction.out_address),
            target.i_pitch.eq(instruction.out_pitch),
            residual.i_base.eq(instruction.residual_address),
            residual.i_pitch.eq(instruction.residual_pitch),
        ]
        taken = self.i_word.valid & self.i_word.ready
        final = Signal()
        done = delayed(m, final, WRITER_LATENCY + 1, name="done", reset_less=False)
        self._walk(m, tiles, tracks, taken, final, done)
        addresses: tuple[Any, Any] = target.o_address, residual.o_address
        inside: Any = Const(1)
        if self._config.transforms:
            places = self._places(m, tiles, taken)
            winograd = is_winograd(self._config, instruction)
            inside = ~winograd | places.o_inside
            addresses = (
                Mux(winograd, places.o_address, target.o_address),
                Mux(winograd, places.o_residual, residual.o_address),
            )
        self._transfer(m, *addresses, taken, inside)
        m.d.comb += self.o_retire.eq(done)
        return m

    def _walk(
        self, m: Module, tiles: Tiles, tracks: Any, taken: Any, final: Any, done: Any
    ) -> None:
        """The loop nest of words: which pixel and which channels the next word holds."""
        columns = self._config.columns
        instruction, offset, size = self._instruction, self._offset, self._size
        strobes = {n: Signal(name=n) for n in ("image", "tile", "restart", "up", "down")}
        for track in tracks:
            m.d.comb += [getattr(track, f"i_{n}").eq(s) for n, s in strobes.items()]
        nest = Signal(NEST)
        for name in ("pixels", "pixel_tile", "channels", "channel_tile"):
            m.d.comb += getattr(nest, name).eq(getattr(self.i.p, name))
        pixel = Signal(16)
        grouped = Signal(16)  # channels of the tile in earlier groups
        by_channel = instruction.dataflow == Dataflow.IS
        descends = instruction.dataflow == Dataflow.NS
        rest = tiles.o_channels - grouped
        last_group = self._last_group
        last_pixel = pixel == tiles.o_pixels - 1
        m.d.comb += [
            last_group.eq(rest <= columns),
            nest.chunks.eq(1),
            tiles.i_nest.eq(nest),
            size.eq(Mux(last_group, rest, columns)),
            self.o_busy.eq(1),
            tiles.i_pixels_outside.eq(is_winograd(self._config, self.i.p)),
        ]
        winograd = is_winograd(self._config, instruction)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [self.i.ready.eq(1), tiles.i_load.eq(self.i.valid), self.o_busy.eq(0)]
                with m.If(self.i.valid):
                    m.d.sync += [instruction.eq(self.i.p), offset.eq(0), pixel.eq(0)]
                    m.next = "IMAGE"
            with m.State("IMAGE"):
                m.d.comb += [strobes["image"].eq(1), self._begin.eq(1)]
                m.next = "CLIMB"
                with m.If(winograd):
                    m.next = "TILES"
            with m.State("CLIMB"):
                climbs = descends & ~last_pixel
                m.d.comb += strobes["up"].eq(climbs)
                m.d.sync += pixel.eq(Mux(climbs, pixel + 1, 0))
                with m.If(~climbs):
                    m.next = "WORDS"
            with m.State("WORDS"):
                m.d.comb += self.i_word.ready.eq(self.o_read.ready | ~instruction.residual)
                m.d.comb += self.o_read.valid.eq(self.i_word.valid & instruction.residual)
                with m.If(taken & ~last_pixel):
                    m.d.comb += [strobes["down"].eq(descends), strobes["up"].eq(~descends)]
                    m.d.sync += pixel.eq(pixel + 1)
                with m.If(taken & last_pixel):
                    m.d.sync += pixel.eq(0)
                with m.If(taken & last_pixel & ~last_group & by_channel):
                    m.d.comb += strobes["restart"].eq(1)
                    m.d.sync += [grouped.eq(grouped + columns), offset.eq(offset + columns)]
                with m.Elif(taken & last_pixel):
                    m.d.comb += [tiles.i_advance.eq(1), final.eq(tiles.o_final)]
                    m.d.comb += strobes["tile"].eq(~tiles.o_last_pixels)
                    m.d.sync += grouped.eq(0)
                    m.next = "CLIMB"
                    with m.If(tiles.o_last_pixels):
                        m.d.sync += offset.eq(offset + size)
                        m.next = "IMAGE"
                    with m.Else():
                        m.d.sync += offset.eq(offset - grouped)
                    with m.If(tiles.o_final):
                        m.next = "DRAIN"
            with m.State("TILES"):
                m.d.comb += self.i_word.ready.eq(self.o_read.ready | ~instruction.residual)
                m.d.comb += self.o_read.valid.eq(self.i_word.valid & instruction.residual)
                with m.If(taken & self._last_word):
                    ends = tiles.o_last_channels & last_group
                    m.d.comb += [tiles.i_advance.eq(last_group)]
                    m.d.comb += final.eq(tiles.o_final & last_group)
                    m.d.sync += offset.eq(Mux(ends, 0, offset + size))
                    m.d.sync += grouped.eq(Mux(last_group, 0, grouped + columns))
                    with m.If(final):
                        m.next = "DRAIN"
            with m.State("DRAIN"):
                with m.If(done):
                    m.next = "IDLE"

    def _places(self, m: Module, tiles: Tiles, taken: Any) -> OutputTiles:
        """Winograd: the pixel of the next word."""
        instruction = self._instruction
        m.submodules.places = places = OutputTiles(config=self._config)
        m.d.comb += [
            places.i_begin.eq(self._begin),
            places.i_step.eq(taken),
            places.i_transform.eq(transform_index(self._config, instruction)),
            places.i_tiles.eq(tiles.o_pixels),
            places.i_last_channels.eq(tiles.o_last_channels & self._last_group),
            places.i_columns.eq(instruction.out_width),
            places.i_width.eq(instruction.image_width),
            places.i_height.eq(instruction.out_rows),
            places.i_address.eq(instruction.out_address),
            places.i_pitch.eq(instruction.out_pitch),
            places.i_row_pitch.eq(instruction.out_row_pitch),
            places.i_residual_address.eq(instruction.residual_address),
            places.i_residual_pitch.eq(instruction.residual_pitch),
            places.i_residual_row_pitch.eq(instruction.residual_row_pitch),
            self._last_word.eq(places.o_last),
        ]
        return places

    def _transfer(self, m: Module, target: Any, residual: Any, taken: Any, inside: Any) -> None:
        """A word's way: residual read, addition, write; nothing on it waits."""
        config, instruction = self._config, self._instruction
        columns = config.columns
        lanes = unsigned(bits_for(columns))
        low = Signal(lanes)
        turned = (instruction.dataflow == Dataflow.IS) & ~is_winograd(config, instruction)
        m.d.comb += low.eq(Mux(turned, columns - self._size, 0))
        head = Signal(data.StructLayout({"valid": 1, "address": 32, "low": lanes, "high": lanes}))
        m.d.comb += [
            self.o_read.p.address.eq(residual + self._offset - low),
            head.valid.eq(taken & inside),
            head.address.eq(target + self._offset - low),
            head.low.eq(low),
            head.high.eq(low + self._size),
        ]
        word = delayed(m, self.i_word.payload, READ_LATENCY, name="word")
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
        late = head.shape()(
            delayed(m, head.as_value(), WRITER_LATENCY, name="head", reset_less=False)
        )
        result = Mux(instruction.residual, add.o_result.as_value(), plain)
        m.d.comb += [
            self.o_write.valid.eq(late.valid),
            self.o_write.p.address.eq(late.address),
            self.o_write.p.low.eq(late.low),
            self.o_write.p.high.eq(late.high),
            self.o_write.p.data.eq(result),
        ]
