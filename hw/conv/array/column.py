"""One column of PEs with its shadow chain's enables."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.conv.array.primitive import BEHAVIOURAL, Primitive
from hw.isa.config import OverlayConfig


def column_ports(config: OverlayConfig) -> dict[str, Any]:
    """The members of `Column`."""
    rows, operand = config.rows, config.operand_bits * config.lanes
    return {
        "i_stream": In(rows * operand),
        "i_swap": In(rows),
        "i_local": In(rows),
        "i_clear": In(rows),
        "o_stream": Out(rows * operand),
        "o_swap": Out(rows),
        "o_local": Out(rows),
        "o_clear": Out(rows),
        "i_shadow": In(operand),
        "i_enable": In(1),
        "i_start": In(1),
        "o_sum": Out(signed(config.accumulator_bits)),
    }


class Column(wiring.Component):
    """R PEs: streams pass from left to right, the shadow chain and the partial sums downwards.

    Row r of the shadow chain shifts while ``i_enable`` is high, from r cycles after ``i_start`` on
    and to the common end: after R cycles the first word is in the last row, and until row r takes
    part it keeps the previous burst's word, so a burst may start with the wave that swaps.

    Parameters
    ----------
    config : the overlay's.
    primitive : what the PEs are made of.

    Members
    -------
    i_stream, o_stream : R operand words, row 0 lowest; row r is one cycle behind row r - 1.
    i_swap, i_local, i_clear, o_swap, o_local, o_clear : a bit a row, see `Element`.
    i_shadow, i_enable, i_start : top of the shadow chain.
    o_sum : the last row's partial sum, R - 1 + ELEMENT_LATENCY after row 0's stream.
    """

    def __init__(self, *, config: OverlayConfig, primitive: Primitive = BEHAVIOURAL) -> None:
        self._config = config
        self._primitive = primitive
        super().__init__(column_ports(config))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        operand = config.operand_bits * config.lanes
        elements: list[Any] = []
        for row in range(config.rows):
            element = self._primitive.element(
                row,
                lanes=config.lanes,
                accumulator_bits=config.accumulator_bits,
                operand_bits=config.operand_bits,
            )
            m.submodules[f"row_{row}"] = element
            elements.append(element)
        if self._primitive.cascades:
            for upper, lower in pairwise(elements):
                m.d.comb += lower.i_cascade.eq(upper.o_cascade)

        enable = self.i_enable
        shadow: Any = self.i_shadow
        total: Any = 0
        for row, element in enumerate(elements):
            m.d.comb += [
                element.i_stream.eq(self.i_stream.word_select(row, operand)),
                element.i_swap.eq(self.i_swap[row]),
                element.i_local.eq(self.i_local[row]),
                element.i_clear.eq(self.i_clear[row]),
                element.i_shadow.eq(shadow),
                element.i_enable.eq(enable),
                element.i_sum.eq(total),
            ]
            shadow, total = element.o_shadow, element.o_sum
            follows = Signal(name=f"follows_{row}")
            m.d.sync += follows.eq(enable)
            enable = follows & self.i_enable & ~self.i_start
        for port in ("stream", "swap", "local", "clear"):
            rows = Cat(getattr(e, f"o_{port}") for e in elements)
            m.d.comb += getattr(self, f"o_{port}").eq(rows)
        m.d.comb += self.o_sum.eq(total)
        return m
