"""The foot of a column: correct, accumulate, requantise."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.conv.array.wave import drain_layout, read_layout, tag_layout
from hw.isa import PARAMETER
from hw.isa.config import OverlayConfig
from hw.lib.pipelining import delayed
from hw.lib.requantise import Requantise
from hw.winograd.output_transform import OutputTransform

# Winograd: the parameters swap; IS: for those that stand in the chain.
TAKE = data.StructLayout({"valid": 1, "by_channel": 1})


def foot_ports(config: OverlayConfig) -> dict[str, Any]:
    """The members of `Foot`."""
    total = signed(config.accumulator_bits)
    winograd = {"i_drain": In(drain_layout(config)), "o_drain": Out(drain_layout(config))}
    winograd |= {"i_take": In(TAKE), "o_take": Out(TAKE), "o_drained": Out(1)}
    return {
        **(winograd if config.transforms else {}),
        "i_sum": In(total),
        "i_correction": In(total),
        "i_tag": In(tag_layout(config)),
        "i_read": In(read_layout(config)),
        "i_record": In(PARAMETER),
        "i_latch": In(1),
        "o_correction": Out(total),
        "o_tag": Out(tag_layout(config)),
        "o_read": Out(read_layout(config)),
        "o_record": Out(PARAMETER),
        "o_result": Out(signed(8)),
    }


class SumBanks(wiring.Component):
    """The accumulators of a column: one bank; with Winograd two, of which one may be drained.

    Reads and writes every cycle. A sum can be read from the cycle after its write.

    Members
    -------
    i_read : where each bank is read.
    o_0, o_1 : what was read two cycles before, of each bank: memories have output registers.
    i_store, i_store_bank, i_store_address, i_sum : a sum to write.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        self._banks = range(len(read_layout(config).members))
        total = signed(config.accumulator_bits)
        super().__init__(
            {
                "i_read": In(read_layout(config)),
                **{f"o_{bank}": Out(total) for bank in self._banks},
                "i_store": In(1),
                "i_store_bank": In(1),
                "i_store_address": In(unsigned(config.address_bits)),
                "i_sum": In(total),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for bank in self._banks:
            output = getattr(self, f"o_{bank}")
            memory = Memory(shape=output.shape(), depth=self._config.accumulator_depth, init=[])
            m.submodules[f"sums_{bank}"] = memory
            read, write = memory.read_port(domain="sync"), memory.write_port()
            late = delayed(m, read.data, 1, name=f"read_{bank}")
            m.d.comb += [
                read.addr.eq(self.i_read[f"bank_{bank}"]),
                read.en.eq(1),
                output.eq(late),
                write.addr.eq(self.i_store_address),
                write.data.eq(self.i_sum),
                write.en.eq(self.i_store & (self.i_store_bank == bank)),
            ]
        return m


class Foot(wiring.Component):
    """Turns a column's partial sums into int8 results, one wave a cycle, without stalls.

    Subtracts the fast inner product's activation terms (2 lanes): in WS and NS those of the wave,
    which come along from column -1; in IS those of the tile, captured from its all-zero wave.  An
    `exact` wave subtracts the weights' terms, too, which come the other way.  A
    `first` wave adds the channel's bias, any other the accumulator at its address; a `last` wave is
    requantised, any other written back.  Waves on one address must be REUSE_DISTANCE apart.

    Members
    -------
    i_sum, i_tag : a wave's partial sum and tag, in the same cycle.
    i_correction, o_correction : activation terms from and to the neighbours, a cycle a column.
    i_read, o_read : where the accumulators are read, a cycle ahead of the wave or the element that
    it is for; a cycle a column.
    o_tag : the tag for the next column.
    i_record, o_record : the parameter chain, free running, a cycle a column.
    i_latch : all columns keep what stands in the chain as the next tile's parameters.
    o_result : int8, FOOT_LATENCY after the wave.

    With Winograd, accumulators come in two banks: while waves fill one, the other is read element
    by element for the output transform, whose results are requantised instead of waves.

    i_drain, o_drain : the element that is read, a cycle a column. i_take, o_take : parameters swap.
    o_drained : a result of the output transform enters requantisation, DRAINED_LATENCY before it
    stands at ``o_result``.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        super().__init__(foot_ports(config))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        m.submodules.sums = sums = SumBanks(config=config)
        m.submodules.requantise = requantise = Requantise(accumulator_bits=config.accumulator_bits)
        active = self._parameters(m)
        summed = self._accumulate(m, sums, active)
        m.d.sync += self.o_tag.eq(self.i_tag)
        for name in ("correction", "read", "record"):
            late = delayed(m, getattr(self, f"i_{name}"), 1, name=name)
            m.d.comb += getattr(self, f"o_{name}").eq(late)
        m.d.comb += [
            requantise.i_accumulator.eq(summed),
            self.o_result.eq(requantise.o_result),
        ]
        for name in ("mantissa", "shift", "zero_point", "low", "high"):
            late = delayed(m, getattr(active, name), 1, name=name)
            m.d.comb += getattr(requantise, f"i_{name}").eq(late)
        if config.transforms:
            finished = self._drain(m, sums, active)
            with m.If(self.o_drained):
                m.d.comb += requantise.i_accumulator.eq(finished)
        return m

    def _parameters(self, m: Module) -> Signal:
        """The parameters of the tile that is at the foot: latched before, or IS from the chain."""
        tag = self.i_tag
        following = Signal(PARAMETER, reset_less=True)
        active = Signal(PARAMETER, reset_less=True)
        with m.If(self.i_latch):
            m.d.sync += following.eq(self.i_record)
        with m.If(tag.swap):
            m.d.sync += active.eq(Mux(tag.by_channel, self.i_record, following))
        if self._config.transforms:
            with m.If(self.i_take.valid):
                m.d.sync += active.eq(Mux(self.i_take.by_channel, self.i_record, following))
        return active

    def _corrected(self, m: Module) -> Signal:
        """The partial sum without the fast inner product's terms, a cycle behind its wave."""
        tag = self.i_tag
        captured = Signal(signed(self._config.accumulator_bits), reset_less=True)
        value = Signal.like(captured)
        correction: Any = 0
        if self._config.lanes == 2:
            of_shadow = Mux(tag.by_channel | tag.exact, captured, 0)
            of_stream = Mux(tag.by_channel & ~tag.exact, 0, self.i_correction)
            correction = of_shadow + of_stream
        m.d.sync += value.eq(self.i_sum - correction)
        with m.If(tag.capture):
            m.d.sync += captured.eq(self.i_sum)
        return value

    def _accumulate(self, m: Module, sums: SumBanks, active: Any) -> Signal:
        """The wave's sum with what it continues, two cycles behind it; it is stored unless last."""
        late = self.o_tag
        summed = Signal(signed(self._config.accumulator_bits), reset_less=True)
        address = Signal.like(late.address, reset_less=True)
        previous: Any = sums.o_0
        start: Any = active.bias
        if self._config.transforms:
            previous = Mux(late.bank, sums.o_1, sums.o_0)
            start = Mux(late.plain, 0, active.bias)
        m.d.sync += [
            summed.eq(self._corrected(m) + Mux(late.first, start, previous)),
            sums.i_store_bank.eq(late.bank),
            address.eq(late.address),
            sums.i_store.eq(late.valid & ~late.last),
        ]
        m.d.comb += [
            sums.i_read.eq(self.i_read),
            sums.i_store_address.eq(address),
            sums.i_sum.eq(summed),
        ]
        return summed

    def _drain(self, m: Module, sums: SumBanks, active: Any) -> Signal:
        """A result of the output transform with its bias; it stands beside `o_drained`."""
        config = self._config
        m.submodules.transform = transform = OutputTransform(
            transforms=config.transforms,
            accumulator_bits=config.accumulator_bits,
            result_bits=config.result_bits,
        )
        finished = Signal(signed(config.accumulator_bits), reset_less=True)
        m.d.sync += [
            self.o_drain.eq(self.i_drain),
            self.o_take.eq(self.i_take),
            finished.eq(transform.o_result + active.bias),
            self.o_drained.eq(transform.o_valid),
        ]
        late = self.o_drain
        m.d.comb += [
            transform.i_valid.eq(late.valid),
            transform.i_transform.eq(late.transform),
            transform.i_value.eq(Mux(late.bank, sums.o_1, sums.o_0)),
        ]
        return finished
