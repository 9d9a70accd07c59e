"""The processing element on a DSP48E2, the slice of Xilinx UltraScale and UltraScale+ (UG579)."""

from __future__ import annotations

import enum
from typing import Any

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.conv.array.element import element_ports
from hw.lib.pipelining import delayed
from hw.lib.sizes import check_sizes

SUM_BITS = 48  # of P, C and the cascade


class Above(enum.Enum):
    """Where an element gets the sum from above from."""

    NOTHING = "top"  # the column begins here
    CASCADE = "cascade"  # the slice above, by the dedicated wires of a DSP column
    FABRIC = "hop"  # a slice elsewhere, by general routing


class _Z(enum.IntEnum):
    """OPMODE[6:4]: what the adder's Z multiplexer passes."""

    ZERO = 0b000
    PCIN = 0b001
    P = 0b010
    C = 0b011


_Z_ABOVE = {Above.NOTHING: _Z.ZERO, Above.CASCADE: _Z.PCIN, Above.FABRIC: _Z.C}
_XY_PRODUCT = 0b0101  # OPMODE[3:0]: X and Y pass the two partial products
_W_ZERO = 0b00  # OPMODE[8:7]
_INMODE_A = 0b00000  # the multiplier takes the second A register and the second B register
_INMODE_D_PLUS_A = 0b00100  # the pre-adder adds D to the second A register

_ATTRIBUTES = {
    "A_INPUT": "DIRECT",
    "B_INPUT": "DIRECT",
    "PREADDINSEL": "A",
    "BMULTSEL": "B",
    "USE_MULT": "MULTIPLY",
    "USE_SIMD": "ONE48",
    "ADREG": 1,
    "DREG": 1,
    "MREG": 1,
    "PREG": 1,
    "OPMODEREG": 1,
    # Constant inputs need no registers.
    "INMODEREG": 0,
    "ALUMODEREG": 0,
    "CARRYINREG": 0,
    "CARRYINSELREG": 0,
}
_RESETS = ("A", "B", "C", "D", "M", "P", "CTRL", "INMODE", "ALUMODE", "ALLCARRYIN")
_CONSTANTS = {
    "ALUMODE": Const(0, 4),  # Z + W + X + Y + carry
    "CARRYIN": Const(0, 1),
    "CARRYINSEL": Const(0, 3),
    "CARRYCASCIN": Const(0, 1),
    "MULTSIGNIN": Const(0, 1),
    "ACIN": Const(0, 30),
    "BCIN": Const(0, 18),
    "CEA2": Const(1, 1),
    "CEB2": Const(1, 1),
    "CEM": Const(1, 1),
    "CEP": Const(1, 1),
    "CECTRL": Const(1, 1),
    "CEC": Const(0, 1),
    "CEINMODE": Const(0, 1),
    "CEALUMODE": Const(0, 1),
    "CECARRYIN": Const(0, 1),
    # Sums left over from before a reset never reach a result: registers without resets pack best.
    **{f"RST{name}": Const(0, 1) for name in _RESETS},
}


class DspElement(wiring.Component):
    """An `Element` in one DSP48E2: same function, same latencies, same ports and two more.

    Two lanes: s0 enters A, t1 is the D register (enabled by swap), the pre-adder yields s0 + t1;
    s1 + t0 is added in the fabric and registered in B.  One lane: s passes both A registers, t is
    the first B register.  OPMODE, registered in the slice, selects what the product is added to.

    Parameters
    ----------
    lanes, accumulator_bits, operand_bits : as `Element`'s.
    above : where the sum from above comes from; ``i_sum`` is only read over the fabric, where it
        passes the adder within the same cycle.

    Members
    -------
    i_cascade, o_cascade : PCIN and PCOUT, to be connected to nothing but each other.
    """

    def __init__(
        self, *, lanes: int, accumulator_bits: int, above: Above, operand_bits: int = 8
    ) -> None:
        ports = element_ports(
            lanes=lanes, accumulator_bits=accumulator_bits, operand_bits=operand_bits
        )
        check_sizes(1, SUM_BITS, accumulator_bits=accumulator_bits)
        self._lanes = lanes
        self._operand = operand_bits
        self._above = above
        super().__init__({**ports, "i_cascade": In(SUM_BITS), "o_cascade": Out(SUM_BITS)})

    def elaborate(self, platform: Any) -> Module:
        if platform is None:
            raise TypeError("a DSP48E2 cannot be simulated in Python: take the behavioural element")
        m = Module()
        shadow = Signal(self._operand * self._lanes, reset_less=True)
        m.d.comb += [
            self.o_stream.eq(delayed(m, self.i_stream, 1, name="stream")),
            self.o_shadow.eq(shadow),
        ]
        m.d.sync += [
            self.o_swap.eq(self.i_swap),
            self.o_local.eq(self.i_local),
            self.o_clear.eq(self.i_clear),
        ]
        with m.If(self.i_enable):
            m.d.sync += shadow.eq(self.i_shadow)

        z = Signal(3)
        own = Mux(self.i_clear, _Z.ZERO, _Z.P)
        m.d.comb += z.eq(Mux(self.i_local, own, _Z_ABOVE[self._above]))
        total = Signal(SUM_BITS)
        operands = self._plain(m) if self._lanes == 1 else self._fast(m)
        m.submodules.slice = Instance(
            "DSP48E2",
            *(("p", name, value) for name, value in _ATTRIBUTES.items()),
            *(("i", name, value) for name, value in _CONSTANTS.items()),
            *operands,
            *self._from_above(m),
            i_CLK=ClockSignal(),
            i_OPMODE=Cat(Const(_XY_PRODUCT, 4), z, Const(_W_ZERO, 2)),
            o_P=total,
            o_PCOUT=self.o_cascade,
        )
        m.d.comb += self.o_sum.eq(total)
        return m

    def _plain(self, m: Module) -> list[Any]:
        """A = s, B = t, two registers each."""
        return [
            *_chain("A", 2, Const(1, 1)),
            *_chain("B", 2, self.i_swap),
            ("p", "AMULTSEL", "A"),
            ("i", "INMODE", Const(_INMODE_A, 5)),
            ("i", "A", _extended(m, "a", self.i_stream.as_signed(), 30)),
            ("i", "B", _extended(m, "b", self.o_shadow.as_signed(), 18)),
            ("i", "D", Const(-1, 27)),  # an unused port draws least power high
            ("i", "CED", Const(0, 1)),
            ("i", "CEAD", Const(0, 1)),
        ]

    def _fast(self, m: Module) -> list[Any]:
        """A = s0, D = t1, B = s1 + t0."""
        width = self._operand
        active = Signal(signed(width), reset_less=True)
        with m.If(self.i_swap):
            m.d.sync += active.eq(self.o_shadow[:width].as_signed())
        return [
            *_chain("A", 1, Const(0, 1)),
            *_chain("B", 1, Const(0, 1)),
            ("p", "AMULTSEL", "AD"),
            ("i", "INMODE", Const(_INMODE_D_PLUS_A, 5)),
            ("i", "A", _extended(m, "a", self.i_stream[:width].as_signed(), 30)),
            ("i", "D", _extended(m, "d", self.o_shadow[width:].as_signed(), 27)),
            ("i", "CED", self.i_swap),
            ("i", "CEAD", Const(1, 1)),
            ("i", "B", _extended(m, "b", self.o_stream[width:].as_signed() + active, 18)),
        ]

    def _from_above(self, m: Module) -> list[Any]:
        fabric = self._above is Above.FABRIC
        return [
            ("p", "CREG", 0 if fabric else 1),
            ("i", "C", _extended(m, "c", self.i_sum, SUM_BITS) if fabric else Const(-1, SUM_BITS)),
            ("i", "PCIN", self.i_cascade if self._above is Above.CASCADE else Const(0, SUM_BITS)),
        ]


def _chain(port: str, registers: int, first_enable: Any) -> list[Any]:
    """Number of A or B registers; the first of two has an enable of its own."""
    return [
        ("p", f"{port}REG", registers),
        ("p", f"{port}CASCREG", registers),
        ("i", f"CE{port}1", first_enable),
    ]


def _extended(m: Module, name: str, value: Any, width: int) -> Any:
    """``value``, sign-extended to a port's width."""
    wide = Signal(signed(width), name=name)
    m.d.comb += wide.eq(value)
    return wide
