"""The parts of a random model: tensors with their quantisation, constants in every form, ranges."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from tests.fuzz.meaning import Meaning, exact

Array = npt.NDArray[Any]
MICROSOFT = "com.microsoft"
INT4 = helper.tensor_dtype_to_np_dtype(onnx.TensorProto.INT4)


@dataclass(frozen=True)
class Case:
    """A model, images for it, and what may be refused: nodes by name."""

    model: onnx.ModelProto
    images: dict[str, Array]
    quantised: bool
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Integers:
    """A quantised tensor with the names of its scale and zero point; one of zero may be missing."""

    name: str
    scale: str
    zero: str


@dataclass(frozen=True)
class Live:
    """A tensor of the model so far, of one image's shape: real, quantised, or both."""

    shape: tuple[int, ...]
    real: str = ""
    integers: Integers | None = None


@dataclass
class Spelling:
    """A model as it grows, and how its operands are spelled: dice, names, constants, scales."""

    rng: np.random.Generator
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    inputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    images: dict[str, Array] = field(default_factory=dict)
    live: list[Live] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.style = self.choose("float", "float", "qdq", "qdq", "qlinear")
        self.opset = int(self.rng.integers(9 if self.style == "float" else 13, 24))
        self.dtype = np.dtype(self.choose(np.int8, np.uint8))
        self.batch = self.choose("N", "N", 1, 2)
        self.count = self.batch if isinstance(self.batch, int) else 2
        self.meaning = Meaning(self.opset, {}, quantised=True)

    # Dice.

    def choose(self, *options: Any) -> Any:
        return options[self.rng.integers(len(options))]

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def number(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def normal(self, *shape: int) -> Array:
        fan = math.prod(shape[1:]) or 1
        return (self.rng.normal(size=shape) / math.sqrt(fan)).astype(np.float32)

    # Writing.

    def constant(self, array: Any, node_allowed: bool = True) -> str:
        array = np.asarray(array)
        name = f"k{len(self.constants) + len(self.nodes)}"
        tensor = numpy_helper.from_array(array, name)
        self.meaning.values[name] = exact(array)
        if node_allowed and self.chance(0.15):
            self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        else:
            self.constants.append(tensor)
        return name

    def node(self, op: str, operands: list[str], domain: str = "", **attributes: Any) -> str:
        while operands and not operands[-1]:
            operands = operands[:-1]
        output = f"t{len(self.nodes)}"
        name = f"n{len(self.nodes)}" if self.chance(0.7) else ""
        made = helper.make_node(op, operands, [output], name=name, domain=domain, **attributes)
        self.nodes.append(made)
        self.meaning.run(made)
        return output

    def fault(self, tensor: str) -> str:
        """Note that the node that makes a tensor must be refused."""
        made = next(node for node in self.nodes if tensor in node.output)
        self.faults.append(made.name or tensor)
        return tensor

    # Quantisation.

    def scale_of(self, real: str) -> tuple[np.float32, Any]:
        """A scale and zero point that hold most of a tensor."""
        value = self.meaning.values[real]
        low, high = min(float(value.low.min()), 0.0), max(float(value.high.max()), 0.0)
        scale = np.float32(max(high - low, 1e-3) / 255 * self.rng.uniform(0.6, 1.6))
        limits = np.iinfo(self.dtype)
        if self.chance(0.3):  # symmetric, or around nothing
            return np.float32(scale * 1.2), self.dtype.type(0)
        zero = int(np.clip(round(limits.min - low / float(scale)), limits.min, limits.max))
        return scale, self.dtype.type(zero)

    def quantise(self, real: str) -> Integers:
        scale, zero = self.scale_of(real)
        attributes: dict[str, Any] = {}
        shape = self.choose((), (1,))
        operand = self.constant(np.full(() if self.style == "qlinear" else shape, zero))
        shape = () if self.opset < 13 or self.chance(0.8) else (1,)
        factor = self.constant(np.full(shape, scale, np.float32))
        known = operand
        if zero == 0 and self.dtype == np.uint8 and self.chance(0.5):
            known = ""
        elif zero == 0 and self.opset >= 21 and self.chance(0.5):
            known, attributes = "", {"output_dtype": helper.np_dtype_to_tensor_dtype(self.dtype)}
        domain = MICROSOFT if known and self.chance(0.1) else ""
        name = self.node("QuantizeLinear", [real, factor, known], domain, **attributes)
        return Integers(name, factor, operand if zero != 0 or self.chance(0.5) else "")

    def dequantise(self, x: Integers) -> str:
        return self.node("DequantizeLinear", [x.name, x.scale, x.zero])

    def real(self, x: Live) -> str:
        return x.real if x.real else self.dequantise(self.integers(x))

    def integers(self, x: Live) -> Integers:
        return x.integers or self.quantise(x.real)

    def zero(self, x: Integers) -> str:
        """The zero point where it must be there."""
        return x.zero or self.constant(self.dtype.type(0))

    def finish(self, real: str, shape: tuple[int, ...], active: float = 0.5) -> Live:
        """A new tensor: perhaps with an activation, quantised if the model is."""
        if self.chance(active):
            real = self.activation(real)
        if self.style == "float":
            return Live(shape, real)
        return Live(shape, integers=self.quantise(real))

    def activation(self, real: str) -> str:
        kind = self.choose("Relu", "Relu6", "Clip", "Clip")
        if kind == "Relu":
            return self.node("Relu", [real])
        bounds = [0.0, 6.0]
        if kind == "Clip":
            bounds = sorted(float(v) for v in self.rng.normal(0, 0.7, 2))
            if self.chance(0.05):
                bounds.reverse()
        low, high = (
            None if kind == "Clip" and self.chance(0.2) else np.float32(bound) for bound in bounds
        )
        if self.opset < 11:
            given = {"min": low, "max": high}
            return self.node(
                "Clip", [real], **{k: float(v) for k, v in given.items() if v is not None}
            )
        operands = ["" if v is None else self.constant(v) for v in (low, high)]
        return self.node("Clip", [real, *operands])

    # Weights.

    def weights(self, shape: tuple[int, ...], axis: int) -> tuple[str, Array]:
        """The name of real weights, and their scale."""
        if self.style == "float":
            real = self.normal(*shape) if axis == 0 else self.normal(*shape[::-1]).T
            if self.chance(0.1):
                real = real.copy()
                real[0] = 0
            return self.constant(np.ascontiguousarray(real)), np.ones(1, np.float32)
        values, scale, zero = self.integer_weights(shape, axis)
        operands = [values, self.constant(scale)]
        if zero or self.chance(0.5):
            kind = self.meaning.values[values].dtype
            operands.append(zero or self.constant(np.zeros(scale.shape).astype(kind)))
        attributes = {"axis": axis} if scale.ndim else {}
        return self.node("DequantizeLinear", operands, **attributes), scale

    def integer_weights(self, shape: tuple[int, ...], axis: int) -> tuple[str, Array, str]:
        """Names of int8 weights and of a zero point, if they need one; their scale."""
        narrow = self.style == "qdq" and self.opset >= 21 and self.chance(0.2)
        values = self.rng.integers(-7, 8, shape) if narrow else self.rng.integers(-127, 128, shape)
        fan = math.prod(shape) // shape[axis]
        scale = np.float32(1 / (74 * math.sqrt(fan)))
        if self.chance(0.5):
            scale = (scale * self.rng.uniform(0.3, 1.5, shape[axis])).astype(np.float32)
        scale = np.asarray(scale)
        if narrow:
            return self.constant(values.astype(INT4)), scale * np.float32(16), ""
        if self.chance(0.2):
            zero = self.constant(np.full(scale.shape, 128, np.uint8))
            return self.constant((values + 128).astype(np.uint8)), scale, zero
        return self.constant(values.astype(np.int8)), scale, ""

    def bias(self, count: int, x: Live, scale: Array, needed: int = 0) -> str:
        """The name of a bias, or of none; it must be there up to the opset ``needed``."""
        if needed < self.opset and self.chance(0.3):
            return ""
        if self.style == "float" or self.chance(0.3):
            middle = -50 if self.chance(0.05) else 0  # no Relu after it will ever open
            return self.constant(self.rng.normal(middle, 0.3, count).astype(np.float32))
        values = self.constant(self.rng.integers(-3000, 3000, count).astype(np.int32))
        known = self.meaning.values[self.real(x)].scale
        assert known is not None
        unit = known * scale
        attributes = {"axis": 0} if scale.ndim else {}
        return self.node(
            "DequantizeLinear", [values, self.constant(unit.astype(np.float32))], **attributes
        )

    # Operators.

    def window(self, shape: tuple[int, ...], dilated: bool) -> dict[str, Any]:
        kernel = [min(self.number(1, 3), n) for n in shape[1:]]
        window: dict[str, Any] = {"kernel_shape": kernel}
        if self.chance(0.5):
            window["strides"] = [self.number(1, 2), self.number(1, 2)]
        if dilated and self.chance(0.2):
            window["dilations"] = [
                2 if 2 * (k - 1) < n else 1 for k, n in zip(kernel, shape[1:], strict=True)
            ]
        mode = self.choose("none", "pads", "pads", "SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET")
        if mode == "pads":
            window["pads"] = [self.number(0, kernel[side % 2] - 1) for side in range(4)]
        elif mode != "none":
            window["auto_pad"] = mode
        return window
