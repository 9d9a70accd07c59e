"""Families of hardware: what an array search chooses from beside R x C."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from dse.cost.array_budget import Budget, fits, refusal
from dse.cost.cost_model import CostModel, IntArray, as_arrays
from dse.cost.infeasible import Infeasible
from dse.mapping.joint import Joint


class Hardware(Protocol):
    """Designs that differ in more than R x C, such as the depths of their buffers."""

    @property
    def bound(self) -> CostModel:
        """On every array, no design costs fewer cycles or takes fewer DSPs than this says."""

    @property
    def single(self) -> bool:
        """Whether there is but one design an array, which costs what ``bound`` says."""

    def possible(self, arrays: IntArray) -> IntArray:
        """The arrays that may have a design."""

    def parts(self, rows: int, columns: int) -> Sequence[Hardware]:
        """Narrower families that together hold the designs for which an array has room.

        Designs that another one equals or beats on every network may be left out.
        """

    def refusal(self, rows: int, columns: int) -> Infeasible:
        """Why an array has no design."""


@dataclass(frozen=True, eq=False)
class Single:
    """One design an array, which fits if what the model knows of is within the budget."""

    bound: CostModel
    budget: Budget

    @property
    def single(self) -> bool:
        return True

    def possible(self, arrays: IntArray) -> IntArray:
        return arrays[fits(self.bound, arrays, self.budget)]

    def parts(self, rows: int, columns: int) -> Sequence[Hardware]:
        return (self,) if len(self.possible(as_arrays(rows, columns))) else ()

    def refusal(self, rows: int, columns: int) -> Infeasible:
        return refusal(self.bound, rows, columns, self.budget)


@dataclass(frozen=True, eq=False)
class Union:
    """Several families, of which the first one takes the least of a device.

    ``fastest``: of no family does a label take fewer cycles than in the first of these that has it.
    """

    fastest: tuple[CostModel, ...]
    families: tuple[Hardware, ...]

    @cached_property
    def bound(self) -> CostModel:
        return Joint(self.fastest, tuple(family.bound for family in self.families))

    @property
    def single(self) -> bool:
        return False

    def possible(self, arrays: IntArray) -> IntArray:
        return self.families[0].possible(arrays)

    def parts(self, rows: int, columns: int) -> Sequence[Hardware]:
        return self.families

    def refusal(self, rows: int, columns: int) -> Infeasible:
        return self.families[0].refusal(rows, columns)


@dataclass(frozen=True, eq=False)
class Unless:
    """A family without the arrays of which another family has a better counterpart.

    ``counterparts``: [A, 2], of each array the one of ``other`` that is never slower and takes no
    more DSPs.
    """

    family: Hardware
    other: Hardware
    counterparts: Callable[[IntArray], IntArray]

    @property
    def bound(self) -> CostModel:
        return self.family.bound

    @property
    def single(self) -> bool:
        return self.family.single

    def possible(self, arrays: IntArray) -> IntArray:
        left = self.family.possible(arrays)
        better = self.counterparts(left)
        known = {tuple(pair) for pair in self.other.possible(np.unique(better, axis=0)).tolist()}
        beaten = np.array([tuple(pair) in known for pair in better.tolist()], dtype=bool)
        return left[~beaten]

    def parts(self, rows: int, columns: int) -> Sequence[Hardware]:
        return self.family.parts(rows, columns)

    def refusal(self, rows: int, columns: int) -> Infeasible:
        return self.family.refusal(rows, columns)


def smallest(arrays: IntArray) -> tuple[int, int]:
    """Of some arrays, the one of fewest PEs."""
    rows, columns = (int(n) for n in arrays[int(np.argmin(arrays.prod(axis=1)))])
    return rows, columns
