"""The streamer issues the waves of every tile, one a cycle when nothing is missing."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.conv.array.wave import wave_layout
from hw.conv.sequence.accumulators import TileAccumulators
from hw.conv.sequence.drain import Drain
from hw.conv.sequence.input_stationary import InputStationary
from hw.conv.sequence.issuer import LEVEL, STALL, request_layout, sight_layout
from hw.conv.sequence.loader import SEQUENCE, WEIGHT_POP, begin_nest
from hw.conv.sequence.non_stationary import NonStationary
from hw.conv.sequence.wave_resources import OutputRoom, ParameterSchedule
from hw.conv.sequence.weight_stationary import WeightStationary
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig
from hw.isa.timing import REUSE_DISTANCE, collector_busy
from hw.lib.algorithm import is_winograd, skips, transform_index
from hw.lib.counted_steps import Steps
from hw.lib.tiles import Tiles

ISSUERS = {
    Dataflow.WS: WeightStationary,
    Dataflow.IS: InputStationary,
    Dataflow.NS: NonStationary,
}
# What an issuer decides alone, and what it knows from the current tile.
_OUTPUTS = ("issued", "swap", "activation_pop", "scratch_pop", "weight_pop", "addressed", "stall")
_POSITION = (
    *("pixels", "channels", "single_pixel", "single_channel"),
    *("first_chunk", "last_chunk", "first_pixels", "last_pixels", "last_channels"),
)


class Streamer(wiring.Component):
    """Issues waves; the array behind never stalls, so whatever a wave needs must be there first.

    One of three `Issuer`s decides, by the instruction's dataflow; the streamer walks the tiles,
    keeps parameters and output room, issues the all-zero waves that an issuer asks for (2 lanes),
    and hands finished Winograd tiles to the `Drain`.

    Members
    -------
    i : instructions, taken once the last one's waves are issued and, but for Winograd behind
    Winograd of the same transform in WS, all sums are drained.
    i_ready : the loader's shadow is ready. i_activations, i_weights : words there.
    i_last : the next activation word is its chunk's last. i_some, i_some_scratch : there is
    an activation word, and one of the scratch memory's. o_scratch_pop : of the scratch memory.
    i_turn_reserve, i_turn_done, o_turn_room : of the `OutputTurn`. i_returned : the writer took a
    word from the output FIFO.
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
                "i_activations": In(LEVEL),
                "i_weights": In(LEVEL),
                "i_last": In(1),
                "i_some": In(1),
                "i_some_scratch": In(1),
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
        self._instruction = Signal(SEQUENCE)
        self._sight = Signal(sight_layout(config))
        self._request = Signal(request_layout(config))
        self._idle = Signal()  # nothing is left to drain
        self._free = Signal()  # Winograd: the bank that the next tile's waves fill
        # The last tile has settled in the next cycle, if this one does not end; it must settle.
        self._rests, self._waits = Signal(), Signal()
        # Of the instruction.
        self._flow = Signal(len(ISSUERS))  # none while there is none
        self._winograd, self._skips, self._exact, self._reuses = (
            Signal(name=name) for name in ("winograd", "skips", "exact", "reuses")
        )
        self._index = Signal(config.transform_bits, name="index")

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.tiles = tiles = Tiles()
        m.submodules.parameters = parameters = ParameterSchedule(config=self._config)
        m.submodules.room = room = OutputRoom(config=self._config)
        request = self._request
        accept = self.i.valid & self.i.ready
        m.d.comb += [
            self.i.ready.eq(~self.o_busy & (self._idle | self._drains_alike())),
            tiles.i_load.eq(accept),
            *begin_nest(self._config, tiles, self.i.payload),
            tiles.i_advance.eq(request.done),
            self.o_finish.eq(request.done & tiles.o_final),
            self.o_wave.eq(request.wave),
            *(getattr(self, f"o_{name}").eq(request[name]) for name in _OUTPUTS),
        ]
        with m.If(accept):
            instruction = self.i.payload
            m.d.sync += [
                self._instruction.eq(instruction),
                self.o_busy.eq(1),
                self._flow.eq(Cat(instruction.dataflow == flow for flow in ISSUERS)),
                self._winograd.eq(is_winograd(self._config, instruction)),
                self._skips.eq(skips(instruction)),
                self._exact.eq(is_winograd(self._config, instruction) | skips(instruction)),
                self._reuses.eq(
                    ~is_winograd(self._config, instruction)
                    & (instruction.dataflow != Dataflow.NS)  # whose sums wait in the PEs
                ),
                self._index.eq(transform_index(self._config, instruction)),
            ]
        with m.Elif(self.o_finish):
            m.d.sync += [self.o_busy.eq(0), self._flow.eq(0)]
        self._look(m, tiles, parameters, room)
        self._ask(m)
        self._head(m)
        self._schedule(m, accept, tiles, parameters, room)
        if self._config.transforms:
            self._drain(m, tiles, parameters, room)
        else:
            m.d.comb += [self._free.eq(1), self._idle.eq(1)]
        self._open(m, accept, tiles, parameters)
        return m

    def _drains_alike(self) -> Any:
        """WS, Winograd: the drain serves the next instruction beside this one: transforms agree.

        Its jobs bring whatever differs.
        """
        return (self._instruction.drained & self.i.payload.drained).any()

    def _look(self, m: Module, tiles: Tiles, parameters: Any, room: Any) -> None:
        """What the issuers see."""
        sight, request, instruction = self._sight, self._request, self._instruction
        step = Signal(16)
        with m.If(request.restart):
            m.d.sync += step.eq(0)
        with m.Elif(request.advance):
            m.d.sync += step.eq(step + 1)
        m.submodules.steps = steps = Steps(bits=16)
        rows, (by_pixel, by_channel, _) = self._config.rows, self._flow
        m.d.comb += [
            steps.i_count.eq(rows),
            steps.i_single.eq(rows == 1),
            steps.i_advance.eq(request.advance),
            steps.i_start.eq(request.restart),
            sight.first.eq(steps.o_first),
            sight.ends.eq(steps.o_ends),
            sight.step.eq(step),
            *(sight[name].eq(getattr(tiles, f"o_{name}")) for name in _POSITION),
            sight.winograd.eq(self._winograd),
            sight.skips.eq(self._skips),
            sight.exact.eq(self._exact),
            sight.replay.eq(instruction.replay),
            sight.parameters.eq(instruction.parameters),
            sight.activations.eq(self.i_activations),
            sight.weights.eq(self.i_weights),
            sight.some.eq(self.i_some),
            sight.some_scratch.eq(self.i_some_scratch),
            sight.chunk_ends.eq(self.i_last),
            sight.loaded.eq(self.i_ready),
            sight.room.eq(room.o_room),
            sight.some_room.eq(room.o_some),
            sight.spacing.eq(room.o_spacing),
            sight.parameters_ready.eq(parameters.o_ready),
        ]
        with m.If(by_pixel):
            m.d.comb += steps.i_count.eq(tiles.o_pixels)
            m.d.comb += steps.i_single.eq(tiles.o_single_pixel)
        with m.If(by_channel):
            m.d.comb += steps.i_count.eq(tiles.o_channels)
            m.d.comb += steps.i_single.eq(tiles.o_single_channel)
        self._settle(m)

    def _settle(self, m: Module) -> None:
        """Keeps REUSE_DISTANCE between waves on one accumulator, of two chunks.

        Those of a chunk of so many waves are as far apart, and a shorter chunk rests for as many
        cycles as it lacks. Where pixels are left out, its last wave may be on the accumulator of
        the next one's first.
        """
        sight = self._sight
        wait = Signal(range(REUSE_DISTANCE))
        settled = Signal(init=1)  # nothing is to be waited for
        lacks = Signal.like(wait, init=REUSE_DISTANCE - 1)  # if the present wave is the last
        short = Signal(init=1)  # it lacks any
        m.d.comb += [self._rests.eq(wait <= 1), self._waits.eq(self._reuses & short)]
        with m.If(wait != 0):
            m.d.sync += [wait.eq(wait - 1), settled.eq(self._rests)]
        with m.If(self._request.done & self._waits):
            m.d.sync += [wait.eq(lacks), settled.eq(0)]
        with m.If(self._request.restart):
            m.d.sync += [lacks.eq(REUSE_DISTANCE - 1), short.eq(1)]
        with m.Elif(self._request.advance & short & ~sight.skips):
            m.d.sync += [lacks.eq(lacks - 1), short.eq(lacks != 1)]
        m.d.comb += sight.settled.eq(settled)

    def _open(self, m: Module, accept: Any, tiles: Tiles, parameters: Any) -> None:
        """Whether a tile's first wave need not wait, in the next cycle.

        Behind a tile's last wave it is not looked whether it must, if it may have to.
        """
        sight, instruction = self._sight, self.i.payload
        waits = sight.first_chunk & sight.first_pixels & ~self._flow[1]
        bank = self._free | ~sight.first_chunk
        may_wait = sight.last_chunk & (self._winograd | (sight.last_pixels & ~self._flow[1]))
        follows = Mux(self._winograd, bank, parameters.o_soon | ~waits)
        is_open = Signal()
        m.d.comb += sight.open.eq(is_open)
        next_open = Mux(self._request.done, ~may_wait & ~self._waits, follows)
        m.d.sync += is_open.eq(self._rests & next_open)
        with m.If(accept):
            by_channel = instruction.dataflow == Dataflow.IS
            plain = by_channel & ~is_winograd(self._config, instruction)
            m.d.sync += is_open.eq(self._rests & plain)

    def _ask(self, m: Module) -> None:
        """The request of the issuer at work; the others' are zero."""
        asked: Any = 0
        for mine, (dataflow, kind) in zip(self._flow, ISSUERS.items(), strict=True):
            issuer = kind(config=self._config)
            m.submodules[dataflow.name.lower()] = issuer
            m.d.comb += [
                issuer.i_active.eq(mine),
                issuer.i.eq(self._sight),
            ]
            asked |= issuer.o.as_value()
        m.d.comb += self._request.eq(asked)

    def _head(self, m: Module) -> None:
        """Two lanes: an all-zero wave swaps the shadow in and yields its own terms."""
        sight, request, wave = self._sight, self._request, self.o_wave
        headed = Signal()
        m.d.comb += sight.headed.eq(headed)
        with m.If(request.head & sight.loaded & ~headed):
            m.d.comb += [
                self.o_swap.eq(1),
                self.o_issued.eq(1),
                wave.swap.eq(1),
                wave.tag.capture.eq(1),
                wave.tag.by_channel.eq(self._flow[1]),
            ]
            m.d.sync += headed.eq(1)
        with m.If(request.done):
            m.d.sync += headed.eq(0)

    def _schedule(self, m: Module, accept: Any, tiles: Tiles, parameters: Any, room: Any) -> None:
        """Parameter bursts, and the room that waves with results take."""
        by_channel = self.i.payload.dataflow == Dataflow.IS
        m.d.comb += [
            parameters.i_begin.eq(
                accept & ~by_channel & ~is_winograd(self._config, self.i.payload)
            ),
            parameters.i_record.eq(self.i.payload.parameters),
            parameters.i_swap.eq(self.o_wave.tag.swap),
            parameters.i_more.eq(~tiles.o_last_channels & ~self.o_wave.tag.by_channel),
            self.o_load_parameters.eq(parameters.o_load),
            self.o_record.eq(parameters.o_record),
            room.i_returned.eq(self.i_returned),
            room.i_reserve.eq(self._request.reserve),
            room.i_words.eq(Mux(self._flow[1], self._sight.pixels, 1)),
            room.i_busy.eq(self._request.busy),
        ]

    def _drain(self, m: Module, tiles: Tiles, parameters: Any, room: Any) -> None:
        """Winograd: results come from finished tiles, not from waves."""
        sight, request, instruction = self._sight, self._request, self._instruction
        _, by_channel, _ = self._flow
        m.submodules.accumulators = tile = TileAccumulators(config=self._config)
        m.submodules.drain = drain = Drain(config=self._config)
        m.d.comb += [
            tile.i_wave.eq(sight.winograd & request.sums),
            tile.i_done.eq(request.done),
            tile.i_last_chunk.eq(sight.last_chunk),
            tile.i_last_channels.eq(sight.last_channels),
            tile.i_channels.eq(sight.channels),
            tile.i_transform.eq(self._index),
            drain.i.valid.eq(tile.o_finished),
            drain.i.payload.by_channel.eq(by_channel),
            drain.i.payload.units.eq(Mux(by_channel, sight.channels, sight.pixels)),
            drain.i.payload.single.eq(
                Mux(by_channel, tiles.o_single_channel, tiles.o_single_pixel)
            ),
            drain.i.payload.pixels.eq(sight.pixels - 1),
            drain.i.payload.bank.eq(tile.o_bank),
            drain.i.payload.transform.eq(tile.i_transform),
            drain.i.payload.record.eq(instruction.parameters + tile.o_record),
            drain.i_room.eq(room.o_room),
            drain.i_parameters.eq(parameters.o_ready),
            drain.i_turn_done.eq(self.i_turn_done),
            self.o_turn_room.eq(room.o_some & room.o_clear),
            self.o_wave.drain.eq(drain.o_drain),
            self._free.eq(drain.o_free),
            self._idle.eq(drain.o_idle),
        ]
        with m.If(drain.o_drain.valid & ~drain.o_drain.by_channel):
            busy = collector_busy(self._config.columns, self._config.transforms)
            m.d.comb += room.i_busy.eq(busy)
        with m.If(tile.i_wave):
            m.d.comb += [
                self.o_wave.tag.first.eq(tile.o_first),
                self.o_wave.tag.plain.eq(1),
                self.o_wave.tag.bank.eq(tile.o_bank),
                self.o_wave.tag.address.eq(tile.o_address),
            ]
        with m.If(drain.o_begin):
            m.d.comb += [parameters.i_begin.eq(1), parameters.i_record.eq(drain.o_record)]
        with m.If(drain.o_swap):
            m.d.comb += [parameters.i_swap.eq(1), parameters.i_more.eq(0)]
        # Only one of them reserves while an instruction is under way.
        reserve = self._request.reserve | drain.o_reserve | self.i_turn_reserve
        with m.If(self._winograd):
            m.d.comb += room.i_words.eq(drain.o_words)
        m.d.comb += room.i_reserve.eq(reserve)
