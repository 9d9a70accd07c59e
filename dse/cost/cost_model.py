"""What a cost model is: pure functions of layer shape, label and array, vectorised over arrays.

A label is one way to execute a layer or to keep a tensor.  All costs are cycles of the model's own
clock, in float64, which holds every integer that occurs exactly.  ``arrays`` is always an integer
array of shape [A, 2], rows and columns, so that a sweep is a handful of numpy calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from dse.network.conv_shape import ConvShape
from dse.network.pool_shape import PoolShape as PoolShape
from dse.network.tensor import Shape

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, order=True)
class Label:
    """A choice: of a layer (algorithm and dataflow) or of a stored tensor (its layout).

    ``variant`` distinguishes what else a model offers, such as folding; empty if nothing.
    """

    algorithm: str
    dataflow: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.algorithm, self.dataflow, self.variant) if part)


@dataclass(frozen=True, order=True)
class Saving:
    """A transform by name, and multiplications of direct convolution for one of its own."""

    factor: float
    name: str


POOLING = "pooling"
"""The part of a layer's cycles in which a pooling outlasts it."""
Join = Literal["", "concat", "add", "product"]


@dataclass(frozen=True)
class Crossing:
    """An edge of the cost graph: a tensor on its way to a reader.

    Members
    -------
    shape : the tensor as it arrives, behind the poolings.
    producer, consumer : the layers at the ends; None for a stored tensor (or the network's input).
    pools : the poolings passed, in order.
    join : how the stored tensor at the far end is put together, if it is a join, or that it is a
    part of a concat.
    readers : how many read the tensor as it leaves. loaded : it is the network's input.
    """

    shape: Shape
    producer: ConvShape | None = None
    consumer: ConvShape | None = None
    pools: tuple[PoolShape, ...] = ()
    join: Join = ""
    readers: int = 1
    loaded: bool = False

    @property
    def source(self) -> Shape:
        """The tensor as it leaves, before the poolings."""
        return self.pools[0].input if self.pools else self.shape


class CostModel(Protocol):
    """Behind this, the exploration knows nothing of the hardware."""

    @property
    def name(self) -> str:
        """Short name for reports."""

    @property
    def clock_hz(self) -> float:
        """The clock whose cycles all costs count."""

    def labels(self, conv: ConvShape) -> tuple[Label, ...]:
        """All legal ways to execute a layer, on any array."""

    def cycles(self, conv: ConvShape, labels: Sequence[Label], arrays: IntArray) -> FloatArray:
        """[A, labels]: cycles of the layer; infinite where an array cannot do it."""

    def least(
        self,
        conv: ConvShape,
        labels: Sequence[Label],
        arrays: IntArray,
        limit: FloatArray | None = None,
    ) -> FloatArray:
        """[A]: the least of the labels' cycles, or ``limit`` where none is below it."""

    def store_labels(self, shape: Shape, consumers: Sequence[ConvShape]) -> tuple[Label, ...]:
        """The ways to keep a tensor that several layers read, or that a join assembles."""

    def saving(self, label: Label) -> Saving | None:
        """What Winograd saves; None if the label is not of Winograd, or unknown."""

    def layout(self, label: Label) -> str:
        """What neighbours see of a label: equal layouts have equal transition costs."""

    def transition(
        self,
        crossing: Crossing,
        source: Sequence[Label],
        target: Sequence[Label],
        arrays: IntArray,
    ) -> FloatArray:
        """[A or 1, source, target]: cycles to bring the tensor from one label to another."""

    def resources(self, arrays: IntArray) -> Mapping[str, IntArray]:
        """What each array takes of the device: ``dsp`` always, others as the model knows them."""

    def peak_macs(self, arrays: IntArray) -> FloatArray:
        """[A]: multiply-accumulates per cycle of a full array, the unit of utilisation."""


class AtOnce:
    """For cost models whose cycles take so little time that all labels are costed."""

    def least(
        self: CostModel,
        conv: ConvShape,
        labels: Sequence[Label],
        arrays: IntArray,
        limit: FloatArray | None = None,
    ) -> FloatArray:
        least: FloatArray = self.cycles(conv, labels, arrays).min(axis=1)
        return least if limit is None else np.minimum(least, limit)


@runtime_checkable
class Divided(CostModel, Protocol):
    """A cost model that also tells what a layer's cycles are made of."""

    def split(self, conv: ConvShape, label: Label, arrays: IntArray) -> Mapping[str, FloatArray]:
        """[A] by part; together they are the layer's cycles."""


def split(model: CostModel, conv: ConvShape, label: Label, arrays: IntArray) -> dict[str, float]:
    """The parts of a layer's cycles on one array; none if the model knows of none."""
    if not isinstance(model, Divided):
        return {}
    return {name: float(part[0]) for name, part in model.split(conv, label, arrays).items()}


def as_arrays(rows: int, columns: int) -> IntArray:
    """One array, as the models take it."""
    return np.array([[rows, columns]], dtype=np.int64)
