"""Whether a model treats many images as it treats each by itself: here they run one at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import onnx

from dse.network.ports import ModelPort
from dse.onnx import folding
from dse.onnx.elementwise import CURVED
from dse.onnx.node_shapes import Misfit, Opsets, infer, known_constant
from dse.onnx.places import COMPUTE, HEAD
from dse.onnx.source import ANY, Known, attribute, node_inputs, operator
from dse.onnx.values import Const, Unsupported, Value

SINGLE = "export the model with a batch of one image"

_ACROSS = "it works across the images of a batch"
_UNKNOWN = "whether it treats each image of a batch by itself is not known"

_MEASURES = ("Shape", "Size")

_ALONG_AN_AXIS = {
    "Hardmax": -1,
    "LayerNormalization": -1,
    "LogSoftmax": -1,
    "LpNormalization": -1,
    "QLinearSoftmax": -1,
    "RMSNormalization": -1,
    "Softmax": -1,
}
"""Operators that keep their input's shape and mix what lies along an axis, or from it on."""

_FROM_AN_AXIS_ON = ("LayerNormalization", "RMSNormalization")


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SHAPE_OPERANDS = _names("Expand Pad Reshape Resize Slice Tile Upsample")
"""Operators that may read a number of images, as an extent."""

_RECURRENT = _names("GRU LSTM RNN")
"""Operators along a sequence: the images of a batch lie along the second axis, or the first."""

_RESHAPE = _names("Flatten Reshape Squeeze Unsqueeze")
"""Operators that keep all values in their order."""

_OF_AN_IMAGE = _names("GlobalLpPool GridSample GroupNormalization LpPool")
"""Operators that compute within an image, whose first axis is the images'."""

_TOLD_BY_SHAPE = (
    CURVED
    | HEAD
    | _SHAPE_OPERANDS
    | _names(
        "And ArgMax ArgMin AveragePool BiasGelu CastLike Clip Concat Conv ConvTranspose"
        " DepthToSpace Equal Flatten Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual"
        " InstanceNormalization IsInf IsNaN LRN Less LessOrEqual MatMul MaxPool Mean Mod Not Or"
        " QLinearAdd QLinearAveragePool QLinearConcat QLinearGlobalAveragePool ReduceL1 ReduceL2"
        " ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum"
        " ReduceSumSquare Relu Shape Size SpaceToDepth Split Squeeze Sum TopK Unsqueeze Where Xor"
    )
)
"""Operators of which the result's shape tells: it grows with the images along one axis."""


class Together:
    """What a model would make of ``count`` images at once; nothing is asked of one image.

    Every tensor must hold its images side by side along one axis, with no axis before it.
    """

    def __init__(self, count: int, ports: Sequence[ModelPort], opsets: Opsets, opset: int) -> None:
        self._count, self._opsets, self._opset = count, opsets, opset
        self._known = {p.name: Known((count, *p.shape[1:]), p.dtype) for p in ports}
        self._axes = {port.name: 0 for port in ports}
        self._counts: dict[str, Value] = {}

    def judge(
        self, node: onnx.NodeProto, operands: Mapping[str, Known], made: Mapping[str, Known]
    ) -> None:
        """Raise Unsupported if the node's result for many images is another than for each."""
        if self._count == 1:
            return
        op = operator(node)
        if op not in _SHAPE_OPERANDS and any(name in self._counts for name in node_inputs(node)):
            raise Unsupported("it computes with the number of images", SINGLE)
        known = {name: self._known.get(name, one) for name, one in operands.items()}
        try:
            together = infer(node, known, self._opsets, math.inf)
        except Misfit as error:
            raise Unsupported(f"it fits one image alone: {error}", SINGLE) from None
        for name, one in made.items():
            many = together.get(name)
            if many is None or many.shape is None or one.shape is None:
                continue
            axis = self._axis(many.shape, one.shape)
            if op not in _RESHAPE and one.shape[axis] != self._share(operands):
                raise Unsupported(_ACROSS, SINGLE)
            self._known[name], self._axes[name] = many, axis

    def require_first(self, node: onnx.NodeProto) -> None:
        """Raise Unsupported if a layer's images do not lie along the first axis of its input."""
        op = operator(node)
        if op in COMPUTE - _RECURRENT and self._axes.get(node.input[0], 0) != 0:
            raise Unsupported("the images do not lie along the first axis of its input", SINGLE)

    def follow(self, name: str, known: Known) -> None:
        """A result of the overlay has the shape that its layer gives it, image after image."""
        axis = self._axes.setdefault(name, 0)
        if known.shape:
            shape = list(known.shape)
            shape[axis] *= self._count
            self._known[name] = Known(tuple(shape), known.dtype)

    def fold(self, node: onnx.NodeProto, values: Mapping[str, Value]) -> None:
        """Evaluate a constant node for many images, too, if it depends on how many they are."""
        if operator(node) in _MEASURES and node.input[0] in self._axes:
            self._measure(node)
        elif any(name in self._counts for name in node_inputs(node)):
            known = {**values, **self._counts}
            for name, value in folding.fold(node, operator(node), known, self._opsets).items():
                self._count_value(name, value)

    def require_apart(self, node: onnx.NodeProto, operands: Mapping[str, Known]) -> None:
        """Raise Unsupported if the host's node mixes images, though its shape does not tell."""
        first = next((name for name in operands if name in self._known), None)
        if self._count == 1 or first is None:
            return
        axis, rank = self._axes[first], len(self._known[first].shape or ())
        apart = _keeps_apart(node, operands, axis, rank, self._opset)
        if not apart:
            raise Unsupported(_UNKNOWN if apart is None else _ACROSS, SINGLE)

    def refusal(self, output: str, constant: bool) -> str | None:
        """Why an output of the model cannot be joined from those of single images."""
        if self._count == 1:
            return None
        if output in self._counts:
            return "it depends on the number of images"
        if not constant and self._axes.get(output) != 0:
            return "its first axis is not the images'"
        return None

    def _share(self, operands: Mapping[str, Known]) -> int:
        """The extent of one image along the images' axis of the first operand that has one."""
        shares = (
            known.shape[self._axes[name]]
            for name, known in operands.items()
            if name in self._axes and known.shape
        )
        return next(shares, 1)

    def _measure(self, node: onnx.NodeProto) -> None:
        shape = self._known[node.input[0]].shape
        start, end = (cast("int | None", attribute(node, key)) for key in ("start", "end"))
        if shape is not None:
            value = math.prod(shape) if operator(node) == "Size" else shape[start:end]
            self._count_value(node.output[0], Const(np.asarray(value, np.int64)))

    def _count_value(self, name: str, value: Value) -> None:
        if isinstance(value, Const):
            self._counts[name], self._known[name] = value, known_constant(value)

    def _axis(self, many: tuple[int, ...], one: tuple[int, ...]) -> int:
        if len(many) == len(one):
            grown = [axis for axis in range(len(one)) if many[axis] != one[axis]]
            axis = grown[0] if len(grown) == 1 else len(one)
            if many[axis:][:1] == (self._count * math.prod(one[: axis + 1]),):
                return axis
        shown = ", ".join("N" if n == ANY == self._count else str(n) for n in many)
        images = "N" if self._count == ANY else self._count
        raise Unsupported(f"it makes ({shown}) of {images} images, but {one} of one", SINGLE)


def _keeps_apart(
    node: onnx.NodeProto, operands: Mapping[str, Known], images: int, rank: int, opset: int
) -> bool | None:
    """Whether a node treats each image, along the axis ``images``, by itself; None: not known."""
    op = operator(node)
    if op in _RECURRENT:
        return images == (0 if attribute(node, "layout", 0) else 1)
    if op in _ALONG_AN_AXIS:
        flattens = opset < 13 and op.endswith("max")
        axis = cast(int, attribute(node, "axis", 1 if flattens else _ALONG_AN_AXIS[op])) % rank
        return axis > images if flattens or op in _FROM_AN_AXIS_ON else axis != images
    if op == "CumSum":
        along = operands[node.input[1]].array
        return None if along is None else int(along.item()) % rank != images
    if op == "Transpose":
        return cast(list[int], attribute(node, "perm", [*reversed(range(rank))]))[0] == images
    if op == "Gather":
        return cast(int, attribute(node, "axis", 0)) % rank != images
    if op in _OF_AN_IMAGE:
        return images == 0
    return True if op in _TOLD_BY_SHAPE else None
