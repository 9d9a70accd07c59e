"""One dimension of the input transform: words of a line in, rows of B^T times the line out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.isa.timing import LINE_LATENCY
from hw.isa.transforms import Dimension, choice_bits
from hw.lib.pipelining import delayed
from hw.lib.sizes import check_sizes
from hw.winograd.adder import add_signed
from hw.winograd.slot import Slot
from hw.winograd.steps import StepRun, Table, Walk, lookup
from hw.winograd.terms import relative_signs, used_slots


class LineTransform(wiring.Component):
    """B^T times lines of alpha words, one word in and one result out per cycle.

    A group is a number of parallel lines: for every position a word of each line in, any gaps
    between them; for every line alpha results out, in consecutive cycles, the first one
    LINE_LATENCY after the first word at the last position.

    Each slot delivers a term of a row of B^T per cycle, an adder each joins slots 0 and 1, 2 and 3,
    and the two sums.

    Parameters
    ----------
    lanes : independent lines side by side in a word.
    axes : the configured transforms' along this dimension.
    lines : lines of a group, for each of them.
    input_bits, output_bits : of a word's lanes; sums are modulo 2**output_bits.

    Members
    -------
    i_valid, i_transform, i_word : In.
    o_valid, o_transform, o_word : Out.
    o_index, o_last : Out. The result's index in its group, lines outside, rows of B^T inside.
    """

    def __init__(
        self,
        *,
        lanes: int,
        axes: Sequence[Dimension],
        lines: Sequence[int],
        input_bits: int,
        output_bits: int,
    ) -> None:
        check_sizes(1, lanes=lanes, input_bits=input_bits, output_bits=output_bits)
        self._axes = tuple(axes)
        self._lanes, self._lines = lanes, tuple(lines)
        self._alphas = tuple(axis.alpha for axis in self._axes)
        self._input_bits, self._output_bits = input_bits, output_bits
        results = max(n * alpha for n, alpha in zip(self._lines, self._alphas, strict=True))
        super().__init__(
            {
                "i_valid": In(1),
                "i_transform": In(choice_bits(self._axes)),
                "i_word": In(data.ArrayLayout(signed(input_bits), lanes)),
                "o_valid": Out(1),
                "o_transform": Out(choice_bits(self._axes)),
                "o_word": Out(data.ArrayLayout(signed(output_bits), lanes)),
                "o_index": Out(unsigned((results - 1).bit_length())),
                "o_last": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.walk = walk = Walk(outer=self._alphas, inner=self._lines)
        m.submodules.run = run = StepRun(outer=self._lines, inner=self._alphas)
        bank, read_bank = Signal(), Signal()
        first_at_last = walk.o_last_outer & (walk.o_inner == 0)
        m.d.comb += [
            walk.i_valid.eq(self.i_valid),
            walk.i_transform.eq(self.i_transform),
            run.i_start.eq(self.i_valid & first_at_last),
            run.i_transform.eq(self.i_transform),
        ]
        with m.If(self.i_valid & walk.o_last):
            m.d.sync += bank.eq(~bank)
        with m.If(run.i_start):
            m.d.sync += read_bank.eq(bank)

        slots = {index: self._slot(index) for index in used_slots(self._axes)}
        for index, slot in slots.items():
            m.submodules[f"slot_{index}"] = slot
            m.d.comb += [
                slot.i_write.eq(self.i_valid),
                slot.i_transform.eq(self.i_transform),
                slot.i_position.eq(walk.o_outer),
                slot.i_line.eq(walk.o_inner),
                slot.i_bank.eq(bank),
                slot.i_word.eq(self.i_word),
                slot.i_read_transform.eq(run.o_transform),
                slot.i_row.eq(run.o_inner),
                slot.i_read_line.eq(run.o_outer),
                slot.i_read_bank.eq(read_bank),
            ]
        self._add(m, run, slots)

        index = Signal.like(self.o_index)
        with m.If(run.o_valid):
            m.d.sync += index.eq(Mux(run.o_last, 0, index + 1))
        control = Cat(run.o_last, run.o_transform, index)
        m.d.comb += [
            self.o_valid.eq(
                delayed(m, run.o_valid, LINE_LATENCY - 1, name="valid", reset_less=False)
            ),
            Cat(self.o_last, self.o_transform, self.o_index).eq(
                delayed(m, control, LINE_LATENCY - 1, name="control")
            ),
        ]
        return m

    def _slot(self, index: int) -> Slot:
        return Slot(
            slot=index,
            axes=self._axes,
            lanes=self._lanes,
            input_bits=self._input_bits,
            lines=max(self._lines),
        )

    def _add(self, m: Module, run: StepRun, slots: dict[int, Slot]) -> None:
        """The tree of adders, from the slots' terms to the output word."""
        signs = relative_signs(self._axes)
        negative = {
            slot: self._sign(m, run, signs[slot], delay, name=f"negative_{slot}")
            for slot, delay in ((1, 1), (2, 2), (3, 1))  # beside the second operand of the adder
            if slot in slots
        }
        for lane in range(self._lanes):
            halves = []
            for left, right in ((0, 1), (2, 3)):
                if left not in slots:
                    continue
                bits = slots[left].term_bits
                total = slots[left].o_terms[lane]
                if right in slots:
                    bits = max(bits, slots[right].term_bits) + 1
                    total = add_signed(total, slots[right].o_terms[lane], negative[right])
                half = Signal(signed(bits), name=f"half_{left}_{lane}", reset_less=True)
                m.d.sync += half.eq(total)
                halves.append(half)
            first, *others = halves
            total = add_signed(first, others[0], negative[2]) if others else first
            m.d.sync += self.o_word[lane].eq(total)

    def _sign(self, m: Module, run: StepRun, table: Table, delay: int, *, name: str) -> Value:
        sign = lookup(m, run.o_transform, run.o_inner, table, name=name)
        return sign if isinstance(sign, Const) else delayed(m, sign, delay, name=name)
