"""How the rows of B^T are added up: signed shifted terms in at most four slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hw.isa.transforms import Dimension, TransformError

SLOTS = 4  # the row is (slot 0 + slot 1) + (slot 2 + slot 3)
_FILLED = {1: (0,), 2: (0, 2), 3: (0, 3, 2), 4: (0, 3, 1, 2)}  # slot of each term of a row


@dataclass(frozen=True)
class Term:
    """``(-1)**negative * 2**shift`` times the word at a position of the line."""

    position: int
    shift: int
    negative: bool


SlottedRow = tuple[Term | None, Term | None, Term | None, Term | None]


def slotted_rows(axis: Dimension) -> tuple[SlottedRow, ...]:
    """The rows of B^T by slot.

    Terms are placed in the order of their positions, so that a slot sees few positions (two in
    F(2,3) and F(4,3)), few shifts, and in slots 1 and 3 a constant sign relative to its neighbour.
    """
    return tuple(_slotted(row) for row in axis.input_matrix)


def _slotted(row: Sequence[int]) -> SlottedRow:
    terms = [
        Term(position, shift, coefficient < 0)
        for position, coefficient in reversed(list(enumerate(row)))
        for shift in range(abs(coefficient).bit_length())
        if abs(coefficient) >> shift & 1
    ]
    if len(terms) > SLOTS or terms[0] != Term(terms[0].position, 0, False):
        raise TransformError(f"row {tuple(row)} does not fit in {SLOTS} slots")
    slots: list[Term | None] = [None] * SLOTS
    for slot, term in zip(_FILLED[len(terms)], terms, strict=True):
        slots[slot] = term
    first, second, third, fourth = slots
    return first, second, third, fourth


def used_slots(axes: Sequence[Dimension]) -> tuple[int, ...]:
    """The slots that some row fills."""
    rows = [row for axis in axes for row in slotted_rows(axis)]
    return tuple(slot for slot in range(SLOTS) if any(row[slot] for row in rows))


def relative_signs(axes: Sequence[Dimension]) -> dict[int, dict[tuple[int, int], int]]:
    """By slot, then by transform and row: is its adder's second operand subtracted?

    Slot 0 is always added; slot 2 gives the second sum its sign, and slot 3 is relative to it.
    """
    signs: dict[int, dict[tuple[int, int], int]] = {1: {}, 2: {}, 3: {}}
    for choice, axis in enumerate(axes):
        for index, row in enumerate(slotted_rows(axis)):
            sum_negative = row[2] is not None and row[2].negative
            for slot, table in signs.items():
                term = row[slot]
                if term is not None:
                    table[choice, index] = int(term.negative ^ (slot == 3 and sum_negative))
    return signs
