"""One term of the rows of B^T: the words it needs, and the one of a row, shifted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory, WritePort
from amaranth.lib.wiring import In, Out

from hw.isa.transforms import Dimension, choice_bits
from hw.lib.sizes import check_sizes
from hw.winograd.steps import lookup, step_bits
from hw.winograd.terms import SLOTS, slotted_rows


class Slot(wiring.Component):
    """Keeps the words at a slot's positions, two banks of groups, in distributed RAM.

    A row that leaves the slot empty reads an entry that is never written: zero.

    Parameters
    ----------
    slot : which, see `slotted_rows`.
    axes, lanes, input_bits : as of `LineTransform`.
    lines : greatest number of lines of a group.

    Members
    -------
    i_write, i_transform, i_position, i_line, i_bank, i_word : In. A word and its place.
    i_read_transform, i_row, i_read_line, i_read_bank : In. A row of B^T and a line to apply it to.
    o_terms : Out. The slot's term of them, without its sign, in the next cycle.
    """

    def __init__(
        self,
        *,
        slot: int,
        axes: Sequence[Dimension],
        lanes: int,
        input_bits: int,
        lines: int,
    ) -> None:
        check_sizes(0, SLOTS - 1, slot=slot)
        check_sizes(1, lanes=lanes, input_bits=input_bits, lines=lines)
        self._table = {
            (choice, row): slots[slot]
            for choice, axis in enumerate(axes)
            for row, slots in enumerate(slotted_rows(axis))
        }
        self._terms = {key: term for key, term in self._table.items() if term is not None}
        self._positions = {
            choice: sorted({t.position for (c, _), t in self._terms.items() if c == choice})
            for choice in range(len(axes))
        }
        self._places = {
            (choice, position): place
            for choice, found in self._positions.items()
            for place, position in enumerate(found)
        }
        most = max(len(found) for found in self._positions.values())
        self._place_bits = max(1, (most - 1).bit_length())  # one position, too, has an address
        self._shifts = sorted({term.shift for term in self._terms.values()})
        self._lanes = lanes
        needs_zero = len(self._terms) < len(self._table)
        self._line_bits = max(1, (lines - 1 + needs_zero).bit_length())
        self._input_bits = input_bits
        self._term = signed(input_bits + self._shifts[-1])
        step = step_bits([axis.alpha for axis in axes])
        super().__init__(
            {
                "i_write": In(1),
                "i_transform": In(choice_bits(axes)),
                "i_position": In(step),
                "i_line": In(range(max(2, lines))),
                "i_bank": In(1),
                "i_word": In(data.ArrayLayout(signed(input_bits), lanes)),
                "i_read_transform": In(choice_bits(axes)),
                "i_row": In(step),
                "i_read_line": In(range(max(2, lines))),
                "i_read_bank": In(1),
                "o_terms": Out(data.ArrayLayout(self._term, lanes)),
            }
        )

    @property
    def term_bits(self) -> int:
        """Width of a term."""
        return self._term.width

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.words = words = Memory(
            shape=unsigned(self._lanes * self._input_bits),
            depth=1 << (1 + self._place_bits + self._line_bits),
            init=[],
        )
        write, read = words.write_port(), words.read_port(domain="comb")
        self._write(m, write)
        chosen = self._address(m, read.addr)
        for lane in range(self._lanes):
            word = read.data.word_select(lane, self._input_bits).as_signed()
            term = word << self._shifts[0]
            for index, shift in enumerate(self._shifts[1:], 1):
                term = Mux(chosen == index, word << shift, term)
            m.d.comb += self.o_terms[lane].eq(term)
        return m

    def _write(self, m: Module, write: WritePort) -> None:
        """Keeps the word if its position is one of the slot's."""
        wanted = Signal()
        with m.Switch(Cat(self.i_position, self.i_transform)):
            for choice, position in self._places:
                with m.Case(choice << len(self.i_position) | position):
                    m.d.comb += wanted.eq(1)
        place, line = Signal(self._place_bits), Signal(self._line_bits)
        m.d.comb += [
            place.eq(lookup(m, self.i_transform, self.i_position, self._places, name="place_of")),
            line.eq(self.i_line),
            write.addr.eq(Cat(line, place, self.i_bank)),
            write.data.eq(self.i_word),
            write.en.eq(self.i_write & wanted),
        ]

    def _address(self, m: Module, read: Signal) -> Signal:
        """Drives ``read`` with the address of the row's word, in the next cycle.

        Returns which of the slot's shifts the word needs, in that same cycle.
        """
        at = (self.i_read_transform, self.i_row)
        empty_rows = {key: int(term is None) for key, term in self._table.items()}
        sources = {key: self._places[key[0], t.position] for key, t in self._terms.items()}
        selects = {key: self._shifts.index(t.shift) for key, t in self._terms.items()}
        empty = lookup(m, *at, empty_rows, name="empty")
        address = Signal.like(read, reset_less=True)
        chosen = Signal(range(max(2, len(self._shifts))), reset_less=True)
        read_line, source = Signal(self._line_bits), Signal(self._place_bits)
        m.d.comb += [
            read_line.eq(self.i_read_line | empty[0].replicate(self._line_bits)),
            source.eq(lookup(m, *at, sources, name="source_of")),
            read.eq(address),
        ]
        m.d.sync += [
            address.eq(Cat(read_line, source, self.i_read_bank)),
            chosen.eq(lookup(m, *at, selects, name="select")),
        ]
        return chosen
