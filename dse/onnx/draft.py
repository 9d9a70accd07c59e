"""A network while it is being imported: mutable, quantised only where the model says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from dse.network.graph import Normalisation, Quantisation, Window
from dse.network.names import Names
from dse.network.operators import Combination
from dse.onnx.functions import Function

Kind = Literal[
    "conv",
    "max",
    "average",
    "normalise",
    "add",
    "combine",
    "concat",
    "reshape",
    "slice",
    "table",
]

POINTWISE = Window()


@dataclass(eq=False)
class DraftTensor:
    """An activation; ``quantisation`` is None until the model gives it.

    ``integers``: it enters as integers, which need none: without one they mean themselves.
    ``segment``: of the overlay, that makes it; of an input, the first that can read it.
    """

    name: str
    height: int
    width: int
    channels: int
    quantisation: Quantisation | None = None
    integers: bool = False
    segment: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, self.channels


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Weights or a bias: real values, or integers with a scale per output channel (axis 0)."""

    values: npt.NDArray
    scale: npt.NDArray[np.float64] | None = None

    def real(self) -> npt.NDArray[np.floating]:
        """The values as real numbers."""
        if self.scale is None:
            return self.values
        return self.values * self.scale.reshape(-1, *[1] * (self.values.ndim - 1))

    def scaled(self, gain: npt.NDArray[np.float64]) -> Coefficients:
        """The coefficients times ``gain`` per output channel; integers stay integers."""
        column = (-1, *[1] * (self.values.ndim - 1))
        if self.scale is None:
            return Coefficients((self.values * gain.reshape(column)).astype(np.float32))
        signs = np.sign(gain).astype(self.values.dtype)
        return Coefficients(self.values * signs.reshape(column), self.scale * np.abs(gain))


@dataclass(eq=False)
class DraftLayer:
    """An operator of the overlay to be.

    ``origin``: the ONNX operator it stems from.  ``low``/``high``: real range of the output.
    ``held``: what it could hold before it was given another quantisation.
    ``weight``: [Cout, Ky, Kx, Cin / groups].  ``affine``: a gain and an offset per channel, as a
    1 x 1 depthwise convolution.  ``integers``: it gives on integers, whatever they mean.
    ``partial``: the sum so far, of a sum of three or more, or a half of a PRelu.
    ``channel``: the first one of a slice.
    ``moves``: it computes nothing: every result is a value of its input, or zero.
    ``lowest``: what it puts around an image is not zero, but below all that the image holds.
    ``transposed``: the convolution is ONNX's ConvTranspose, until ``enlarge`` replaces it.
    ``function``: what a table computes.
    ``combination``: of two tensors that a layer of this kind combines.
    ``normalisation``: what a layer of this kind does.
    """

    kind: Kind
    name: str
    origin: str
    inputs: list[DraftTensor]
    output: DraftTensor
    window: Window = POINTWISE
    groups: int = 1
    weight: Coefficients | None = None
    bias: Coefficients | None = None
    affine: bool = False
    integers: bool = False
    partial: bool = False
    count_include_pad: bool = False
    channel: int = 0
    moves: bool = False
    lowest: bool = False
    transposed: bool = False
    low: float = -np.inf
    high: float = np.inf
    held: tuple[float, float] = (-np.inf, np.inf)
    function: Function | None = None
    combination: Combination = "product"
    normalisation: Normalisation | None = None

    def restrict(self, low: float, high: float) -> None:
        """Clip the output to [low, high] after the range it already has."""
        self.low, self.high = (min(max(bound, low), high) for bound in (self.low, self.high))

    @property
    def is_limited(self) -> bool:
        """Whether it has a range."""
        return self.low != -np.inf or self.high != np.inf

    @property
    def gives_on(self) -> bool:
        """Whether it chooses among values and changes none: rounding may come before or after."""
        return self.moves or self.kind in ("max", "reshape", "concat", "slice")

    @property
    def moves_values(self) -> bool:
        """Whether it is part of a movement: a view, a copy, a permutation."""
        return self.moves or self.kind in ("reshape", "concat", "slice")

    @property
    def products(self) -> int:
        """Multiply-accumulates of a convolution; of a transposed one, those of its phases."""
        if self.kind != "conv" or self.weight is None:
            return 0
        read = self.inputs[0] if self.transposed else self.output
        return int(self.weight.values.size) * read.height * read.width

    @property
    def is_padding(self) -> bool:
        """Whether it puts zeros around an image, and does nothing else."""
        return self.moves and self.kind == "average"

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing but the range or the quantisation of its input."""
        return self.kind == "max" and self.window == POINTWISE


@dataclass(eq=False)
class Draft:
    """Layers in execution order; inputs and outputs as the host sees them."""

    inputs: list[DraftTensor] = field(default_factory=list)
    layers: list[DraftLayer] = field(default_factory=list)
    outputs: list[DraftTensor] = field(default_factory=list)

    def names(self) -> Names:
        """The names of all tensors and layers."""
        tensors = (*self.inputs, *(layer.output for layer in self.layers))
        return Names([*(one.name for one in tensors), *(one.name for one in self.layers)])

    def uses(self) -> dict[DraftTensor, int]:
        """How many layers read each tensor, plus one if it is an output."""
        counts: dict[DraftTensor, int] = dict.fromkeys(self.outputs, 1)
        for layer in self.layers:
            for tensor in dict.fromkeys(layer.inputs):
                counts[tensor] = counts.get(tensor, 0) + 1
        return counts
