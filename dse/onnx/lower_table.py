"""Lowering of functions of one value: one layer, a table, for all of its nodes."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnx

from dse.network.graph import Quantisation
from dse.onnx.draft import DraftLayer, DraftTensor
from dse.onnx.drafting import Drafting
from dse.onnx.elementwise import FunctionStep
from dse.onnx.functions import INPUT, OPSET, OUTPUT, Function, renamed
from dse.onnx.source import node_inputs, node_name
from dse.onnx.values import (
    FLOAT,
    Const,
    HostValue,
    OverlayValue,
    StepValue,
    Unsupported,
    quantisation,
)
from dse.onnx.written_out import written_out


def lower(
    drafting: Drafting, node: onnx.NodeProto, step: FunctionStep, scalars: Mapping[str, Const]
) -> None:
    """A node of a function; the last one adds the layer."""
    x = _argument(drafting, step.argument)
    known = drafting.known[node.output[0]]
    if known.shape not in (None, x.shape):
        raise Unsupported(
            f"its constants enlarge its input of shape {x.shape} to {known.shape}",
            "give them the shape of a single number",
        )
    dtype = known.dtype or x.dtype
    if node.output[0] != step.result:
        drafting.set(node, StepValue(x.tensor, x.shape, dtype, x.elements))
        return
    function, output = _function(step, scalars, x, drafting.source.opset, dtype.kind in "iu")
    result = DraftTensor(node.output[0], *x.tensor.shape, output)
    layer = DraftLayer("table", node_name(node), node.op_type, [x.tensor], result)
    layer.function = function
    drafting.set(node, OverlayValue(drafting.add(layer), x.shape, dtype, x.elements))


def _argument(drafting: Drafting, name: str) -> OverlayValue:
    """What a function is of: all of a tensor, in whatever order a view shows it."""
    x = drafting.values[name]
    x = drafting.enter(x) if isinstance(x, HostValue) else x
    assert isinstance(x, OverlayValue)
    whole = x.elements is None or x.elements.size == math.prod(x.tensor.shape)
    return x if whole else drafting.gathered(name, x)


def _function(
    step: FunctionStep,
    scalars: Mapping[str, Const],
    x: OverlayValue,
    opset: int,
    integers: bool,
) -> tuple[Function, Quantisation | None]:
    """The function, and the quantisation of its results if the last node itself rounds.

    ``integers``: its results are integers, of which only such a node can say what they mean.
    """
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, npt.NDArray] = {}
    for node in step.nodes:
        written, more = written_out(node)
        nodes += written
        constants |= more
    constants |= {
        name: _single(scalars[name])
        for node in nodes
        for name in node_inputs(node)
        if name in scalars
    }
    result, output = step.result, None
    if nodes[-1].op_type == "QuantizeLinear":
        rounding = nodes.pop()
        result, scale, *zero = rounding.input
        zero_point = constants[zero[0]] if zero else np.zeros((), np.uint8)
        output = quantisation(constants[scale], zero_point, zero_point.dtype)
    elif integers:
        raise Unsupported("it computes with integers", "dequantise its inputs first")
    names = {step.argument: INPUT, result: OUTPUT}
    prefix = "inner/"
    return (
        Function(
            tuple(renamed(nodes, names, prefix)),
            {f"{prefix}{name}": array for name, array in constants.items()},
            x.dtype if x.is_quantised else FLOAT,
            max(OPSET, opset),
        ),
        output,
    )


def _single(constant: Const) -> npt.NDArray:
    """A constant without axes; real ones as float32."""
    array = np.asarray(constant.real()).reshape(())
    return array.astype(np.float32) if array.dtype.kind == "f" else array
