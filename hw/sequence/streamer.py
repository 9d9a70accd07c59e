"""The streamer issues the waves of every tile, one a cycle when nothing is missing."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.algorithm import is_winograd, of_transform, skips, transform_index
from hw.array.foot import REUSE_DISTANCE
from hw.array.wave import wave_layout
from hw.config import OverlayConfig
from hw.isa import Dataflow
from hw.sequence.drain import DRAINS, Drain
from hw.sequence.loader import SEQUENCE, WEIGHT_POP, begin_nest
from hw.sequence.resources import OutputRoom, ParameterSchedule
from hw.sequence.tiles import Tiles

STALL = data.StructLayout({"activation": 1, "weight": 1, "output": 1})


class Streamer(wiring.Component):
    """Issues waves; the array behind never stalls, so whatever a wave needs must be there first.

    WS: one activation word a wave; kn2row: a chunk ends with the word that says so, behind an
    all-zero wave (2 lanes), since pixels differ in the chunks they take. IS: weight words in atomic
    groups of at most C waves, behind an all-zero wave (2 lanes). NS: atomic chunks of R waves, then
    R waves that drain the sums. Result waves reserve their words in the output FIFO. In IS a
    group's closing wave keeps P cycles from the previous result, since P words leave the corner
    turn after it. Winograd in WS and IS: likewise, with an all-zero wave a chunk (2 lanes), but
    nothing results from the waves: a finished tile is left to the `Drain`, while the next one fills
    the other bank.

    Members
    -------
    i : instructions. i_ready : the loader's shadow is ready. i_activations, i_weights : words
    there. i_last : the next activation word is its chunk's last. i_scratch, o_scratch_pop : of the
    scratch memory. i_turn_reserve, i_turn_done, o_turn_room : of the `OutputTurn`. i_returned : the
    writer took a word from the output FIFO.
    o_swap : takes the loader's shadow. o_finish : an instruction's last wave. o_wave : this cycle's
    wave, but for what the loader adds. o_activation_pop, o_weight_pop. o_load_parameters,
    o_record : start of a parameter burst. o_addressed : the address of this cycle's wave comes with
    its word. o_issued : a wave was issued. o_stall : what the next wave waits for. o_busy : an
    instruction is under way.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(SEQUENCE)),
                "i_ready": In(1),
                "i_activations": In(unsigned(24)),
                "i_weights": In(unsigned(24)),
                "i_last": In(1),
                "i_scratch": In(unsigned(24)),
                "i_returned": In(1),
                "i_turn_reserve": In(1),
                "i_turn_done": In(1),
                "o_turn_room": Out(1),
                "o_swap": Out(1),
                "o_finish": Out(1),
                "o_wave": Out(wave_layout(config)),
                "o_activation_pop": Out(1),
                "o_scratch_pop": Out(WEIGHT_POP),
                "o_weight_pop": Out(WEIGHT_POP),
                "o_load_parameters": Out(1),
                "o_record": Out(unsigned(16)),
                "o_addressed": Out(1),
                "o_issued": Out(1),
                "o_stall": Out(STALL),
                "o_busy": Out(1),
            }
        )
        self._tiles = Tiles()
        self._parameters = ParameterSchedule(config=config)
        self._room = OutputRoom(config=config)
        self._instruction = Signal(SEQUENCE)
        self._active = Signal()
        self._step = Signal(16)  # waves of the tile (NS: of the chunk or the drain) so far
        self._done = Signal()  # this wave ends a step of the tiles' walk
        self._drained = Signal()  # NS: the tile's last wave was issued in the previous cycle
        self._settled = Signal()  # a first wave may reuse the previous tile's accumulators
        self._skips = Signal()  # kn2row, WS: chunks leave out pixels
        self._winograd = Signal()
        self._free = Signal()  # the bank that the next tile's waves fill
        self._idle = Signal()  # nothing is left to drain
        self._issue = Signal()  # a wave with sums (WS, IS)
        self._head = Signal()  # the all-zero wave of this chunk has been issued

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.tiles = tiles = self._tiles
        m.submodules.parameters = parameters = self._parameters
        m.submodules.room = room = self._room
        instruction, active = self._instruction, self._active
        accept = self.i.valid & self.i.ready
        m.d.comb += [
            self.i.ready.eq(~active & self._idle),
            tiles.i_load.eq(accept),
            *begin_nest(self._config, tiles, self.i.p),
            tiles.i_advance.eq(self._done),
            self.o_finish.eq(self._done & tiles.o_final),
            self.o_busy.eq(active),
            parameters.i_begin.eq(
                accept & (self.i.p.dataflow != Dataflow.IS) & ~is_winograd(self._config, self.i.p)
            ),
            parameters.i_record.eq(self.i.p.parameters),
            parameters.i_swap.eq(self.o_wave.tag.swap),
            parameters.i_more.eq(~tiles.o_last_channels & ~self.o_wave.tag.by_channel),
            self._winograd.eq(is_winograd(self._config, instruction)),
            self.o_load_parameters.eq(parameters.o_load),
            self.o_record.eq(parameters.o_record),
            room.i_returned.eq(self.i_returned),
            self._skips.eq(skips(instruction)),
        ]
        with m.If(accept):
            m.d.sync += [instruction.eq(self.i.p), active.eq(1)]
        with m.Elif(self.o_finish):
            m.d.sync += active.eq(0)
        self._settle(m)
        m.d.sync += self._drained.eq(0)
        m.d.comb += self.o_wave.drop.eq(self._drained)
        with m.If(active), m.Switch(instruction.dataflow):
            with m.Case(Dataflow.WS):
                self._weight_stationary(m)
            with m.Case(Dataflow.IS):
                self._input_stationary(m)
            with m.Case(Dataflow.NS):
                self._non_stationary(m)
        if self._config.transforms:
            self._drain(m)
        else:
            m.d.comb += [self._free.eq(1), self._idle.eq(1)]
        return m

    def _settle(self, m: Module) -> None:
        """Keeps REUSE_DISTANCE between the last wave of a very short tile and the next.

        Where pixels are left out, any wave of a chunk may be as near to any of the next.
        """
        wait = Signal(range(REUSE_DISTANCE))
        with m.If(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        short = self._step < REUSE_DISTANCE - 1
        with m.If(self._done & ~self._winograd & (self._skips | short)):
            m.d.sync += wait.eq(REUSE_DISTANCE - 1)
        m.d.comb += self._settled.eq(wait == 0)

    def _weight_stationary(self, m: Module) -> None:
        tiles, wave, step = self._tiles, self.o_wave, self._step
        first = step == 0
        winograd = self._winograd
        new_parameters = first & tiles.o_first_chunk & tiles.o_first_pixels & ~winograd
        exact = self._skips | winograd
        results = tiles.o_last_chunk & ~winograd
        own_head = exact if self._config.lanes == 2 else Const(0)
        loaded = Mux(own_head, self._head, self.i_ready) & self._settled
        here = Mux(winograd, self.i_scratch, self.i_activations) != 0
        free = self._free | ~(tiles.o_first_chunk & winograd)
        may_start = ~first | (loaded & free & (self._parameters.o_ready | ~new_parameters))
        may_end = ~results | (self._room.o_room != 0)
        issue = self._issue
        m.d.comb += [
            issue.eq(here & may_start & may_end),
            self.o_issued.eq(issue),
            self.o_stall.activation.eq(~here),
            self.o_stall.weight.eq(here & first & ~loaded),
            self.o_stall.output.eq(here & ~may_end),
        ]
        if self._config.lanes == 2:
            self._head_wave(m, exact & first)
        with m.If(issue):
            m.d.comb += [
                self.o_activation_pop.eq(~winograd),
                self.o_scratch_pop.pop.eq(winograd),
                self.o_scratch_pop.hold.eq(~tiles.o_last_channels),
                self.o_scratch_pop.rewind.eq(
                    winograd & self._done & tiles.o_last_chunk & ~tiles.o_last_channels
                ),
                wave.scratch.eq(winograd),
                self.o_swap.eq(first & ~own_head),
                self.o_addressed.eq(self._skips),
                wave.left.activation.eq(1),
                wave.swap.eq(first & ~own_head),
                wave.tag.valid.eq(1),
                wave.tag.first.eq(tiles.o_first_chunk),
                wave.tag.last.eq(results),
                wave.tag.exact.eq(exact),
                wave.tag.swap.eq(new_parameters),
                wave.tag.address.eq(step),
                self._done.eq(Mux(self._skips, self.i_last, step == tiles.o_pixels - 1)),
                self._room.i_reserve.eq(results),
                self._room.i_busy.eq(Mux(results, self._config.columns, 0)),
            ]
            m.d.sync += step.eq(Mux(self._done, 0, step + 1))

    def _drain(self, m: Module) -> None:
        """Winograd: a wave's accumulator, and what happens when a tile is finished."""
        config, tiles, wave, instruction = self._config, self._tiles, self.o_wave, self._instruction
        m.submodules.drain = drain = Drain(config=config)
        index = transform_index(config, instruction)
        bank = Signal()
        record = Signal(16)  # of the channel tile, minus the instruction's
        element = Signal(6)
        initial = Signal(init=1)  # the tile's first elements
        address = Signal(config.address_bits)
        last_element = element == of_transform(config, index, lambda t: t.elements - 1)
        finished = self._winograd & self._done & tiles.o_last_chunk
        by_channel = instruction.dataflow == Dataflow.IS
        pending = Signal(range(DRAINS + 1))
        m.d.sync += pending.eq(pending + finished - drain.o_done)
        m.d.comb += [
            self._free.eq(pending != DRAINS),
            self._idle.eq((pending == 0) & drain.o_idle),
            drain.i.valid.eq(finished),
            drain.i.p.by_channel.eq(by_channel),
            drain.i.p.units.eq(Mux(by_channel, tiles.o_channels, tiles.o_pixels)),
            drain.i.p.pixels.eq(tiles.o_pixels - 1),
            drain.i_turn_done.eq(self.i_turn_done),
            self.o_turn_room.eq(self._room.o_room != 0),
            drain.i.p.bank.eq(bank),
            drain.i.p.transform.eq(index),
            drain.i.p.record.eq(instruction.parameters + record),
            drain.i_room.eq(self._room.o_room),
            drain.i_parameters.eq(self._parameters.o_ready),
            wave.drain.eq(drain.o_drain),
        ]
        with m.If(drain.o_begin):
            m.d.comb += self._parameters.i_begin.eq(1)
            m.d.comb += self._parameters.i_record.eq(drain.o_record)
        with m.If(drain.o_swap):
            m.d.comb += [self._parameters.i_swap.eq(1), self._parameters.i_more.eq(0)]
        with m.If(drain.o_reserve != 0):
            m.d.comb += self._room.i_reserve.eq(drain.o_reserve)
        with m.If(self.i_turn_reserve):
            m.d.comb += self._room.i_reserve.eq(1)
        with m.If(self._winograd & self._issue):
            m.d.comb += [
                wave.tag.first.eq(initial),
                wave.tag.plain.eq(1),
                wave.tag.bank.eq(bank),
                wave.tag.address.eq(address),
            ]
            m.d.sync += address.eq(address + 1)
            with m.If(self._done):
                m.d.sync += element.eq(element + 1)
                with m.If(last_element):
                    m.d.sync += [element.eq(0), initial.eq(0), address.eq(0)]
        with m.If(finished):
            m.d.sync += [bank.eq(~bank), initial.eq(1)]
            m.d.sync += record.eq(Mux(tiles.o_last_channels, 0, record + tiles.o_channels))

    def _head_wave(self, m: Module, wanted: Value) -> None:
        """Two lanes: an all-zero wave swaps the shadow in and yields its own terms."""
        wave = self.o_wave
        with m.If(wanted & self.i_ready & ~self._head):
            m.d.comb += [
                self.o_swap.eq(1),
                self.o_issued.eq(1),
                wave.swap.eq(1),
                wave.tag.capture.eq(1),
                wave.tag.by_channel.eq(self._instruction.dataflow == Dataflow.IS),
            ]
            m.d.sync += self._head.eq(1)
        with m.If(self._done):
            m.d.sync += self._head.eq(0)

    def _input_stationary(self, m: Module) -> None:
        config, tiles, wave, step = self._config, self._tiles, self.o_wave, self._step
        columns = config.columns
        left = Signal(range(columns + 1))  # waves of the group still to come
        record = Signal(16)  # of the channel tile's first channel, minus the instruction's
        size = Signal.like(left)
        begin = Signal()
        m.d.comb += size.eq(
            Mux(tiles.o_channels - step < columns, tiles.o_channels - step, columns)
        )
        headed: Any = (step != 0) | (self.i_ready & self._settled)
        if config.lanes == 2:
            self._head_wave(m, (step == 0) & (left == 0))
            headed = (step != 0) | (self._head & self._settled)
        here = self.i_weights >= size
        apart = self._room.o_spacing <= size
        winograd = self._winograd
        results = tiles.o_last_chunk & ~winograd
        may_end = ~results | ((self._room.o_room >= tiles.o_pixels) & apart)
        free = self._free | ~(tiles.o_first_chunk & winograd)
        headed &= (step != 0) | free
        m.d.comb += [
            begin.eq((left == 0) & headed & here & may_end),
            self.o_stall.activation.eq((left == 0) & ~headed),
            self.o_stall.weight.eq((left == 0) & headed & ~here),
            self.o_stall.output.eq((left == 0) & headed & here & ~may_end),
        ]
        closes = Mux(begin, size == 1, left == 1)
        with m.If(begin):
            m.d.sync += left.eq(size - 1)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.If(begin | (left != 0)):
            close = closes & results
            ends = self._instruction.replay & tiles.o_last_chunk & self._done
            ends &= tiles.o_last_channels | ~winograd
            if config.lanes == 1:
                m.d.comb += [self.o_swap.eq(step == 0), wave.swap.eq(step == 0)]
            m.d.comb += [
                self.o_issued.eq(1),
                self.o_weight_pop.pop.eq(1),
                self.o_weight_pop.hold.eq(self._instruction.replay),
                self.o_weight_pop.rewind.eq(ends & ~tiles.o_last_pixels),
                self.o_weight_pop.release.eq(ends & tiles.o_last_pixels),
                self._issue.eq(1),
                wave.left.weight.eq(1),
                wave.wide.eq(winograd),
                wave.tag.valid.eq(1),
                wave.tag.first.eq(tiles.o_first_chunk),
                wave.tag.last.eq(results),
                wave.tag.by_channel.eq(1),
                wave.tag.exact.eq(winograd),
                wave.tag.swap.eq(~winograd),
                wave.tag.close.eq(close),
                wave.tag.address.eq(step),
                wave.tag.pixels.eq(tiles.o_pixels - 1),
                wave.tag.record.eq(self._instruction.parameters + record + step),
                self._done.eq(step == tiles.o_channels - 1),
                self._room.i_reserve.eq(Mux(close, tiles.o_pixels, 0)),
                self._room.i_busy.eq(Mux(close, tiles.o_pixels, 0)),
            ]
            m.d.sync += step.eq(Mux(self._done, 0, step + 1))
        with m.If(self.o_finish):
            m.d.sync += record.eq(0)
        with m.Elif(self._done & tiles.o_last_chunk & tiles.o_last_pixels):
            m.d.sync += record.eq(record + tiles.o_channels)

    def _non_stationary(self, m: Module) -> None:
        config, tiles, wave, step = self._config, self._tiles, self.o_wave, self._step
        rows = config.rows
        draining = Signal()
        owned = Signal()  # the tile is under way: the shadow chains are the streamer's
        last = step == rows - 1
        first = step == 0
        activations, weights = self.i_activations >= rows, self.i_weights >= rows
        new_parameters = tiles.o_first_pixels
        may_drain = (self._room.o_room >= tiles.o_pixels) & (
            self._parameters.o_ready | ~new_parameters
        )
        chunk = ~draining & (~first | (activations & weights))
        drain = draining & (~first | may_drain)
        ends = self._instruction.replay & tiles.o_last_chunk & last
        m.d.comb += [
            self.o_issued.eq(chunk | drain),
            self.o_stall.activation.eq(~draining & first & ~activations),
            self.o_stall.weight.eq(~draining & first & activations & ~weights),
            self.o_stall.output.eq(draining & first & ~may_drain),
            wave.streaming.eq(owned | chunk),
            wave.enable.eq(owned | chunk),
            wave.swap.eq(owned | chunk),
            wave.start.eq(chunk & ~owned),
            wave.clear.eq(chunk & ~owned),
        ]
        with m.If(self.o_issued):
            m.d.sync += step.eq(Mux(last, 0, step + 1))
        with m.If(chunk):
            m.d.comb += [
                self.o_activation_pop.eq(1),
                self.o_weight_pop.pop.eq(1),
                self.o_weight_pop.hold.eq(self._instruction.replay),
                self.o_weight_pop.rewind.eq(ends & ~tiles.o_last_pixels),
                self.o_weight_pop.release.eq(ends & tiles.o_last_pixels),
                wave.serial.eq(1),
                wave.serial_first.eq(first),
                wave.top.eq(1),
                self._done.eq(last & ~tiles.o_last_chunk),
            ]
            m.d.sync += [owned.eq(1), draining.eq(last & tiles.o_last_chunk)]
        with m.If(drain):
            delivers = rows - 1 - step < tiles.o_pixels
            m.d.comb += [
                wave.tag.valid.eq(delivers),
                wave.tag.first.eq(1),
                wave.tag.last.eq(1),
                wave.tag.swap.eq(first & new_parameters),
                self._done.eq(last),
                self._room.i_reserve.eq(delivers),
                self._room.i_busy.eq(Mux(delivers, config.columns, 0)),
            ]
            with m.If(last):
                m.d.sync += [draining.eq(0), owned.eq(0), self._drained.eq(1)]
