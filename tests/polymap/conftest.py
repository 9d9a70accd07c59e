"""A small quantised model, a small float one, and the command line as a user meets it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from dse.network.graph import Conv, Network, Numbers, Pool, Quantisation, Tensor, Window
from dse.process import progress
from polymap.cli import app
from tests.kit.qdq import qdq_model
from tests.rtl.overlays import OVERLAYS


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    stdout: str
    stderr: str


Invoke = Callable[..., Answer]


@pytest.fixture(scope="session")
def invoke() -> Invoke:
    def run(*arguments: object) -> Answer:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(progress, "LINE_SECONDS", math.inf)  # however slow the machine is
            result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        return Answer(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture(scope="session")
def refused(invoke: Invoke) -> Callable[..., str]:
    """Run a command that must refuse: exit code 2 and one line on stderr, which is returned."""

    def run(*arguments: object) -> str:
        answer = invoke(*arguments)
        assert answer.code == 2, answer
        assert answer.stdout == ""
        assert answer.stderr.endswith("\n")
        assert answer.stderr.count("\n") == 1
        assert answer.stderr.startswith("polymap")
        return answer.stderr

    return run


def _tensor(name: str, *shape: int) -> Tensor:
    return Tensor(name, *shape, Quantisation(0.05, 3))


def _conv(source: str, name: str, cout: int, kernel: int, cin: int, seed: int) -> Conv:
    rng = np.random.default_rng(seed)
    return Conv(
        name=name,
        input=source,
        output=name,
        window=Window((kernel, kernel), padding=(kernel // 2,) * 4),
        numbers=Numbers(
            rng.integers(-127, 128, (cout, kernel, kernel, cin)).astype(np.int8),
            np.full(cout, 0.004),
            rng.integers(-900, 900, cout).astype(np.int32),
        ),
    )


@pytest.fixture(scope="session")
def network() -> Network:
    """x -> first (3 x 3) -> largest (2 x 2 maximum) -> second (1 x 1)."""
    shapes = {"x": (6, 5, 3), "first": (6, 5, 4), "largest": (3, 2, 4), "second": (3, 2, 6)}
    return Network(
        "small",
        {name: _tensor(name, *shape) for name, shape in shapes.items()},
        (
            _conv("x", "first", 4, 3, 3, seed=1),
            Pool("largest", "first", "largest", "max", Window((2, 2), (2, 2))),
            _conv("largest", "second", 6, 1, 4, seed=2),
        ),
        ("x",),
        ("second",),
    )


@pytest.fixture(scope="session")
def quantised(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network as a quantised model: int8 input "x", int8 output "second"."""
    path = tmp_path_factory.mktemp("quantised") / "small.onnx"
    onnx.save(qdq_model(network), path)
    return path


@pytest.fixture(scope="session")
def images(quantised: Path) -> Path:
    """Two images for the quantised model."""
    path = quantised.with_name("images.npz")
    rng = np.random.default_rng(3)
    np.savez(path, x=rng.integers(-128, 128, (2, 3, 6, 5)).astype(np.int8))
    return path


@pytest.fixture(scope="session")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The option that names an overlay which the tests of the RTL build, too."""
    path = tmp_path_factory.mktemp("overlay") / "configuration.json"
    path.write_text(json.dumps(OVERLAYS["2x2"].to_json()))
    return "--config", path


@pytest.fixture(scope="session")
def float_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One convolution, input "x" and output "y", both float."""
    weights = np.random.default_rng(4).normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], name="conv", pads=[1, 1, 1, 1])]
    return _save(tmp_path_factory, nodes, [numpy_helper.from_array(weights, "w")])


@pytest.fixture(scope="session")
def unsupported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of five nodes that nobody has; what they make is declared."""
    names = ["x", *(f"n{number}" for number in range(4)), "y"]
    nodes = [
        helper.make_node("Strange", [source], [target], f"odd{number}", domain="org.example")
        for number, (source, target) in enumerate(pairwise(names))
    ]
    weights = np.ones((4, 3, 1, 1), np.float32)
    nodes[-1].output[0] = "z"
    nodes.append(helper.make_node("Conv", ["z", "w"], ["y"], name="conv"))
    path = _save(tmp_path_factory, nodes, [numpy_helper.from_array(weights, "w")])
    model = onnx.load(path)
    model.opset_import.append(helper.make_opsetid("org.example", 1))
    model.graph.value_info.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3, 6, 5])
        for node in nodes[:-1]
        for name in node.output
    )
    onnx.save(model, path)
    return path


def _save(
    factory: pytest.TempPathFactory, nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto]
) -> Path:
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 6, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 10
    path = factory.mktemp("float") / "net.onnx"
    onnx.save(model, path)
    return path


@pytest.fixture(scope="session")
def calibration(float_model: Path) -> Path:
    """Typical inputs of the float model."""
    path = float_model.with_name("calibration.npz")
    np.savez(path, x=np.random.default_rng(5).normal(0, 1, (4, 3, 6, 5)).astype(np.float32))
    return path
