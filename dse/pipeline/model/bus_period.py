"""How fast a chain of stages is with the memory behind it.

A bus brings a beat a cycle. In the time of an image it brings what all stages read for one:
``sum(steps beats / images)``, where a stage reads all its weights, ``beats`` of the bus, in each of
its ``steps``, for a map of so many ``images``. No design is faster than that; see docs/pipeline.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from hw.isa.config import MAX_WEIGHT_PORTS
from hw.stages.shape import StageShape
from hw.stages.weight_region import WeightBus, weight_regions


@dataclass(frozen=True, kw_only=True)
class BusPeriod:
    """Cycles of an image, of the stages and of the bus.

    Parameters
    ----------
    stages : of the slowest stage. weights : of all weights that are read for an image.
    """

    stages: Fraction
    weights: Fraction

    @property
    def cycles(self) -> int:
        """Cycles from an image to the next, up to whole ones."""
        return ceil(max(self.stages, self.weights))

    @property
    def binds(self) -> bool:
        """Whether stages wait for weights."""
        return self.weights > self.stages


def bus_period(shapes: Sequence[StageShape], bus: WeightBus) -> BusPeriod:
    """The period of stages with a bus."""
    read = (
        Fraction(0 if region.stays else shape.steps * region.weights.beats, shape.images)
        for shape, region in zip(shapes, weight_regions(shapes, bus), strict=True)
    )
    return BusPeriod(
        stages=max(Fraction(shape.period, shape.images) for shape in shapes),
        weights=sum(read, Fraction(0)),
    )


def least_bus(shapes: Sequence[StageShape], data_bytes: int) -> WeightBus:
    """The fewest ports, a power of two, with which no stage waits; else as many as there are."""
    ports = 1
    while (
        ports < MAX_WEIGHT_PORTS
        and bus_period(shapes, WeightBus(ports=ports, data_bytes=data_bytes)).binds
    ):
        ports *= 2
    return WeightBus(ports=ports, data_bytes=data_bytes)
