"""What an ONNX model means, by plain numpy in float64: bounds of every value that it may answer.

It shares no code with the importer and runs no kernel of any processor.  A tensor is a pair of
arrays, the least and the greatest value that a right implementation may give; mostly they are
equal.  They part where a rounding may go either way, and by no more than that:

- **quantised models**: the overlay's factors have 17 bits, so that a result may be off by 2**-17 of
  itself (``_FACTOR``) before it is rounded; both factors of a sum have the larger one's unit.
  Biases are integers of input scale times weight scale, hence off by half such a unit.
  QuantizeLinear then rounds both ends;
- **float models**: ``steps`` are the scales that calibration chose.  Each of these tensors is
  rounded, by half a step; weights are rounded to a 127th of the largest of their channel, by half
  of that.  Everything else follows from those by interval arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tests.fuzz.taps import Array, convolve, tapped

_FACTOR = 2.0**-16
"""Twice the greatest relative error of a 17-bit factor."""

_FLOAT = 1e-6
"""Float32 arithmetic of the model's own and of the host's operators, relative."""


@dataclass(frozen=True)
class Bounds:
    """A tensor: each value lies in [low, high].

    ``scale``: of the integers that its values are multiples of, where it is known;
    ``weight_scale``: those of dequantised constants.  ``fixed``: a constant of the model.
    """

    low: Array
    high: Array
    dtype: np.dtype
    scale: float | None = None
    weight_scale: Array | None = None
    fixed: bool = False

    @property
    def constant(self) -> Array:
        assert self.fixed
        return self.low

    @property
    def middle(self) -> Array:
        return (self.low + self.high) / 2

    @property
    def radius(self) -> Array:
        return (self.high - self.low) / 2

    def widened(self, by: Array | float) -> Bounds:
        return replace(self, low=self.low - by, high=self.high + by)

    def map(self, function: Callable[[Array], Array]) -> Bounds:
        """A function that keeps order, or that only moves values."""
        return replace(self, low=function(self.low), high=function(self.high))


def exact(array: Array, fixed: bool = True) -> Bounds:
    array = np.asarray(array)
    values = array.astype(np.float64)
    return Bounds(values, values, array.dtype, fixed=fixed)


def _pair_error(a: Bounds, b: Bounds) -> Array:
    """How far a sum may be off: both factors have the unit of the larger, 2**-17 of it."""
    error: Array = np.zeros(())
    greatest = max(a.scale or 0.0, b.scale or 0.0)
    for x in (a, b):
        share = greatest / x.scale if x.scale else 1.0
        error = error + (np.abs(x.middle) + x.radius) * share * _FACTOR
    return error


def evaluate(
    model: onnx.ModelProto, feeds: Mapping[str, Array], steps: Mapping[str, float] | None = None
) -> dict[str, Bounds]:
    """All tensors of a model by name; ``steps`` of a float model: scales by tensor name."""
    opset = next(o.version for o in model.opset_import if o.domain == "")
    meaning = Meaning(opset, _with_views(model, steps or {}), quantised=steps is None)
    for tensor in model.graph.initializer:
        meaning.values[tensor.name] = exact(numpy_helper.to_array(tensor))
    for name, array in feeds.items():
        meaning.set(name, exact(array, fixed=False))
    for node in model.graph.node:
        meaning.run(node)
    return meaning.values


_VIEWS = ("Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")


def _with_views(model: onnx.ModelProto, steps: Mapping[str, float]) -> dict[str, float]:
    """A tensor that is only seen otherwise has one step under all its names."""
    found = dict(steps)
    for node in reversed(model.graph.node):
        if (node.op_type in _VIEWS or _is_identity(node)) and node.output[0] in found:
            found.setdefault(node.input[0], found[node.output[0]])
    return found


def _is_identity(node: onnx.NodeProto) -> bool:
    """A maximum of single pixels, all of them."""
    if node.op_type != "MaxPool":
        return False
    given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    sizes = (*given["kernel_shape"], *given.get("strides", ()))
    return set(sizes) == {1} and not any(given.get("pads", ()))


class Meaning:
    """The walk over a model's nodes: ``values`` are the tensors so far."""

    def __init__(self, opset: int, steps: Mapping[str, float], quantised: bool) -> None:
        self.opset, self.steps, self.quantised = opset, steps, quantised
        self.values: dict[str, Bounds] = {}

    def run(self, node: onnx.NodeProto) -> None:
        """Evaluate one node."""
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        attributes = {k: v.decode() if isinstance(v, bytes) else v for k, v in attributes.items()}
        operands = [self.values[name] if name else None for name in node.input]
        function = getattr(self, f"_{node.op_type.lower()}")
        result = function(*operands, node=node, **attributes)
        self.set(node.output[0], result)

    def set(self, name: str, value: Bounds) -> None:
        step = self.steps.get(name)
        if step is not None:
            value = replace(value.widened(step / 2), scale=step)
        self.values[name] = value

    # Convolutions and fully connected layers.

    def _conv(self, x, w, bias=None, *, node, group=1, **window) -> Bounds:
        kernel = w.low.shape[2:]
        spread = self._rounding(w)

        def apply(values: Array, weight: Array) -> Array:
            return convolve(values, weight, group, kernel, window)

        return self._linear(apply, x, w, spread, bias, (1, -1, 1, 1))

    def _gemm(self, a, b, c=None, *, node, alpha=1.0, beta=1.0, transA=0, transB=0) -> Bounds:
        assert not transA
        w = b if not transB else b.map(np.transpose)
        bias = None if c is None else c.map(lambda v: v * beta)
        return self._dense(a, w, bias, alpha)

    def _matmul(self, a, b, *, node) -> Bounds:
        return self._dense(a, b, None, 1.0)

    def _dense(self, x, w, bias, alpha) -> Bounds:
        spread = self._rounding(w.map(np.transpose)).T
        scaled = w.map(lambda v: v * alpha)
        if w.weight_scale is not None:
            scaled = replace(scaled, weight_scale=w.weight_scale * abs(alpha))
        return self._linear(np.matmul, x, scaled, spread * abs(alpha), bias, (1, -1))

    def _linear(self, apply, x, w, spread, bias, column) -> Bounds:
        """The sums of a layer; its weights are off by up to ``spread``."""
        weight = w.low
        middle = apply(x.middle, weight)
        radius = apply(x.radius, np.abs(weight)) + apply(np.abs(x.middle) + x.radius, spread)
        if bias is not None:
            shape = column if bias.low.ndim == 1 and middle.ndim == 4 else bias.low.shape
            middle = middle + bias.low.reshape(shape)
        radius = radius + self._half_unit(x, w, middle) + np.abs(middle) * _FLOAT
        return Bounds(middle - radius, middle + radius, x.dtype)

    def _rounding(self, w: Bounds) -> Array:
        """How far a weight may be off, [Cout, ...]: a float model's are rounded to int8."""
        if self.quantised or not self.steps:
            return np.zeros_like(w.low)
        peak = np.abs(w.low).reshape(len(w.low), -1).max(axis=1)
        return np.broadcast_to((peak / 254).reshape(-1, *[1] * (w.low.ndim - 1)), w.low.shape)

    def _half_unit(self, x: Bounds, w: Bounds, sums: Array) -> Array | float:
        """Biases are integers in units of input scale times weight scale."""
        if x.scale is None:
            return 0.0
        if w.weight_scale is not None:
            unit = x.scale * float(np.max(w.weight_scale))
        else:
            unit = x.scale * float(np.abs(w.low).max(initial=0)) / 127
        return unit / 2

    # Gains and offsets, sums.

    def _batchnormalization(
        self, x, scale, offset, mean, variance, *, node, epsilon=1e-5, **_
    ) -> Bounds:
        gain = scale.low / np.sqrt(variance.low + epsilon)
        shape = (1, -1, *[1] * (x.low.ndim - 2))
        return self._affine(x, gain.reshape(shape), (offset.low - mean.low * gain).reshape(shape))

    def _affine(self, x: Bounds, gain: Array | float, offset: Array | float) -> Bounds:
        ends = x.low * gain + offset, x.high * gain + offset
        low, high = np.minimum(*ends), np.maximum(*ends)
        error = np.maximum(np.abs(low), np.abs(high)) * _FLOAT + np.abs(offset) * _FLOAT
        if x.scale is not None:  # a layer of its own: its weight is 127, its bias an integer
            error = error + np.abs(gain) * x.scale / 254
        return Bounds(low - error, high + error, x.dtype)

    def _add(self, a, b, *, node) -> Bounds:
        if a.fixed and b.fixed:
            return exact(a.low + b.low)
        if a.fixed:
            return self._affine(b, 1.0, a.low)
        if b.fixed:
            return self._affine(a, 1.0, b.low)
        error = _pair_error(a, b)
        return Bounds(a.low + b.low - error, a.high + b.high + error, a.dtype)

    def _sub(self, a, b, *, node) -> Bounds:
        if not (a.fixed or b.fixed):
            return self._add(a, Bounds(-b.high, -b.low, b.dtype), node=node)
        if a.fixed:
            return self._affine(b, -1.0, a.low)
        return self._affine(a, 1.0, -b.constant)

    def _mul(self, a, b, *, node) -> Bounds:
        if a.fixed:
            a, b = b, a
        if not (a.fixed or b.fixed):
            corners = np.stack([x * y for x in (a.low, a.high) for y in (b.low, b.high)])
            return Bounds(corners.min(axis=0), corners.max(axis=0), a.dtype)
        return self._affine(a, b.constant, 0.0)

    def _max(self, a, b, *, node) -> Bounds:
        return self._chosen(np.maximum, a, b)

    def _min(self, a, b, *, node) -> Bounds:
        return self._chosen(np.minimum, a, b)

    def _chosen(self, choose, a: Bounds, b: Bounds) -> Bounds:
        error = _pair_error(a, b)
        return Bounds(choose(a.low, b.low) - error, choose(a.high, b.high) + error, a.dtype)

    def _div(self, a, b, *, node) -> Bounds:
        return self._affine(a, 1 / b.constant, 0.0)

    def _sum(self, *operands, node) -> Bounds:
        total = operands[0]
        covered = total.scale or 0.0
        for index, operand in enumerate(operands[1:], start=1):
            total = self._add(total, operand, node=node)
            covered += operand.scale or 0.0
            if index < len(operands) - 1:  # the sum so far is rounded to a scale of its own
                step = self.steps.get(f"{node.output[0]}_{index}", covered)
                total = total.widened(step / 2)
        return total

    # Ranges.

    def _relu(self, x, *, node) -> Bounds:
        return x.map(lambda v: np.maximum(v, 0))

    def _clip(self, x, low=None, high=None, *, node, **attributes) -> Bounds:
        least = attributes.get("min", -np.inf) if low is None else low.constant
        most = attributes.get("max", np.inf) if high is None else high.constant
        result = x.map(lambda v: np.minimum(np.maximum(v, least), most))
        step = self.steps.get(node.output[0])
        return result if step is None else result.widened(step / 2)  # bounds round inwards

    # Pooling.

    def _maxpool(self, x, *, node, kernel_shape, **window) -> Bounds:
        def pool(values: Array) -> Array:
            return tapped(values, tuple(kernel_shape), window, -np.inf)[0].max(axis=(-2, -1))

        return x.map(pool)

    def _averagepool(self, x, *, node, kernel_shape, count_include_pad=0, **window) -> Bounds:
        def pool(values: Array) -> Array:
            taps, inside, padded = tapped(values, tuple(kernel_shape), window, 0.0)
            counted = padded if count_include_pad else inside
            return taps.sum(axis=(-2, -1)) / counted.sum(axis=(-2, -1))

        return self._averaged(x.map(pool))

    def _averaged(self, x: Bounds) -> Bounds:
        error = np.maximum(np.abs(x.low), np.abs(x.high)) * _FACTOR
        return replace(x.widened(error), scale=None)

    def _globalaveragepool(self, x, *, node) -> Bounds:
        return self._averaged(x.map(lambda v: v.mean(axis=(2, 3), keepdims=True)))

    def _globalmaxpool(self, x, *, node) -> Bounds:
        return x.map(lambda v: v.max(axis=(2, 3), keepdims=True))

    def _reducemean(self, x, axes=None, /, *, node, keepdims=1, **attributes) -> Bounds:
        listed = attributes.get("axes") if axes is None else axes.constant.astype(int)
        axis = None if listed is None else tuple(int(a) for a in listed)
        return self._averaged(x.map(lambda v: v.mean(axis=axis, keepdims=bool(keepdims))))

    # Quantised tensors.

    def _quantizelinear(self, x, scale, zero=None, *, node, output_dtype=0, **_) -> Bounds:
        dtype = zero.dtype if zero is not None else np.dtype(np.uint8)
        if zero is None and output_dtype:
            dtype = np.dtype(helper.tensor_dtype_to_np_dtype(output_dtype))
        return self._quantise(x, float(scale.low.reshape(())), zero, dtype)

    def _quantise(self, x: Bounds, scale: float, zero: Bounds | None, dtype: np.dtype) -> Bounds:
        offset = 0.0 if zero is None else float(zero.low.reshape(()))
        limits = np.iinfo(dtype)
        error = np.maximum(np.abs(x.low), np.abs(x.high)) * _FACTOR

        def rounded(values: Array) -> Array:
            return np.clip(np.rint(values / scale) + offset, limits.min, limits.max)

        return Bounds(rounded(x.low - error), rounded(x.high + error), dtype)

    def _dequantizelinear(self, x, scale, zero=None, *, node, axis=1, **_) -> Bounds:
        factor, offset = scale.low, 0.0 if zero is None else zero.low
        if factor.size > 1:
            shape = [1] * x.low.ndim
            shape[axis] = factor.size
            factor = factor.reshape(shape)
            offset = offset if zero is None else offset.reshape(shape)
        else:
            factor = factor.reshape(())
            offset = offset if zero is None else offset.reshape(())
        result = x.map(lambda v: (v - offset) * factor)
        if x.fixed:
            return replace(result, dtype=scale.dtype, weight_scale=scale.low)
        return replace(result, dtype=scale.dtype, scale=float(scale.low.reshape(())))

    def _real(self, x, scale, zero, axis=0) -> Bounds:
        """Integers of a QLinear operator as reals."""
        node = helper.make_node("DequantizeLinear", ["", "", ""], [""])
        return self._dequantizelinear(x, scale, zero, node=node, axis=axis)

    def _integers(self, real: Bounds, scale, zero, like: Bounds) -> Bounds:
        dtype = like.dtype if zero is None else zero.dtype
        return self._quantise(real, float(scale.low.reshape(())), zero, dtype)

    def _data(self, x, scale, zero) -> Bounds:
        return replace(self._real(x, scale, zero), scale=float(scale.low.reshape(())))

    def _qlinearconv(self, x, sx, zx, w, sw, zw, sy, zy, bias=None, *, node, **window) -> Bounds:
        data, weight = self._data(x, sx, zx), self._real(w, sw, zw)
        if bias is not None:
            bias = exact(bias.low * (sx.low * sw.low).reshape(-1))
        return self._integers(self._conv(data, weight, bias, node=node, **window), sy, zy, x)

    def _qlinearmatmul(self, a, sa, za, b, sb, zb, sy, zy, *, node) -> Bounds:
        real = self._dense(self._data(a, sa, za), self._real(b, sb, zb, 1), None, 1.0)
        return self._integers(real, sy, zy, a)

    def _qgemm(
        self, a, sa, za, b, sb, zb, bias=None, sy=None, zy=None, *, node, alpha=1.0, transB=0, **_
    ) -> Bounds:
        w = self._real(b, sb, zb, 0 if transB else 1)
        w = w.map(np.transpose) if transB else w
        if bias is not None:
            bias = exact(bias.low * (alpha * sa.low * sb.low).reshape(-1))
        return self._integers(self._dense(self._data(a, sa, za), w, bias, alpha), sy, zy, a)

    def _qlinearadd(self, a, sa, za, b, sb, zb, sy, zy=None, *, node) -> Bounds:
        pair = self._both((a, sa, za), (b, sb, zb))
        return self._integers(self._add(*pair, node=node), sy, zy, a)

    def _qlinearmul(self, a, sa, za, b, sb, zb, sy, zy=None, *, node) -> Bounds:
        pair = self._both((a, sa, za), (b, sb, zb))
        return self._integers(self._mul(*pair, node=node), sy, zy, a)

    def _both(self, *operands) -> list[Bounds]:
        return [self._real(*one) if one[0].fixed else self._data(*one) for one in operands]

    def _qlinearconcat(self, sy, zy, *operands, node, axis) -> Bounds:
        parts = [self._data(*operands[i : i + 3]) for i in range(0, len(operands), 3)]
        return self._integers(self._concat(*parts, node=node, axis=axis), sy, zy, operands[0])

    def _qlinearaveragepool(self, x, sx, zx, sy, zy=None, *, node, **window) -> Bounds:
        real = self._averagepool(self._data(x, sx, zx), node=node, **window)
        return self._integers(real, sy, zy, x)

    def _qlinearglobalaveragepool(self, x, sx, zx, sy, zy=None, *, node, **_) -> Bounds:
        return self._integers(self._globalaveragepool(self._data(x, sx, zx), node=node), sy, zy, x)

    # Views and constants.

    def _concat(self, *operands, node, axis) -> Bounds:
        low = np.concatenate([x.low for x in operands], axis)
        high = np.concatenate([x.high for x in operands], axis)
        scales = {x.scale for x in operands}
        scale = scales.pop() if len(scales) == 1 else None
        fixed = all(x.fixed for x in operands)
        return Bounds(low, high, operands[0].dtype, scale, fixed=fixed)

    def _reshape(self, x, shape, *, node, allowzero=0) -> Bounds:
        target = [
            x.low.shape[i] if n == 0 and not allowzero else int(n)
            for i, n in enumerate(shape.constant)
        ]
        return x.map(lambda v: v.reshape(target))

    def _flatten(self, x, *, node, axis=1) -> Bounds:
        rows = math.prod(x.low.shape[: axis if axis >= 0 else x.low.ndim + axis])
        return x.map(lambda v: v.reshape(rows, -1))

    def _squeeze(self, x, axes=None, /, *, node, **attributes) -> Bounds:
        listed = attributes.get("axes") if axes is None else axes.constant
        return x.map(lambda v: np.squeeze(v, None if listed is None else tuple(map(int, listed))))

    def _unsqueeze(self, x, axes=None, /, *, node, **attributes) -> Bounds:
        listed = attributes.get("axes") if axes is None else axes.constant
        return x.map(lambda v: np.expand_dims(v, tuple(map(int, listed))))

    def _transpose(self, x, *, node, perm=None) -> Bounds:
        return x.map(lambda v: v.transpose(perm))

    def _identity(self, x, *, node) -> Bounds:
        return x

    def _dropout(self, x, *operands, node, **_) -> Bounds:
        return x

    def _cast(self, x, *, node, to, **_) -> Bounds:
        return replace(x, dtype=np.dtype(helper.tensor_dtype_to_np_dtype(to)))

    def _constant(self, *, node, **attributes) -> Bounds:
        (value,) = attributes.values()
        array = numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value
        return exact(np.asarray(array))

    def _shape(self, x, *, node, **_) -> Bounds:
        return exact(np.array(x.low.shape, np.int64))

    def _gather(self, x, indices, *, node, axis=0) -> Bounds:
        return x.map(lambda v: np.take(v, indices.constant.astype(int), axis))

    def _pad(self, x, pads=None, value=None, /, *, node, **attributes) -> Bounds:
        listed = attributes.get("pads") if pads is None else pads.constant.astype(int)
        half = len(listed) // 2
        width = list(zip(listed[:half], listed[half:], strict=True))
        return x.map(lambda v: np.pad(v, width))

    # The host's operators at the end.

    def _softmax(self, x, *, node, axis=None) -> Bounds:
        old = self.opset < 13
        axis = (1 if old else -1) if axis is None else axis
        axes = tuple(range(axis, x.low.ndim)) if old else (axis,)
        top = x.high.max(axis=axes, keepdims=True)
        low, high = np.exp(x.low - top), np.exp(x.high - top)
        total_low, total_high = (v.sum(axis=axes, keepdims=True) for v in (low, high))
        result = Bounds(low / (low + total_high - high), high / (high + total_low - low), x.dtype)
        return result.widened(1e-6)

    def _reducemax(self, x, axes=None, /, *, node, **attributes) -> Bounds:
        listed = attributes.get("axes") if axes is None else axes.constant.astype(int)
        return x.map(lambda v: v.max(axis=tuple(map(int, listed)), keepdims=True))

    def _sigmoid(self, x, *, node) -> Bounds:
        return x.map(lambda v: 1 / (1 + np.exp(-v))).widened(1e-6)

    def _argmax(self, x, *, node, axis=0, keepdims=1, **_) -> Bounds:
        """Every index whose value may be the greatest."""
        may = x.high >= x.low.max(axis=axis, keepdims=True)
        low = may.argmax(axis=axis)
        high = may.shape[axis] - 1 - np.flip(may, axis).argmax(axis=axis)
        pair = [np.expand_dims(v, axis) if keepdims else v for v in (low, high)]
        return Bounds(pair[0].astype(float), pair[1].astype(float), np.dtype(np.int64))
