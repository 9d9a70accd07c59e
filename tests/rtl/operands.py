"""Layers and images whose operands go to their ends, and results that are not clipped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dse.network.graph import Conv, Network, Numbers, Quantisation, Tensor, Window
from tests.rtl.overlays import Case, Tensors

Ints = npt.NDArray[np.int64]
Pattern = Callable[[tuple[int, ...], int, np.random.Generator], Ints]
"""Values in [-limit, limit] of a shape, of which the last axis is channels."""


def _checkerboard(shape: tuple[int, ...], axes: slice) -> npt.NDArray[np.bool_]:
    return np.asarray(np.indices(shape)[axes].sum(axis=0) % 2 == 1)


PATTERNS: dict[str, Pattern] = {
    "random": lambda shape, limit, rng: rng.integers(-limit, limit + 1, shape),
    "ends": lambda shape, limit, rng: rng.choice([-limit, limit], shape),
    "least": lambda shape, limit, _: np.full(shape, -limit),
    "greatest": lambda shape, limit, _: np.full(shape, limit),
    "pixels": lambda shape, limit, _: np.where(_checkerboard(shape, slice(-3, -1)), limit, -limit),
    "channels": lambda shape, limit, _: np.where(
        _checkerboard(shape, slice(-1, None)), limit, -limit
    ),
    "lines": lambda shape, limit, _: np.where(_checkerboard(shape, slice(-2, -1)), limit, -limit),
}


@dataclass(frozen=True)
class Worst(Case):
    """A case with images of these patterns, instead of random ones."""

    patterns: tuple[str, ...] = ("least", "greatest")

    def entries(self) -> list[Tensors]:
        rng = np.random.default_rng(self.seed)
        (name,) = self.network.inputs
        shape = self.network.tensors[name].shape
        drawn = [PATTERNS[pattern](shape, 128, rng) for pattern in self.patterns]
        return [{name: np.minimum(image, 127).astype(np.int8)} for image in drawn]


def layer(
    shape: tuple[int, int, int],
    weight: Ints,
    window: Window,
    *,
    groups: int = 1,
    zero_point: int = 0,
    bias: int = 0,
    reach: float = 120,
) -> Network:
    """One convolution, x to y, of int8 [height, width, Cin] and weights [Cout, Ky, Kx, Cin].

    ``reach``: what the largest sum of all becomes, so that up to 127 nothing is clipped.
    """
    farthest = 128 + abs(zero_point)
    bound = farthest * abs(weight).sum(axis=(1, 2, 3)).max() + abs(bias) + 1
    height, width = window.output(*shape[:2])
    conv = Conv(
        name="conv",
        input="x",
        output="y",
        window=window,
        groups=groups,
        numbers=Numbers(
            weight.astype(np.int8),
            np.full(len(weight), reach / bound),
            np.full(len(weight), bias, np.int32),
        ),
    )
    tensors = {
        "x": Tensor("x", *shape, Quantisation(0.05, zero_point)),
        "y": Tensor("y", height, width, len(weight), Quantisation(0.05, 0)),
    }
    return Network("layer", tensors, (conv,), ("x",), ("y",), "0" * 64)
