"""The sequencer: loader and streamer, their pops, and the waves aligned with the popped words."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect

from hw.conv.array.wave import wave_layout
from hw.conv.sequence.fed import fed_word
from hw.conv.sequence.issuer import STALL
from hw.conv.sequence.loader import SEQUENCE, WEIGHT_POP, Loader
from hw.conv.sequence.streamer import Streamer
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig
from hw.isa.timing import POP_LATENCY
from hw.lib.pipelining import delayed
from hw.lib.replay import WeightRead
from hw.lib.sizes import check_sizes


class Sequencer(wiring.Component):
    """Pops activation and weight words and issues the waves that use them.

    Members
    -------
    i : instructions, to loader and streamer alike.
    activations, weights : the reading sides of the activation FIFO and the weight buffer; their
    words go to the array directly, POP_LATENCY after the pop and with `o_wave`.
    scratch : with Winograd, the reading side of the scratch memory, likewise.
    i_turn_reserve, i_turn_done, o_turn_room : with Winograd, of the `OutputTurn`.
    i_last : the next activation word is its chunk's last (kn2row, WS).
    i_returned : the writer took an output word.
    o_wave, o_load_parameters, o_first_record : to the array.
    o_busy : see `Streamer`. o_issued, o_stall : likewise, of the cycle before.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        activations = WeightRead(depth=config.activation_depth, word_bits=fed_word(config).size)
        weights = WeightRead(depth=config.weight_words, word_bits=8 * config.weight_word_bytes)
        super().__init__(
            {
                "i": In(stream.Signature(SEQUENCE)),
                "activations": In(activations),
                "weights": In(weights),
                "i_last": In(1),
                **self._scratch_port(config),
                "i_returned": In(1),
                "o_wave": Out(wave_layout(config)),
                "o_load_parameters": Out(1),
                "o_first_record": Out(unsigned(16)),
                "o_issued": Out(1),
                "o_stall": Out(STALL),
                "o_busy": Out(1),
            }
        )

    @staticmethod
    def _scratch_port(config: OverlayConfig) -> dict[str, Any]:
        if not config.transforms:
            return {}
        words, bits = config.scratch_words, config.activation_bits
        turn = {"i_turn_reserve": In(1), "i_turn_done": In(1), "o_turn_room": Out(1)}
        return {"scratch": In(WeightRead(depth=words, word_bits=bits)), **turn}

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.loader = loader = Loader(config=self._config)
        m.submodules.streamer = streamer = Streamer(config=self._config)
        m.submodules.split = split = Split(shape=SEQUENCE, outputs=2)
        # A layer in IS may end while its last burst turns words for further columns.
        held = loader.o_turns & (self.i.payload.dataflow != Dataflow.IS)
        m.d.comb += [
            split.i.payload.eq(self.i.payload),
            split.i.valid.eq(self.i.valid & ~held),
            self.i.ready.eq(split.i.ready & ~held),
        ]
        connect(m, split.o_0, loader.i)
        connect(m, split.o_1, streamer.i)
        m.d.comb += [
            loader.i_swap.eq(streamer.o_swap),
            loader.i_finish.eq(streamer.o_finish),
            streamer.i_ready.eq(loader.o_ready),
            streamer.i_last.eq(self.i_last),
            streamer.i_returned.eq(self.i_returned),
            self.o_busy.eq(streamer.o_busy),
        ]
        m.d.sync += [self.o_issued.eq(streamer.o_issued), self.o_stall.eq(streamer.o_stall)]
        self._pop(m, loader, streamer)
        if self._config.transforms:
            self._winograd(m, loader, streamer)
        self._send(m, self._wave(m, loader, streamer), streamer)
        return m

    def _pop(self, m: Module, loader: Loader, streamer: Streamer) -> None:
        """Both see how many words there are; they never pop one kind at a time: see `Loader`."""
        for part in (loader, streamer):
            m.d.comb += [
                part.i_activations.eq(self.activations.level),
                part.i_weights.eq(self.weights.level),
            ]
        m.d.comb += streamer.i_some.eq(self.activations.some)
        pops = loader.o_activation_pop | streamer.o_activation_pop
        m.d.comb += self.activations.pop.eq(pops)
        _merge(m, self.weights, loader.o_weight_pop, streamer.o_weight_pop)

    def _winograd(self, m: Module, loader: Loader, streamer: Streamer) -> None:
        """The same of the scratch memory's words; and what the output turn must tell."""
        _merge(m, self.scratch, loader.o_scratch_pop, streamer.o_scratch_pop)
        m.d.comb += [
            loader.i_scratch.eq(self.scratch.level),
            streamer.i_some_scratch.eq(self.scratch.some),
            streamer.i_turn_reserve.eq(self.i_turn_reserve),
            streamer.i_turn_done.eq(self.i_turn_done),
            self.o_turn_room.eq(streamer.o_turn_room),
        ]

    def _wave(self, m: Module, loader: Loader, streamer: Streamer) -> Any:
        """This cycle's wave: the streamer's, with the loader's control of the shadow."""
        wave = Signal(wave_layout(self._config))
        m.d.comb += [
            wave.eq(streamer.o_wave),
            wave.enable.eq(streamer.o_wave.enable | loader.o_enable),
            wave.start.eq(streamer.o_wave.start | loader.o_start),
            wave.top.eq(streamer.o_wave.top | loader.o_top),
            wave.serial.eq(streamer.o_wave.serial | loader.o_serial),
            wave.serial_first.eq(streamer.o_wave.serial_first | loader.o_serial_first),
            wave.scratch.eq(streamer.o_wave.scratch | loader.o_scratch_pop.pop),
            wave.wide.eq(streamer.o_wave.wide | loader.o_wide),
            wave.turned.eq(loader.o_turned & ~streamer.o_wave.streaming),
        ]
        return wave

    def _send(self, m: Module, wave: Any, streamer: Streamer) -> None:
        """Wave and parameters leave together with the words that were popped for them."""
        for name, port, value in (
            ("wave", self.o_wave.as_value(), wave.as_value()),
            ("load_parameters", self.o_load_parameters, streamer.o_load_parameters),
            ("first_record", self.o_first_record, streamer.o_record),
        ):
            m.d.comb += port.eq(delayed(m, value, POP_LATENCY, name=name, reset_less=False))
        addressed = delayed(m, streamer.o_addressed, POP_LATENCY, name="addressed")
        with m.If(addressed):
            word = fed_word(self._config)(self.activations.data)
            m.d.comb += self.o_wave.tag.address.eq(word.address)


def _merge(m: Module, reader: Any, *pops: Any) -> None:
    """One reader for consumers that never use it in the same cycle."""
    for name in WEIGHT_POP.members:
        m.d.comb += getattr(reader, name).eq(reduce(or_, (getattr(pop, name) for pop in pops)))


class Split(wiring.Component):
    """Gives each transfer of ``i`` to all outputs, each of which takes it when it can.

    Members
    -------
    i : In, stream. o_K : Out, streams.
    """

    def __init__(self, *, shape: Any, outputs: int) -> None:
        check_sizes(1, outputs=outputs)
        self._outputs = range(outputs)
        signature = stream.Signature(shape)
        super().__init__({"i": In(signature), **{f"o_{k}": Out(signature) for k in self._outputs}})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        taken = Signal(len(self._outputs))
        now = Signal.like(taken)
        for k in self._outputs:
            output = getattr(self, f"o_{k}")
            m.d.comb += [
                output.payload.eq(self.i.payload),
                output.valid.eq(self.i.valid & ~taken[k]),
                now[k].eq(taken[k] | output.ready),
            ]
        m.d.comb += self.i.ready.eq(now.all())
        with m.If(self.i.valid):
            m.d.sync += taken.eq(now)
            with m.If(now.all()):
                m.d.sync += taken.eq(0)
        return m
