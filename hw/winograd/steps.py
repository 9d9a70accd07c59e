"""Parts of the transforms' control: the walk of a group's words, and tables by transform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.isa.transforms import Transform, choice_bits

Table = Mapping[tuple[int, int], int]  # by transform and step; what is missing does not matter


def checked_transforms(transforms: Sequence[Transform]) -> tuple[Transform, ...]:
    """The configured transforms, if there are any and each is there once."""
    found = tuple(transforms)
    if not found or len(set(found)) != len(found):
        names = ", ".join(t.name for t in found) or "none"
        raise ValueError(f"transforms must be one or more different ones, not {names}")
    return found


def step_bits(counts: Sequence[int]) -> Any:
    """Shape of a counter that reaches each of the counts less one."""
    return unsigned(max(1, (max(counts) - 1).bit_length()))


def lookup(m: Module, transform: Value, step: Value, table: Table, *, name: str) -> Value:
    """The table's value at a transform and a step; a constant if all values are the same."""
    values = set(table.values())
    if len(values) == 1:
        value = values.pop()
        return C(value, max(1, value.bit_length()))
    value = Signal(range(max(values) + 1), name=name)
    with m.Switch(Cat(step, transform)):
        for (choice, index), entry in table.items():
            with m.Case(choice << len(step) | index):
                m.d.comb += value.eq(entry)
    return value


class Walk(wiring.Component):
    """Counts the words of groups of ``outer`` times ``inner``; the inner count runs faster.

    Parameters
    ----------
    outer, inner : extents of a group, by transform.

    Members
    -------
    i_valid, i_transform : In. A word.
    o_outer, o_inner : Out. The word's place in its group.
    o_last_outer, o_last_inner, o_last : Out. A count is at its end; both are.
    """

    def __init__(self, *, outer: Sequence[int], inner: Sequence[int]) -> None:
        self._outer, self._inner = tuple(outer), tuple(inner)
        super().__init__(
            {
                "i_valid": In(1),
                "i_transform": In(choice_bits(self._outer)),
                "o_outer": Out(step_bits(self._outer)),
                "o_inner": Out(step_bits(self._inner)),
                "o_last_outer": Out(1),
                "o_last_inner": Out(1),
                "o_last": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.comb += [
            self.o_last_inner.eq(self.o_inner == _by_choice(self.i_transform, self._inner)),
            self.o_last_outer.eq(self.o_outer == _by_choice(self.i_transform, self._outer)),
            self.o_last.eq(self.o_last_outer & self.o_last_inner),
        ]
        with m.If(self.i_valid):
            m.d.sync += self.o_inner.eq(Mux(self.o_last_inner, 0, self.o_inner + 1))
            with m.If(self.o_last_inner):
                m.d.sync += self.o_outer.eq(Mux(self.o_last_outer, 0, self.o_outer + 1))
        return m


class StepRun(wiring.Component):
    """Steps through a group of ``outer`` times ``inner`` in consecutive cycles.

    Members
    -------
    i_start, i_transform : In. Begins a group in the next cycle, at the latest in a group's last.
    o_valid : Out. A step.
    o_transform, o_outer, o_inner, o_last_inner, o_last : Out. As of `Walk`.
    """

    def __init__(self, *, outer: Sequence[int], inner: Sequence[int]) -> None:
        self._walk = Walk(outer=outer, inner=inner)
        members = self._walk.signature.members
        super().__init__(
            {
                "i_start": In(1),
                "i_transform": In(members["i_transform"].shape),
                "o_valid": Out(1),
                "o_transform": Out(members["i_transform"].shape),
                "o_outer": Out(members["o_outer"].shape),
                "o_inner": Out(members["o_inner"].shape),
                "o_last_inner": Out(1),
                "o_last": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.walk = walk = self._walk
        m.d.comb += [
            walk.i_valid.eq(self.o_valid),
            walk.i_transform.eq(self.o_transform),
            self.o_outer.eq(walk.o_outer),
            self.o_inner.eq(walk.o_inner),
            self.o_last_inner.eq(walk.o_last_inner),
            self.o_last.eq(walk.o_last),
        ]
        with m.If(self.i_start):
            m.d.sync += [self.o_valid.eq(1), self.o_transform.eq(self.i_transform)]
        with m.Elif(walk.o_last):
            m.d.sync += self.o_valid.eq(0)
        return m


def _by_choice(transform: Value, counts: Sequence[int]) -> Value:
    """The last index of a count, of the chosen transform."""
    last: Value = C(counts[0] - 1)
    for choice, count in enumerate(counts[1:], 1):
        last = Mux(transform == choice, count - 1, last)
    return last
