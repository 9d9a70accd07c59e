"""Functions of one value: ONNX nodes between two tensors, evaluated in float as they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from dse.network.graph import INT8_MAX, INT8_MIN, Quantisation
from dse.onnx.source import IR_VERSION

OPSET = 21
"""The oldest in which functions are evaluated; none of their operators has changed since theirs."""

INPUT, OUTPUT = "x", "y"

_EVERY = np.arange(INT8_MIN, INT8_MAX + 1)


@dataclass(frozen=True, eq=False)
class Function:
    """What elementwise nodes make of the tensor ``INPUT``: the tensor ``OUTPUT``.

    ``dtype``: of the input: a float type, or int8 or uint8 where the nodes read integers.
    """

    nodes: tuple[onnx.NodeProto, ...]
    constants: Mapping[str, npt.NDArray]
    dtype: np.dtype
    opset: int

    def __call__(self, values: npt.NDArray) -> npt.NDArray[np.float32]:
        """The function's values, elementwise."""
        with np.errstate(all="ignore"):  # not finite where the function is not
            (result,) = self._evaluator.run(None, {INPUT: values.astype(self.dtype)})
        return np.broadcast_to(np.asarray(result, np.float32), values.shape)

    def reach(self, quantisation: Quantisation) -> npt.NDArray[np.float32]:
        """The function of all 256 values of a quantisation, in ascending order."""
        if self.dtype.kind in "iu":
            return self(_EVERY - (INT8_MIN if self.dtype == np.uint8 else 0))
        return self((_EVERY - quantisation.zero_point) * np.float32(quantisation.scale))

    def entries(self, argument: Quantisation, result: Quantisation) -> npt.NDArray[np.int64]:
        """The integers that become of all 256, as QuantizeLinear rounds; of no number, zero."""
        real = self.reach(argument)
        units = np.rint(np.where(np.isnan(real), 0, real) / np.float32(result.scale))
        low, high = INT8_MIN - result.zero_point, INT8_MAX - result.zero_point
        return np.clip(units, low, high).astype(np.int64) + result.zero_point

    @cached_property
    def _evaluator(self) -> ReferenceEvaluator:
        kind = helper.np_dtype_to_tensor_dtype(self.dtype)
        graph = helper.make_graph(
            self.nodes,
            "function",
            [helper.make_tensor_value_info(INPUT, kind, ["n"])],
            [helper.make_empty_tensor_value_info(OUTPUT)],
            [numpy_helper.from_array(array, name) for name, array in self.constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = IR_VERSION
        return ReferenceEvaluator(model)


def renamed(
    nodes: Sequence[onnx.NodeProto], names: Mapping[str, str], prefix: str
) -> list[onnx.NodeProto]:
    """Copies of nodes with tensors of these names, and the others behind a prefix."""

    def name(old: str) -> str:
        return names.get(old, f"{prefix}{old}" if old else "")

    copies = []
    for node in nodes:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name = ""
        copy.input[:] = map(name, node.input)
        copy.output[:] = map(name, node.output)
        copies.append(copy)
    return copies
