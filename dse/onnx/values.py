"""What an ONNX tensor is while a model is lowered: constant, the host's, or the overlay's."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dse.network.graph import Quantisation
from dse.onnx.draft import Coefficients, DraftTensor
from dse.onnx.elements import Positions


class Unsupported(Exception):
    """A node cannot be lowered: ``reason``, and what to do (``remedy``)."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


REQUANTISE_WEIGHTS = (
    "quantise again with symmetric int8 weights (onnxruntime.quantization with QuantType.QInt8)"
)


INCONSISTENT = "correct the model, or export it again"


class Illegal(Unsupported):
    """A node that no one can execute: not the host either."""


class Unmovable(Unsupported):
    """A node reads a view that the overlay cannot make; the host can (``mover``: why it does)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        remedy = "only whole channels and pixels at even steps can be moved"
        super().__init__(f"a view before it, as {shape}, mixes channels and pixels", remedy)
        self.mover = Unsupported(f"as {shape} it mixes channels and pixels", remedy)


def require(legal: bool, reason: str) -> None:
    """Refuse a node that no one can execute."""
    if not legal:
        raise Illegal(reason, INCONSISTENT)


FLOAT = np.dtype(np.float32)


@dataclass(frozen=True, eq=False)
class Const:
    """A constant; with ``scale``, the integers that a DequantizeLinear turns into ``reals``."""

    array: npt.NDArray
    scale: npt.NDArray[np.float64] | None = None
    zero_point: npt.NDArray | None = None
    axis: int = 1
    reals: np.dtype = FLOAT

    @property
    def dtype(self) -> np.dtype:
        """The type that the model gives it."""
        return self.array.dtype if self.scale is None else self.reals

    def real(self) -> npt.NDArray:
        """The values as real numbers."""
        if self.scale is None:
            return self.array
        return self._centred() * self._along_axis(self.scale)

    def coefficients(self, axis: int) -> Coefficients:
        """The constant as coefficients; scales must run along ``axis``, which comes first."""
        if self.scale is None:
            return Coefficients(np.moveaxis(self.array, axis, 0))
        if self.scale.size > 1 and self.axis % self.array.ndim != axis:
            raise Unsupported(
                "its weights have a scale per input, not per output channel",
                "quantise them per output channel or per tensor",
            )
        values = np.moveaxis(self._centred(), axis, 0)
        return Coefficients(values, np.broadcast_to(self.scale.reshape(-1), values.shape[:1]))

    def _centred(self) -> npt.NDArray[np.int64]:
        values = self.array.astype(np.int64)
        return values if self.zero_point is None else values - self._along_axis(self.zero_point)

    def _along_axis(self, parameter: npt.NDArray) -> npt.NDArray:
        if parameter.size == 1:
            return parameter.reshape(())
        shape = [1] * self.array.ndim
        shape[self.axis] = parameter.size
        return parameter.reshape(shape)


@dataclass(frozen=True)
class HostValue:
    """A tensor that the host computes, or that comes with the image.

    ``root``: its name before any quantisation.  ``segment``: how many segments of the overlay end
    before the host can compute it.  ``quantisation``: known if a QuantizeLinear made it, so that
    it can enter the overlay; ``refusal``: why it cannot, though one made it.
    """

    name: str
    root: str
    segment: int = 0
    quantisation: Quantisation | None = None
    refusal: Unsupported | None = None


@dataclass(frozen=True)
class OverlayValue:
    """An overlay tensor as the model sees it: its NCHW order under the ONNX ``shape``.

    ``dtype``: int8 or uint8 where the model holds it quantised, a float type where it does not.
    ``elements``: where the value is something else than all of the tensor in NCHW order, which of
    the tensor's values each of its elements is (``dse.onnx.elements``).
    """

    tensor: DraftTensor
    shape: tuple[int, ...]
    dtype: np.dtype
    elements: Positions | None = field(default=None, compare=False)

    @property
    def is_quantised(self) -> bool:
        return self.dtype.kind in "iu"

    @property
    def is_shown(self) -> bool:
        """Whether it is a view, which no layer makes."""
        return self.elements is not None

    @property
    def lies(self) -> bool:
        """Whether a view shows all of its tensor in the order in which it lies, channels last."""
        if self.elements is None or self.elements.size != math.prod(self.tensor.shape):
            return False
        return bool((self.elements.ravel() == np.arange(self.elements.size)).all())


@dataclass(frozen=True)
class StepValue(OverlayValue):
    """A value within a function of ``tensor``: no layer makes it, only the function reads it."""

    @property
    def is_shown(self) -> bool:
        return True

    @property
    def lies(self) -> bool:
        return False


@dataclass(frozen=True)
class UnknownValue:
    """The output of an unsupported node whose shape is not known either."""


Value = Const | HostValue | OverlayValue | UnknownValue


def quantisation(
    scale: npt.NDArray, zero_point: npt.NDArray | None, dtype: np.dtype
) -> Quantisation:
    """The overlay's quantisation of a tensor of the model's type ``dtype``."""
    zero = np.zeros((), dtype) if zero_point is None else zero_point
    if scale.size != 1 or zero.size != 1:
        raise Unsupported(
            "its activations have a scale per channel", "quantise activations per tensor"
        )
    if dtype not in (np.int8, np.uint8):
        raise Unsupported(f"its activations are {dtype}", "quantise activations to int8 or uint8")
    require(zero.dtype == dtype, f"its zero point is {zero.dtype}, its activations are {dtype}")
    real = float(scale.reshape(()))
    if not (np.isfinite(real) and real > 0):
        raise Illegal(
            f"its scale is {real}", "quantise again with a calibration that covers this tensor"
        )
    return Quantisation(real, int(zero.reshape(())) - (128 if dtype == np.uint8 else 0))


def extents(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(height, width, channels) of an ONNX tensor of one image."""
    match shape[1:]:
        case (channels, height, width):
            return height, width, channels
        case (channels, width):
            return 1, width, channels
        case (channels,):
            return 1, 1, channels
    raise Unsupported(
        f"a tensor of shape {shape} is no image", "only tensors of two to four axes are supported"
    )


def stand_in(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(height, width, channels) of as many values, for a tensor that the overlay will not hold."""
    if 2 <= len(shape) <= 4:
        return extents(shape)
    channels = shape[1] if len(shape) > 1 else 1
    return math.prod(shape) // max(1, channels), 1, channels
