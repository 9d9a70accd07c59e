"""Random ONNX models in every spelling: opsets 9 to 23, float, QDQ and QLinear operators.

Operands come present and absent, as attributes and as inputs, constants as initializers and as
nodes, scales per tensor and per channel.  Now and then a model has a fault that must be refused.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import helper

from tests.fuzz.meaning import Meaning, exact
from tests.fuzz.spelling import MICROSOFT, Case, Integers, Live, Spelling
from tests.fuzz.taps import tapped


def draw(seed: int) -> Case:
    """The model of a seed."""
    return _Drawing(np.random.default_rng(seed)).case()


class _Drawing(Spelling):
    def conv(self, x: Live) -> Live:
        groups = self.choose(*[g for g in (1, 1, 1, 2, 3, x.shape[0]) if x.shape[0] % g == 0])
        cout = groups * self.number(1, 4)
        return self.convolved(x, cout, groups, self.window(x.shape, dilated=True))

    def convolved(self, x: Live, cout: int, groups: int, window: dict[str, Any]) -> Live:
        shape = (cout, x.shape[0] // groups, *window["kernel_shape"])
        if self.chance(0.3):
            del window["kernel_shape"]
        if groups > 1 or self.chance(0.2):
            window["group"] = groups
        if self.style == "qlinear":
            return self.qlinear_conv(x, shape, window)
        name, scale = self.weights(shape, 0)
        y = self.node("Conv", [self.real(x), name, self.bias(cout, x, scale)], **window)
        if self.chance(0.3):
            y = self.affine_node(y, cout)
        return self.finish(y, self.shape(y))

    def shape(self, name: str) -> tuple[int, ...]:
        return self.meaning.values[name].low.shape[1:]

    def qlinear_conv(self, x: Live, shape: tuple[int, ...], window: dict[str, Any]) -> Live:
        q = self.integers(x)
        values, scale, zero = self.integer_weights(shape, 0)
        zero = zero or self.constant(np.zeros(scale.shape, np.int8))
        weight = [values, self.constant(scale), zero]
        bias = self.constant(self.rng.integers(-3000, 3000, shape[0]).astype(np.int32))
        bias = bias if self.chance(0.7) else ""
        operands = [q.name, q.scale, self.zero(q), *weight]
        return self.qlinear("QLinearConv", operands, [bias], **window)

    def qlinear(
        self, op: str, operands: list[str], rest: list[str], domain="", **attributes
    ) -> Live:
        """A QLinear operator: its real result tells a scale for the output."""
        one, none = self.constant(np.float32(1e-3)), self.constant(self.dtype.type(0))
        probe = self.probe(op, [*operands, one, none, *rest], domain, attributes)
        scale, zero = probe
        known = self.constant(scale), self.constant(zero)
        name = self.node(op, [*operands, *known, *rest], domain, **attributes)
        q = Integers(name, known[0], known[1] if zero != 0 or self.chance(0.5) else "")
        return Live(self.shape(name), integers=q)

    def probe(self, op, operands, domain, attributes) -> tuple[np.float32, Any]:
        """The quantisation of an operator's result, from the result as it is in float."""
        made = helper.make_node(op, operands, ["probe"], domain=domain, **attributes)
        seen = []
        meaning = Meaning(self.opset, {}, quantised=True)
        meaning.values = self.meaning.values
        meaning._integers = lambda real, *_: seen.append(real) or real  # type: ignore[method-assign]
        meaning.run(made)
        self.meaning.values["probe"] = seen[0]
        return self.scale_of("probe")

    def pool(self, x: Live) -> Live:
        kind = self.choose("MaxPool", "AveragePool")
        window = self.window(x.shape, kind == "MaxPool" or self.opset >= 19)
        if self.opset < 10:
            window.pop("dilations", None)
        elif window.get("auto_pad", "NOTSET") == "NOTSET" and self.chance(0.3):
            window["ceil_mode"] = 1
        if kind == "AveragePool" and self.chance(0.4):
            window["count_include_pad"] = 1
        values = np.zeros((1, *x.shape))
        options = {
            k: v for k, v in window.items() if k not in ("kernel_shape", "count_include_pad")
        }
        inside = tapped(values, tuple(window["kernel_shape"]), options, 0.0)[1]
        if not inside.any(axis=(-2, -1)).all():  # there is no value for such a window
            return x
        if kind == "MaxPool":
            return self.passes_on(x, lambda name: self.node("MaxPool", [name], **window), 12)
        if self.style == "qlinear" and "dilations" not in window:
            return self.qlinear_unary("QLinearAveragePool", x, **window)
        return self.finish(self.node(kind, [self.real(x)], **window), self.pooled(x, kind, window))

    def pooled(self, x: Live, kind: str, window: dict[str, Any]) -> tuple[int, ...]:
        return self.shape(f"t{len(self.nodes) - 1}")

    def qlinear_unary(self, op: str, x: Live, **attributes: Any) -> Live:
        q = self.integers(x)
        zero = q.zero or (self.zero(q) if self.chance(0.5) else "")
        return self.qlinear(op, [q.name, q.scale, zero], [], MICROSOFT, **attributes)

    def passes_on(self, x: Live, write, opset: int) -> Live:
        """An operator that only moves or chooses values: of reals, or of integers as they are."""
        if x.real or self.opset < opset or self.chance(0.4):
            real = write(self.real(x))
            if self.style == "float" or self.chance(0.3):
                return Live(self.shape(real), real)
            if self.chance(0.3):
                real = self.activation(real)
            return Live(self.shape(real), integers=self.quantise(real))
        q = self.integers(x)
        name = write(q.name)
        return Live(self.shape(name), integers=replace(q, name=name))

    def global_pool(self, x: Live) -> Live:
        kind = self.choose("GlobalAveragePool", "GlobalMaxPool", "ReduceMean")
        if self.style == "qlinear" and kind == "GlobalAveragePool":
            return self.qlinear_unary("QLinearGlobalAveragePool", x, channels_last=0)
        if kind != "ReduceMean":
            y = self.node(kind, [self.real(x)])
            return self.finish(y, self.shape(y), 0.2)
        axes = self.choose([2, 3], [-1, -2], [3, 2])
        keep = {"keepdims": 0} if self.chance(0.4) else {}
        if self.opset < 18:
            y = self.node("ReduceMean", [self.real(x)], axes=axes, **keep)
        else:
            y = self.node("ReduceMean", [self.real(x), self.constant(np.int64(axes))], **keep)
        return self.finish(y, self.shape(y), 0.2)

    def affine_node(self, real: str, channels: int) -> str:
        rank = len(self.shape(real))
        shape = self.choose(
            (), (1,), (channels, *[1] * (rank - 1)), (1, channels, *[1] * (rank - 1))
        )
        if rank == 1:
            shape = self.choose((), (1,), (channels,), (1, channels))
        value = np.asarray(self.rng.normal(0, 1, shape), np.float32)
        value = np.where(np.abs(value) < 0.1, np.float32(0.5), value)
        kind = self.choose("Add", "Sub", "Mul", "Div", "BN", "BN")
        if kind == "BN" and rank == 3:
            parameters = [self.normal(channels) + 1, self.normal(channels), self.normal(channels)]
            parameters.append(np.abs(self.normal(channels)) + np.float32(0.3))
            names = [self.constant(p.astype(np.float32)) for p in parameters]
            epsilon = {"epsilon": 1e-3} if self.chance(0.5) else {}
            return self.node("BatchNormalization", [real, *names], **epsilon)
        kind = "Mul" if kind == "BN" else kind
        operands = [real, self.constant(value)]
        if kind in ("Add", "Mul", "Sub") and self.chance(0.3):
            operands.reverse()
        return self.node(kind, operands)

    def affine(self, x: Live) -> Live:
        y = self.affine_node(self.real(x), x.shape[0])
        return self.finish(y, self.shape(y), 0.3)

    def dense(self, x: Live) -> Live:
        size = math.prod(x.shape)
        flat = x if len(x.shape) == 1 else self.flatten(x)
        cout = self.number(1, 6)
        if self.style == "qlinear":
            return self.qlinear_dense(flat, size, cout)
        if self.chance(0.4):
            if self.chance(0.5):
                name, _ = self.weights((size, cout), 1)
            else:
                name = self.node("Transpose", [self.weights((cout, size), 0)[0]], perm=[1, 0])
            y = self.node("MatMul", [self.real(flat), name])
        else:
            transposed = self.chance(0.5)
            shape = (cout, size) if transposed else (size, cout)
            name, scale = self.weights(shape, 0 if transposed else 1)
            options: dict[str, Any] = {"transB": 1} if transposed else {}
            if self.chance(0.3):
                options |= {"alpha": self.choose(0.5, -0.25), "beta": self.choose(2.0, -1.0, 1.0)}
            bias = self.bias(cout, flat, scale, needed=10)
            y = self.node("Gemm", [self.real(flat), name, bias], **options)
        if self.chance(0.2):
            y = self.affine_node(y, cout)
        return self.finish(y, self.shape(y))

    def qlinear_dense(self, x: Live, size: int, cout: int) -> Live:
        q = self.integers(x)
        data = [q.name, q.scale, self.zero(q)]
        gemm = self.chance(0.5)
        transposed = gemm and self.chance(0.5)
        shape = (cout, size) if transposed else (size, cout)
        values, scale, zero = self.integer_weights(shape, 0 if transposed else 1)
        weight = [
            values,
            self.constant(scale),
            zero or self.constant(np.zeros(scale.shape, np.int8)),
        ]
        if not gemm:
            return self.qlinear("QLinearMatMul", [*data, *weight], [])
        bias = self.constant(self.rng.integers(-3000, 3000, cout).astype(np.int32))
        options: dict[str, Any] = {"transB": 1} if transposed else {}
        if self.chance(0.3):
            options["alpha"] = self.choose(0.5, 2.0)
        operands = [*data, *weight, bias if self.chance(0.6) else ""]
        return self.qlinear("QGemm", operands, [], MICROSOFT, **options)

    def flatten(self, x: Live) -> Live:
        size = math.prod(x.shape)
        form = self.choose("Flatten", "Reshape", "Reshape", "Squeeze")
        if form == "Squeeze" and len(x.shape) == 3 and x.shape[1:] == (1, 1):
            return self.passes_on(x, lambda name: self.axes("Squeeze", name, [2, 3]), 9)
        if form == "Flatten":
            axis = {"axis": self.choose(1, -len(x.shape))} if self.opset >= 11 else {}
            return self.passes_on(x, lambda name: self.node("Flatten", [name], **axis), 9)
        if self.chance(0.3):
            return self.passes_on(x, self.flatten_by_shape, 9)
        shape = self.choose([0, -1], [-1, size], [0, size])
        return self.passes_on(
            x, lambda n: self.node("Reshape", [n, self.constant(np.int64(shape))]), 9
        )

    def flatten_by_shape(self, name: str) -> str:
        """As PyTorch exports it, for any batch."""
        extents = self.node("Shape", [name])
        count = self.node("Gather", [extents, self.constant(np.int64(0))], axis=0)
        count = self.axes("Unsqueeze", count, [0])
        shape = self.node("Concat", [count, self.constant(np.int64([-1]))], axis=0)
        return self.node("Reshape", [name, shape])

    def enters_raw(self, name: str) -> bool:
        """Whether integers come from an input that nothing dequantised: their scale is open."""
        makers = {node.output[0]: node for node in self.nodes}
        while name in makers and "Quant" not in makers[name].op_type:
            if makers[name].op_type.startswith("QLinear") or makers[name].op_type == "QGemm":
                return False
            name = makers[name].input[0]
        return name not in makers

    def integer_range(self, x: Live) -> Live:
        """Clip or Relu of integers as they are."""
        if x.integers is None or self.opset < 14 or self.enters_raw(x.integers.name):
            return x
        if self.dtype == np.int8 and self.chance(0.3):
            name = self.node("Relu", [x.integers.name])
        else:
            limits = np.iinfo(self.dtype)
            bounds = sorted(self.number(limits.min, limits.max) for _ in range(2))
            operands = [self.constant(self.dtype.type(bound)) for bound in bounds]
            operands = [operand if self.chance(0.8) else "" for operand in operands]
            name = self.node("Clip", [x.integers.name, *operands])
        return Live(x.shape, integers=replace(x.integers, name=name))

    def curved(self, x: Live) -> Live:
        """A function of one value, alone or times the value; a layer follows it."""
        real = self.real(x)
        y = self.node("Sigmoid", [real])
        y = self.node("Mul", [real, y]) if self.chance(0.5) else y
        return self.conv(self.finish(y, x.shape, 0.0))

    # Faults: each of these nodes must be refused.

    def unrounded(self, x: Live) -> Live:
        """The result of a layer is read before it is rounded, too."""
        if self.style != "qdq":
            return x
        name, _ = self.weights((2, x.shape[0], 1, 1), 0)
        real = self.node("Conv", [self.real(x), name])
        self.outputs.append(self.fault(real))
        return Live(self.shape(real), integers=self.quantise(real))

    def wide(self, x: Live) -> Live:
        """Activations of 16 bits."""
        if self.style != "qdq" or self.opset < 21:
            return x
        name, _ = self.weights((2, x.shape[0], 1, 1), 0)
        real = self.node("Conv", [self.real(x), name])
        scale = self.constant(np.float32(1e-3))
        q = self.node("QuantizeLinear", [real, scale], output_dtype=onnx.TensorProto.INT16)
        real = self.node("DequantizeLinear", [self.fault(q), scale])
        self.fault(real)
        return Live(self.shape(real), integers=self.quantise(real))

    def axes(self, op: str, name: str, axes: list[int]) -> str:
        if self.opset < 13:
            return self.node(op, [name], axes=axes)
        return self.node(op, [name, self.constant(np.int64(axes))])

    def view(self, x: Live) -> Live:
        kind = self.choose("Identity", "Dropout", "there and back")
        if kind == "Identity":
            return self.passes_on(x, lambda name: self.node("Identity", [name]), 9)
        if kind == "Dropout" and x.real:
            return Live(x.shape, self.node("Dropout", [x.real]))
        place = self.number(0, len(x.shape) + 1)

        def write(name: str) -> str:
            return self.axes("Squeeze", self.axes("Unsqueeze", name, [place]), [place])

        return self.passes_on(x, write, 9)

    def add(self, x: Live) -> Live:
        others = [y for y in self.live if y.shape == x.shape]
        y = self.choose(*others)
        if self.style == "qlinear":
            operands = []
            for q in (self.integers(x), self.integers(y)):
                operands += [q.name, q.scale, q.zero]
            return self.qlinear("QLinearAdd", operands, [], MICROSOFT)
        reals = [self.real(x), self.real(y)]
        if self.chance(0.2):
            reals.append(self.real(self.choose(*others)))
        op = "Sum" if len(reals) == 3 or self.chance(0.2) else "Add"
        total = self.node(op, reals)
        return self.finish(total, x.shape)

    def pair(self, x: Live) -> Live:
        """Two tensors, also an image and a value for each of its channels or pixels, or for all.

        The other one is no function of the first one's values alone.
        """
        if self.chance(0.7):  # of as many pixels
            y = self.convolved(x, self.choose(1, x.shape[0]), 1, {"kernel_shape": [1, 1]})
        else:
            y = self.global_pool(x)
        self.live.append(y)
        if not _spreads(y.shape, x.shape):
            return y
        op = self.choose("Sub", "Mul", "Max", "Min", "Add")
        pair = [x, y] if self.chance(0.7) else [y, x]
        if self.style == "qlinear" and op in ("Add", "Mul"):
            operands = [n for q in map(self.integers, pair) for n in (q.name, q.scale, q.zero)]
            return self.qlinear(f"QLinear{op}", operands, [], MICROSOFT)
        return self.finish(self.node(op, [self.real(one) for one in pair]), x.shape)

    def concat(self, x: Live) -> Live:
        rank = len(x.shape)
        place = 0 if self.chance(0.6) else self.number(0, rank - 1)
        alike = [
            y
            for y in self.live
            if len(y.shape) == rank
            and all(
                a == b for k, (a, b) in enumerate(zip(x.shape, y.shape, strict=True)) if k != place
            )
        ]
        parts = [x, *(self.choose(*alike) for _ in range(self.number(0, 2)))]
        axis = self.choose(place + 1, place - rank)
        if self.style == "qlinear":
            operands = []
            for part in parts:
                q = self.integers(part)
                operands += [q.name, q.scale, self.zero(q)]
            reals = self.node("Concat", [self.real(part) for part in parts], axis=axis)
            scale, zero = self.scale_of(reals)
            self.nodes.pop()  # only its range was needed
            known = [self.constant(scale), self.constant(zero)]
            name = self.node("QLinearConcat", [*known, *operands], MICROSOFT, axis=axis)
            return Live(self.shape(name), integers=Integers(name, known[0], known[1]))
        y = self.node("Concat", [self.real(part) for part in parts], axis=axis)
        return self.finish(y, self.shape(y), 0.2)

    # Whole models.

    def image(self) -> None:
        name = f"image{len(self.images)}"
        shape = (self.number(1, 4), self.number(3, 8), self.number(3, 8))
        if self.images:
            shape = self.live[0].shape
        if self.style != "float" and self.chance(0.3):  # the model's input is quantised
            limits = np.iinfo(self.dtype)
            array = self.rng.integers(limits.min, limits.max + 1, (self.count, *shape))
            array = array.astype(self.dtype)
            zero = self.dtype.type(self.choose(0, self.number(0, 100)))
            q = Integers(
                name,
                self.constant(np.float32(self.rng.uniform(0.005, 0.02)), False),
                self.constant(zero, False) if zero != 0 or self.chance(0.5) else "",
            )
            live = Live(shape, integers=q)
        else:
            spread = 0 if self.chance(0.05) else 1  # a black image
            array = self.rng.normal(0, spread, (self.count, *shape)).astype(np.float32)
            live = Live(shape, real=name)
        self.images[name] = array
        self.meaning.set(name, exact(array, fixed=False))
        proto = helper.np_dtype_to_tensor_dtype(array.dtype)
        self.inputs.append(helper.make_tensor_value_info(name, proto, [self.batch, *shape]))
        if live.real and self.chance(0.2):  # preprocessing
            value = self.constant(np.float32(self.rng.uniform(0.5, 2)))
            live = Live(shape, real=self.node(self.choose("Sub", "Div", "Mul"), [live.real, value]))
        if live.real and self.style != "float":
            live = Live(shape, integers=self.quantise(live.real))
        self.live.append(live)

    def case(self) -> Case:
        for _ in range(self.choose(1, 1, 1, 2)):
            self.image()
        self.live.append(self.conv(self.live[-1]))
        for _ in range(self.number(0, 6)):
            self.step()
        self.finish_outputs()
        graph = helper.make_graph(
            self.nodes,
            "drawn",
            self.inputs,
            [
                helper.make_tensor_value_info(
                    name, helper.np_dtype_to_tensor_dtype(self.meaning.values[name].dtype), None
                )
                for name in self.outputs
            ],
            self.constants,
        )
        domains = [("", self.opset), (MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid(*d) for d in domains])
        model.ir_version = 10
        return Case(model, self.images, self.style != "float", tuple(self.faults))

    def step(self) -> None:
        x = self.choose(*self.live[-3:])
        spatial = ("conv", "conv", "conv", "pool", "pool", "global_pool", "affine", "concat")
        spatial += ("curved", "pair", "pair")
        anywhere = ("view", "add", "dense", "integer_range")
        if len(x.shape) == 3 and self.chance(0.03):
            self.live.append(getattr(self, self.choose("unrounded", "wide"))(x))
            return
        kind = self.choose(*(spatial + anywhere if len(x.shape) == 3 else (*anywhere, "concat")))
        self.live.append(getattr(self, kind)(x))

    def finish_outputs(self) -> None:
        """The last tensor, perhaps others, through what the host does at the end."""
        made = [x for x in self.live if (x.real or self.integers(x).name).startswith("t")]
        chosen = [self.live[-1], *(x for x in made if self.chance(0.15))]
        for x in chosen:
            if self.style != "float" and self.chance(0.3):
                name = self.integers(x).name
            else:
                name = self.tail(self.real(x))
            if name not in self.outputs:
                self.outputs.append(name)
        if self.chance(0.05):
            self.outputs.append(self.constant(self.normal(2, 3)))
        if self.chance(0.05):
            self.outputs.append(next(iter(self.images)))

    def reduce_max(self, real: str, axis: int) -> str:
        if self.opset < 18:
            return self.node("ReduceMax", [real], axes=[axis])
        return self.node("ReduceMax", [real, self.constant(np.int64([axis]))])

    def tail(self, real: str) -> str:
        rank = len(self.shape(real)) + 1
        kind = self.choose(
            *("none", "none", "none", "none", "Softmax", "Softmax", "ArgMax", "Transpose"),
            *("Sigmoid", "Flatten", "Identity", "ReduceMax"),
            "Reshape" if self.chance(0.3) else "none",
        )
        if kind == "Softmax":
            axis = self.choose(None, 1, 0 if self.chance(0.2) else 1)
            name = self.node("Softmax", [real], **({} if axis is None else {"axis": axis}))
            return self.fault(name) if axis == 0 and self.batch != 1 else name
        if kind == "ReduceMax":
            axis = 0 if self.chance(0.1) else 1
            name = self.reduce_max(real, axis)
            return self.fault(name) if axis == 0 and self.batch != 1 else name
        if kind == "Reshape":
            name = self.node("Reshape", [real, self.constant(np.int64([self.count, -1]))])
            return name if self.batch == 1 else self.fault(name)
        if kind == "ArgMax":
            keep = {"keepdims": 0} if self.chance(0.5) else {}
            return self.node("ArgMax", [real], axis=1, **keep)
        if kind == "Transpose":
            perm = [0, *range(2, rank), 1]
            return self.node("Transpose", [real], perm=perm)
        if kind == "none":
            return real
        return self.node(kind, [real])


def _spreads(shape: tuple[int, ...], image: tuple[int, ...]) -> bool:
    """Whether an operand has the shape of an image, or one of its channels or pixels."""
    if shape == image:
        return True
    fits = len(shape) == len(image) == 3 and shape[0] in (1, image[0])
    return fits and shape[1:] in ((1, 1), image[1:])
