"""Small parts of fixed-rate pipelines: delays and byte rotation."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hw.lib.sizes import check_sizes


def delayed(m: Module, value: Any, cycles: int, *, name: str, reset_less: bool = True) -> Any:
    """``value``, that many cycles later; without reset it fits a shift register primitive."""
    for index in range(cycles):
        register = Signal(value.shape(), name=f"{name}_{index}", reset_less=reset_less)
        m.d.sync += register.eq(value)
        value = register
    return value


def skewed(m: Module, word: Value, width: int, *, name: str) -> list[Value]:
    """The parts of ``word``, ``width`` bits each; part k comes k + 1 cycles later.

    Parts that travel together share a register: less to elaborate and to simulate.
    """
    parts = []
    for number in range(len(word) // width):
        register = Signal(len(word), name=f"{name}_{number}", reset_less=True)
        m.d.sync += register.eq(word)
        parts.append(register[:width])
        word = register[width:]
    return parts


class Rotate(wiring.Component):
    """Rotation of a word's bytes: lane i of ``o`` is lane (i + ``i_amount``) mod ``lanes``.

    Latency two cycles, one word a cycle: the upper half of the amount's bits first, then the rest.

    Parameters
    ----------
    lanes : bytes of a word, a power of two.

    Members
    -------
    i, i_amount : In. Word and amount, sampled together.
    o : Out. The rotated word, two cycles later.
    """

    def __init__(self, *, lanes: int) -> None:
        check_sizes(2, power=True, lanes=lanes)
        self._bits = exact_log2(lanes)
        super().__init__(
            {
                "i": In(8 * lanes),
                "i_amount": In(self._bits),
                "o": Out(8 * lanes),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        split = self._bits // 2
        coarse = Signal(len(self.i), reset_less=True)
        fine_amount = Signal(split, reset_less=True)
        m.d.sync += [
            coarse.eq(_rotated(self.i, self.i_amount, range(split, self._bits))),
            fine_amount.eq(self.i_amount),
            self.o.eq(_rotated(coarse, fine_amount, range(split))),
        ]
        return m


def _rotated(word: Value, amount: Value, bits: range) -> Value:
    for bit in bits:
        word = Mux(amount[bit], word.rotate_right(8 << bit), word)
    return word
