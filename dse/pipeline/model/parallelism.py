"""The three parallelisms of a stage, and the values of each that are worth building."""

from dataclasses import dataclass
from enum import Enum
from math import isqrt, prod

import numpy as np

from dse.pipeline.model.layer import ConvStage
from dse.pipeline.model.ram import IntArray
from dse.pipeline.model.search_error import ChainError

MOST_CANDIDATES = 3_000_000


class Granule(Enum):
    """What a segment of the output map is made of."""

    ROW = "row"
    PIXEL = "pixel"

    def count(self, stage: ConvStage) -> int:
        """Granules of the output map."""
        return stage.size_out if self is Granule.ROW else stage.size_out**2

    def pixels(self, stage: ConvStage) -> int:
        """Output pixels of one granule."""
        return stage.size_out if self is Granule.ROW else 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Parallelism:
    """Parallelisms of n candidates of one stage, four arrays of shape (n,).

    Parameters
    ----------
    para_in, para_out, para_seg : IntArray
        Input channels, output channels and segments worked on at once.
    run : IntArray
        Granules which each segment takes one after the other (``ROW_out`` for whole rows).
    """

    para_in: IntArray
    para_out: IntArray
    para_seg: IntArray
    run: IntArray

    def __len__(self) -> int:
        return len(self.para_in)

    def take(self, index: IntArray) -> "Parallelism":
        """The candidates at ``index``."""
        return Parallelism(
            para_in=self.para_in[index],
            para_out=self.para_out[index],
            para_seg=self.para_seg[index],
            run=self.run[index],
        )


def ceil_div(a: IntArray | int, b: IntArray | int) -> IntArray:
    """Ceiling of a / b for positive integers, as an array."""
    return np.asarray(-(-np.asarray(a) // np.asarray(b)))


def knees(count: int) -> IntArray:
    """The least divisor for every value of ceil(count / divisor), ascending.

    Any other divisor takes as many steps with more hardware: it costs DSP and never saves cycles.
    A divisor or its quotient is at most the root of ``count``, so looking there finds all.
    """
    small = np.arange(1, isqrt(count) + 2)
    divisors = np.concatenate([small, ceil_div(count, small)])
    return np.unique(ceil_div(count, ceil_div(count, divisors)))


def parallelisms(stage: ConvStage, granule: Granule) -> Parallelism:
    """Step 4, first half: the product of the three parallelisms of a stage, at their knees.

    ``para_seg`` is ceil(granules / run), as in the paper, for every run that needs a number of
    segments of its own.

    Raises
    ------
    ChainError
        When the product is too large to hold.
    """
    granules = granule.count(stage)
    axes = knees(stage.n_in), knees(stage.n_out), knees(granules)
    size = prod(len(axis) for axis in axes)
    if size > MOST_CANDIDATES:
        raise ChainError(
            f"layer {stage.name}: {size:,} candidates with segments of {granule.value}s, at most "
            f"{MOST_CANDIDATES:,} can be searched; use --granularity row or smaller maps"
        )
    para_in, para_out, para_seg = (axis.ravel() for axis in np.meshgrid(*axes, indexing="ij"))
    return Parallelism(
        para_in=para_in,
        para_out=para_out,
        para_seg=para_seg,
        run=ceil_div(granules, para_seg),
    )


def full_product(stage: ConvStage, granule: Granule) -> int:
    """Size of the product before `knees`: every para_in, para_out and run."""
    return stage.n_in * stage.n_out * granule.count(stage)
