"""One dimension of the output transform: elements of a line in, the sums A^T makes of them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.isa.transforms import Dimension, choice_bits
from hw.lib.pipelining import delayed
from hw.lib.sizes import check_sizes
from hw.winograd.adder import add_signed
from hw.winograd.steps import Table, Walk, lookup, step_bits


def common_shift(axes: Sequence[Dimension]) -> int:
    """Power of two in the sums of `Scatter`: all scales are aligned to the largest."""
    return max(axis.scale_shift for axis in axes)


@dataclass(frozen=True)
class Coefficient:
    """What a row of A^T does with an element: which of ``shifts``, its sign, whether it counts."""

    shifts: tuple[int, ...]
    chosen: Value
    negative: Value
    used: Value


class Scatter(wiring.Component):
    """Adds every element of a line to the line's m sums, each with its coefficient of A^T.

    A sum has an accumulator of its own: one adder of a shifted element.  The elements pass the
    accumulators one cycle after another, each behind the register of its coefficient, so that the
    sums end, and leave, one after another:
    elements come with any gaps, a line's sums leave in consecutive cycles.  The last element has no
    zero coefficient, so its sum is the result and the accumulator is cleared by its reset.

    Parameters
    ----------
    axes : the configured transforms' along this dimension.
    bits : of an element; arithmetic is modulo 2**bits.

    Members
    -------
    i_valid, i_transform, i_value : In. An element.
    i_position, i_last : In. Its position in the line; the line's last.
    o_valid, o_transform, o_value : Out. A sum, without its `common_shift` lowest bits, which are
        zero; the first SCATTER_LATENCY after the line's last element.
    """

    def __init__(self, *, axes: Sequence[Dimension], bits: int) -> None:
        check_sizes(1, bits=bits)
        self._axes = tuple(axes)
        self._sums = tuple(axis.m for axis in self._axes)
        self._bits = bits
        super().__init__(
            {
                "i_valid": In(1),
                "i_transform": In(choice_bits(self._axes)),
                "i_value": In(signed(bits)),
                "i_position": In(step_bits([axis.alpha for axis in self._axes])),
                "i_last": In(1),
                "o_valid": Out(1),
                "o_transform": Out(choice_bits(self._axes)),
                "o_value": Out(signed(bits - common_shift(self._axes))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        valid, last, value = self.i_valid, self.i_valid & self.i_last, self.i_value
        place = Cat(self.i_position, self.i_transform)
        sums, first = [], valid
        for row in range(max(self._sums)):
            coefficient = self._coefficient(m, row, place)
            valid = delayed(m, valid, 1, name=f"valid_{row}", reset_less=False)
            last = delayed(m, last, 1, name=f"last_{row}", reset_less=False)
            value = delayed(m, value, 1, name=f"value_{row}")
            place = delayed(m, place, 1, name=f"place_{row}")
            if not row:
                first, transform = last, place[len(self.i_position) :]
            sums.append(self._accumulate(m, row, last, valid, value, coefficient))
        self._deliver(m, sums, first, transform)
        return m

    def _deliver(self, m: Module, sums: Sequence[Value], first: Value, transform: Value) -> None:
        """The sums leave in the cycles in which they are completed, the first with ``first``."""
        m.submodules.turn = turn = Walk(outer=[1] * len(self._sums), inner=self._sums)
        later = turn.o_inner != 0
        m.d.comb += [
            turn.i_valid.eq(first | later),
            turn.i_transform.eq(Mux(later, self.o_transform, transform)),
        ]
        shift = common_shift(self._axes)
        m.d.sync += [
            self.o_valid.eq(turn.i_valid),
            self.o_transform.eq(turn.i_transform),
            self.o_value.eq(Array([total[shift:] for total in sums])[turn.o_inner]),
        ]

    def _coefficient(self, m: Module, row: int, place: Value) -> Coefficient:
        """Of a row of A^T, in the cycle behind ``place``."""
        coefficients = self._coefficients(row)
        filled = {key: c for key, c in coefficients.items() if c}
        shifts = sorted({abs(c).bit_length() - 1 for c in filled.values()})
        position, transform = place[: len(self.i_position)], place[len(self.i_position) :]

        def at(name: str, table: Table) -> Value:
            found = lookup(m, transform, position, table, name=f"{name}_of_{row}")
            return found if isinstance(found, Const) else delayed(m, found, 1, name=f"{name}_{row}")

        return Coefficient(
            shifts=tuple(shifts),
            chosen=at(
                "shift", {k: shifts.index(abs(c).bit_length() - 1) for k, c in filled.items()}
            ),
            negative=at("negative", {key: int(c < 0) for key, c in filled.items()}),
            used=at("used", {key: int(c != 0) for key, c in coefficients.items()}),
        )

    def _accumulate(
        self, m: Module, row: int, last: Value, valid: Value, value: Value, times: Coefficient
    ) -> Signal:
        """The accumulator of a row of A^T: its sum with the present value."""
        term = value << times.shifts[0]
        for index, shift in enumerate(times.shifts[1:], 1):
            term = Mux(times.chosen == index, value << shift, term)
        total = Signal(self._bits, name=f"total_{row}")
        summed = Signal(self._bits, name=f"sum_{row}")
        m.d.comb += summed.eq(add_signed(total, term[: self._bits], times.negative))
        with m.If(last):
            m.d.sync += total.eq(0)
        with m.Elif(valid & times.used):
            m.d.sync += total.eq(summed)
        return summed

    def _coefficients(self, row: int) -> dict[tuple[int, int], int]:
        """Of a row of A^T, by transform and position; all scales aligned."""
        shift = common_shift(self._axes)
        return {
            (choice, position): (axis.output_matrix[row][position] if row < axis.m else 0)
            << (shift - axis.scale_shift)
            for choice, axis in enumerate(self._axes)
            for position in range(axis.alpha)
        }
