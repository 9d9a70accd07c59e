"""Local response normalisation that an exporter wrote out: x / (k + a * mean of squares) ** b.

What lies between the squares and their mean (views, padding, an average over depth) differs from
exporter to exporter, so that nodes are found by their ends and judged by what they compute.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from dse.network.graph import Gain
from dse.onnx.source import IR_VERSION, Source, attribute, node_inputs, operator
from dse.onnx.values import Const

_NEAR = 1e-4
"""Of the greatest value: what float32 leaves of two orders of summation."""


@dataclass(frozen=True, eq=False)
class WrittenResponse:
    """Nodes that together are one LRN of ``argument``.

    ``nodes``: all that make ``result`` of it; ``inner``: the numbers of those that constants do not
    decide.  ``mean``: the gain of a mean of ``size`` squares.
    """

    argument: str
    result: str
    nodes: tuple[onnx.NodeProto, ...]
    inner: frozenset[int]
    constants: Mapping[str, npt.NDArray]
    size: int
    mean: Gain

    @property
    def gain(self) -> Gain:
        """Of a sum of squares."""
        return Gain(self.mean.alpha / self.size, self.mean.beta, self.mean.bias)

    def is_one(self, shape: tuple[int, ...], opsets: list[onnx.OperatorSetIdProto]) -> bool:
        """Whether the nodes compute LRN, of random values of a shape."""
        spread = math.sqrt(self.mean.bias / self.mean.alpha)
        x = np.random.default_rng(0).normal(scale=spread, size=shape).astype(np.float32)
        graph = helper.make_graph(
            self.nodes,
            "response",
            [helper.make_tensor_value_info(self.argument, TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(self.result, TensorProto.FLOAT, None)],
            [numpy_helper.from_array(array, name) for name, array in self.constants.items()],
        )
        model = helper.make_model(graph, opset_imports=opsets)
        model.ir_version = IR_VERSION
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what cannot be run is no LRN
        try:
            session = onnxruntime.InferenceSession(model.SerializeToString(), options)
            (found,) = session.run(None, {self.argument: x})
        except Exception:  # onnxruntime raises its own Fail and others
            return False
        right = x * self.gain(_sums(x.astype(np.float64) ** 2, self.size))
        return found.shape == right.shape and bool(
            np.abs(found - right).max() <= _NEAR * np.abs(right).max()
        )


def _sums(squares: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.float64]:
    """Of as many channels around each one, as LRN counts them."""
    ends = [(0, 0)] * squares.ndim
    ends[1] = ((size - 1) // 2, size // 2)
    padded = np.pad(squares, ends)
    return np.lib.stride_tricks.sliding_window_view(padded, size, axis=1).sum(axis=-1)


def written_responses(source: Source, scalars: Mapping[str, Const]) -> Iterator[WrittenResponse]:
    """What has the ends of an LRN."""
    nodes = source.model.graph.node
    makers = {name: n for n, node in enumerate(nodes) for name in node.output if name}
    readers: dict[str, set[int]] = {name: set() for name in source.outputs}
    for number, node in enumerate(nodes):
        for name in node_inputs(node):
            readers.setdefault(name, set()).add(number)

    def made(name: str, kind: str) -> list[str]:
        """What the node of some kind reads that makes a value."""
        number = makers.get(name)
        known = number is not None and operator(nodes[number]) == kind
        return list(nodes[number].input) if known and number is not None else []

    def split(names: list[str]) -> tuple[str, float] | None:
        """A variable and a number."""
        numbers = [name for name in names if name in scalars]
        if len(names) != 2 or len(numbers) != 1:
            return None
        (variable,) = set(names) - set(numbers)
        return variable, float(scalars[numbers[0]].real().reshape(()))

    for last, node in enumerate(nodes):
        if operator(node) != "Div":
            continue
        argument, divisor = node.input
        power = split(made(divisor, "Pow"))
        total = power and split(made(power[0], "Add"))
        scaled = total and split(made(total[0], "Mul"))
        if not (power and total and scaled) or min(power[1], total[1], scaled[1]) <= 0:
            continue
        between = _between(argument, node.output[0], makers, nodes)
        pools = [nodes[n] for n in between if operator(nodes[n]) == "AveragePool"]
        if len(pools) != 1:
            continue
        inner = _depending(argument, between, nodes)
        outside = {r for n in inner - {last} for o in nodes[n].output for r in readers.get(o, ())}
        given = {name for n in between for name in node_inputs(nodes[n])} - makers.keys()
        if not outside <= set(between) or not given - {argument} <= source.constants.keys():
            continue
        yield WrittenResponse(
            argument,
            node.output[0],
            tuple(nodes[n] for n in sorted(between)),
            frozenset(inner),
            {name: source.constants[name] for name in sorted(given - {argument})},
            math.prod(cast(list[int], attribute(pools[0], "kernel_shape"))),
            Gain(scaled[1], power[1], total[1]),
        )


def _between(
    argument: str, result: str, makers: Mapping[str, int], nodes: list[onnx.NodeProto]
) -> set[int]:
    """The numbers of the nodes that make one value of another, and of constants."""
    found: set[int] = set()
    left = [result]
    while left:
        name = left.pop()
        if name != argument and name in makers and makers[name] not in found:
            found.add(makers[name])
            left += node_inputs(nodes[makers[name]])
    return found


def _depending(argument: str, between: set[int], nodes: list[onnx.NodeProto]) -> set[int]:
    """Of these nodes, those that a value's own values decide, and not only its shape."""
    found: set[int] = set()
    values = {argument}
    for number in sorted(between):
        if operator(nodes[number]) != "Shape" and not values.isdisjoint(node_inputs(nodes[number])):
            found.add(number)
            values.update(nodes[number].output)
    return found
