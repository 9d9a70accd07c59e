"""Builders of small models for the tests of the importer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


class Builder:
    """An ONNX model, node by node, with seeded random weights; inputs are (batch, ...) floats."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []

    def input(self, *shape: object, name: str = "x", dtype: int = TensorProto.FLOAT) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, dtype, ["batch", *shape]))
        return name

    def constant(self, name: str, array: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def weight(self, name: str, *shape: int) -> str:
        deviation = np.sqrt(2 / max(1, np.prod(shape[1:]))) if len(shape) > 1 else 0.1
        return self.constant(name, self.rng.normal(0, deviation, shape).astype(np.float32))

    def node(self, kind: str, inputs: list[str], name: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def conv(
        self, x: str, name: str, cout: int, cin: int, kernel: int, **attributes: object
    ) -> str:
        weight = self.weight(f"{name}.w", cout, cin, kernel, kernel)
        return self.node("Conv", [x, weight, self.weight(f"{name}.b", cout)], name, **attributes)

    def relu(self, x: str) -> str:
        return self.node("Relu", [x], f"{x}.relu")

    def model(self, *outputs: str, opset: int = OPSET) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "net",
            self.inputs,
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            self.constants,
        )
        domains = {"": opset, "com.microsoft": 1}
        opsets = [helper.make_opsetid(domain, version) for domain, version in domains.items()]
        model = helper.make_model(graph, opset_imports=opsets)
        model.ir_version = 10
        return model


@pytest.fixture
def builder() -> Builder:
    return Builder()


@pytest.fixture
def save(tmp_path: Path) -> Callable[[onnx.ModelProto], Path]:
    def write(model: onnx.ModelProto) -> Path:
        path = tmp_path / "model.onnx"
        onnx.save(model, path)
        return path

    return write


@pytest.fixture(scope="session")
def light() -> Path:
    """The folder of the nine networks that the onnx package ships without weights."""
    return Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
