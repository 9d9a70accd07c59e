"""The operators of the network IR; each reads and writes tensors by name.

A convolution's numbers are optional: those of an outline have none (``dse.network.graph``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from dse.network.activation_table import ActivationTable
from dse.network.normalisation import Normalisation
from dse.network.tensor import INT8_MAX, INT8_MIN, NetworkError

Limit = int | npt.NDArray[np.int8]
"""A bound of all channels, or one of each."""


@dataclass(frozen=True)
class Window:
    """A sliding window: (y, x) kernel, stride, dilation; padding (top, left, bottom, right).

    Padding may exceed what the windows touch (ONNX ``ceil_mode``): the output size rules.
    """

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    def __post_init__(self) -> None:
        if min(*self.kernel, *self.stride, *self.dilation) < 1 or min(self.padding) < 0:
            raise NetworkError(f"window out of range: {self}")

    def output(self, height: int, width: int) -> tuple[int, int]:
        """Output (height, width) of the window over an input, rounding down (ONNX Conv)."""
        top, left, bottom, right = self.padding
        sizes = ((height, top + bottom), (width, left + right))
        y, x = (
            (n + pad - d * (k - 1) - 1) // s + 1
            for (n, pad), k, s, d in zip(
                sizes, self.kernel, self.stride, self.dilation, strict=True
            )
        )
        return y, x


@dataclass(frozen=True, eq=False)
class Numbers:
    """What a convolution computes with.

    ``weight``: int8 [Cout, Ky, Kx, Cin / groups]; ``weight_scale``: float64 [Cout];
    ``bias``: int32 [Cout] in units of ``input scale * weight scale`` (the input's zero point is not
    folded in).  ``low``/``high``: output range in the output's int8 units (ReLU, Clip).
    """

    weight: npt.NDArray[np.int8]
    weight_scale: npt.NDArray[np.float64]
    bias: npt.NDArray[np.int32]
    low: Limit = INT8_MIN
    high: Limit = INT8_MAX


@dataclass(frozen=True)
class Conv:
    """Convolution or fully connected layer; what ``numbers`` holds are members of its own, too.

    ``table``: what becomes of its own int8 result, which ``numbers`` and their range are about.
    ``own_products``: multiplications of an output value that no pass has added; 0: all.
    ``unread``: output values of a row that a pass has added and nobody reads.
    """

    name: str
    input: str
    output: str
    window: Window
    groups: int = 1
    numbers: Numbers | None = None
    table: ActivationTable | None = None
    own_products: int = field(default=0, compare=False)
    unread: int = field(default=0, compare=False)

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)

    @property
    def weight(self) -> npt.NDArray[np.int8]:
        return self._known.weight

    @property
    def weight_scale(self) -> npt.NDArray[np.float64]:
        return self._known.weight_scale

    @property
    def bias(self) -> npt.NDArray[np.int32]:
        return self._known.bias

    @property
    def low(self) -> Limit:
        return self._known.low

    @property
    def high(self) -> Limit:
        return self._known.high

    @property
    def _known(self) -> Numbers:
        if self.numbers is None:
            raise NetworkError(
                f"operator {self.name!r} has no weights: it is part of an outline; import the"
                " model with calibration images"
            )
        return self.numbers


@dataclass(frozen=True)
class Pool:
    """Maximum or average over a window; also the requantisation of a tensor (1 x 1 maximum).

    Average: the sum over the taps inside the image of ``q - zero_point``, divided by the number of
    counted taps: those inside the image, or with ``count_include_pad`` inside image and padding.
    ``table``: what becomes of a maximum, instead of its requantisation.  ``normalisation``: what
    becomes of each value before a maximum is chosen.
    """

    name: str
    input: str
    output: str
    kind: Literal["max", "average"]
    window: Window
    count_include_pad: bool = False
    low: int = INT8_MIN
    high: int = INT8_MAX
    table: ActivationTable | None = None
    normalisation: Normalisation | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)


@dataclass(frozen=True)
class _Pair:
    """Elementwise function of two tensors, in a range of the output's int8 units."""

    name: str
    a: str
    b: str
    output: str
    low: int = INT8_MIN
    high: int = INT8_MAX

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.a, self.b


class Add(_Pair):
    """Elementwise sum of two tensors of the same shape."""


Combination = Literal["product", "sum", "difference", "reverse", "maximum", "minimum"]
"""What becomes of two values: ``a b``, ``a + b``, ``a - b``, ``b - a``, the one or other end."""


@dataclass(frozen=True)
class Combine(_Pair):
    """Elementwise function of two tensors, on the engine that pools.

    ``b`` has the shape of ``a``, or is one pixel for all, or one channel for all.
    """

    combination: Combination = "product"


@dataclass(frozen=True)
class Concat:
    """Concatenation along the channels; all quantisations are equal (importers see to it)."""

    name: str
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True)
class Reshape:
    """A tensor seen with other extents, bytes unchanged in HWC order (Flatten of a 1 x 1 map)."""

    name: str
    input: str
    output: str

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)


@dataclass(frozen=True)
class Slice:
    """Channels from ``channel`` on of a tensor, as many as the output has."""

    name: str
    input: str
    output: str
    channel: int

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)


@dataclass(frozen=True)
class Crop:
    """The first rows and columns of a tensor, as many as the output has."""

    name: str
    input: str
    output: str

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)


@dataclass(frozen=True)
class SpaceToDepth:
    """A network's input, laid out by the host in blocks (y, x) of pixels (``dse.network.blocks``).

    Pixels beyond the image are the zero point.
    """

    name: str
    input: str
    output: str
    block: tuple[int, int]

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.input,)


Operator = Conv | Pool | Add | Combine | Concat | Reshape | Slice | Crop | SpaceToDepth
