"""The processing element on a MULT18X18D, the multiplier of Lattice ECP5 (FPGA-TN-02205)."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal, Value, signed

from hw.conv.array.element import Element
from hw.lib.sizes import check_sizes

FACTOR_BITS = 18
PRODUCT_BITS = 2 * FACTOR_BITS

_ATTRIBUTES = {
    "REG_INPUTA_CLK": "CLK0",
    "REG_INPUTB_CLK": "CLK0",
    "REG_OUTPUT_CLK": "CLK0",
    # What the element's registers hold after a reset never reaches a result.
    "GSR": "DISABLED",
}
_HIGH = ("SIGNEDA", "SIGNEDB", "CE0")
_LOW = (
    *("SOURCEA", "SOURCEB"),
    *(f"{name}{number}" for name in ("CLK", "CE") for number in (1, 2, 3)),
    *(f"RST{number}" for number in range(4)),
    *(f"C{bit}" for bit in range(FACTOR_BITS)),
)
"""Not the shifted factors SRIA and SRIB: no wire but a neighbour's shift output reaches them."""


class MultElement(Element):
    """An `Element` whose factors and product are the registers of one MULT18X18D.

    With two lanes the multiplier takes the factors of the fast inner product, so that it serves
    two multiply-accumulates a cycle as a DSP48E2 does.  The slice's own adder serves two
    multipliers of one block at a time; a column's sums are added in the fabric instead, which
    leaves their places free.
    """

    def __init__(self, *, lanes: int, accumulator_bits: int, operand_bits: int = 8) -> None:
        super().__init__(lanes=lanes, accumulator_bits=accumulator_bits, operand_bits=operand_bits)
        check_sizes(1, FACTOR_BITS, factor_bits=operand_bits + lanes - 1)

    def elaborate(self, platform: Any) -> Module:
        if platform is None:
            raise TypeError("a MULT18X18D cannot be simulated in Python: take the behavioural one")
        return super().elaborate(platform)

    def product(self, m: Module, left: Value, right: Value) -> Value:
        """The multiplier, between its input and its output registers."""
        a, b = (Signal(signed(FACTOR_BITS), name=name) for name in ("a", "b"))
        product = Signal(signed(PRODUCT_BITS))
        m.d.comb += [a.eq(left), b.eq(right)]
        m.submodules.multiplier = Instance(
            "MULT18X18D",
            *(("p", name, value) for name, value in _ATTRIBUTES.items()),
            *(("i", name, Const(1, 1)) for name in _HIGH),
            *(("i", name, Const(0, 1)) for name in _LOW),
            *(("i", f"A{bit}", a[bit]) for bit in range(FACTOR_BITS)),
            *(("i", f"B{bit}", b[bit]) for bit in range(FACTOR_BITS)),
            *(("o", f"P{bit}", product[bit]) for bit in range(PRODUCT_BITS)),
            i_CLK0=ClockSignal(),
        )
        return product
