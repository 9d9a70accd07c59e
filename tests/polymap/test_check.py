"""``polymap check``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.dse.network.conftest import Builder

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def test_supported(invoke: Callable[..., Any], quantised: Path) -> None:
    answer = invoke("check", quantised)
    assert answer.code == 0
    assert f"{quantised}: supported, a quantised model" in answer.stdout
    assert "on the overlay: 2 conv, 1 max" in answer.stdout
    assert "nodes: " in answer.stdout and "constant" in answer.stdout
    assert answer.stderr == ""


def test_float_models_are_told_of_calibration(
    invoke: Callable[..., Any], float_model: Path
) -> None:
    assert "--calibration" in invoke("check", float_model).stdout


@pytest.mark.parametrize("rounded", [False, True])
def test_layers_left_in_float_are_told_of_calibration(
    invoke: Callable[..., Any], tmp_path: Path, rounded: bool
) -> None:
    """It is needed if the model's input is left in float, too."""
    b = Builder()
    scale, zero = b.constant("scale", np.float32(0.05)), b.constant("zero", np.int8(0))
    x = b.input(3, 6, 6)
    if rounded:
        x = b.node("QuantizeLinear", [x, scale, zero], "qx")
        x = b.node("DequantizeLinear", [x, scale, zero], "dx")
    x = b.node("QuantizeLinear", [b.conv(x, "conv", 4, 3, 3), scale, zero], "q")
    path = tmp_path / "left.onnx"
    onnx.save(b.model(b.node("DequantizeLinear", [x, scale, zero], "y")), path)
    said = invoke("check", path).stdout
    assert "quantised on the spot, since the model leaves them in float: conv" in said
    assert ("--calibration X.npz makes them finer" in said) == rounded
    assert ("need --calibration X.npz, typical inputs, to quantise x" in said) != rounded
    done = invoke("compile", path, "--array", "4x4", "--lanes", 1, "--out", tmp_path / "out")
    assert done.code == (0 if rounded else 2)


def test_json(invoke: Callable[..., Any], quantised: Path) -> None:
    data = json.loads(invoke("check", quantised, "--json").stdout)
    assert data["supported"] is True
    assert data["kind"] == "quantised"
    assert data["problems"] == []
    assert {"name": "first", "kind": "conv"} in data["layers"]
    assert sum(map(len, data["places"].values())) == data["nodes"]


def test_unsupported(invoke: Callable[..., Any], unsupported: Path) -> None:
    answer = invoke("check", unsupported)
    assert answer.code == 2
    assert answer.stdout == (
        "org.example.Strange: 5 nodes, first odd0: the overlay has no such operator; "
        "replace it, or cut the model there and run the rest elsewhere\n"
    )
    assert answer.stderr == (
        f"polymap check: {unsupported}: 5 unsupported nodes of 6: "
        "5 org.example.Strange; --all lists them\n"
    )


def test_all_unsupported_nodes(invoke: Callable[..., Any], unsupported: Path) -> None:
    answer = invoke("check", unsupported, "--all")
    assert answer.code == 2
    assert answer.stdout.splitlines() == [
        f"odd{n} (org.example.Strange): the overlay has no such operator; "
        "replace it, or cut the model there and run the rest elsewhere"
        for n in range(5)
    ]
    assert answer.stderr.endswith(": 5 unsupported nodes of 6: 5 org.example.Strange\n")


def test_nodes_that_cannot_be_judged(invoke: Callable[..., Any], tmp_path: Path) -> None:
    make = onnx.helper.make_node
    nodes = [
        make("Strange", ["x"], ["a"], "strange", domain="org.example"),
        make("MaxPool", ["a"], ["b"], "pool", kernel_shape=[2, 2]),
        make("Relu", ["b"], ["y"], "relu"),
    ]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes, "net", [value("x", 1, [1, 3, 8, 8])], [value("y", 1, None)]
    )
    opsets = [onnx.helper.make_opsetid(*pair) for pair in (("", 17), ("org.example", 1))]
    path = tmp_path / "strange.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    last = invoke("check", path).stdout.splitlines()[-1]
    assert last == "not judged, because the shapes before them are not known: 2, first pool"
    assert invoke("check", path, "--all").stdout.endswith(": 2, pool, relu\n")
    data = json.loads(invoke("check", path, "--json").stdout)
    assert data["places"]["unjudged"] == ["pool", "relu"] and data["nodes"] == 3


def test_unsupported_json(invoke: Callable[..., Any], unsupported: Path) -> None:
    answer = invoke("check", unsupported, "--json")
    assert answer.code == 2
    data = json.loads(answer.stdout)
    assert data["supported"] is False
    assert [problem["name"] for problem in data["problems"]] == [f"odd{n}" for n in range(5)]
    assert all(problem["remedy"] for problem in data["problems"])


@pytest.mark.parametrize("path", sorted(LIGHT.glob("*.onnx")), ids=lambda path: path.stem)
def test_the_answer_is_one_of_two(invoke: Callable[..., Any], path: Path) -> None:
    answer = invoke("check", path, "--json")
    assert answer.code == (0 if json.loads(answer.stdout)["supported"] else 2)


def test_truncated(refused: Callable[..., str], quantised: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(quantised.read_bytes()[:-50])
    assert refused("check", path) == (
        f"polymap check: {path}: not an ONNX model, or a truncated one\n"
    )


@pytest.mark.parametrize("content", [b"", b"PNG is something else", bytes(range(256))])
def test_foreign(refused: Callable[..., str], tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "foreign.onnx"
    path.write_bytes(content)
    assert refused("check", path).startswith(f"polymap check: {path}: not an ONNX model")


def test_too_long(refused: Callable[..., str], tmp_path: Path) -> None:
    """At once: nothing of it is read."""
    path = tmp_path / "long.onnx"
    with path.open("wb") as file:
        file.truncate(1 << 31)
    assert refused("check", path) == (
        f"polymap check: {path}: not an ONNX model: it has more than 2,147,483,647 bytes; "
        "weights that take so much belong into files beside it\n"
    )


def test_unreadable(refused: Callable[..., str], tmp_path: Path) -> None:
    assert refused("check", tmp_path / "no.onnx") == (
        f"polymap check: {tmp_path / 'no.onnx'}: cannot be read: No such file or directory\n"
    )
    assert "Is a directory" in refused("check", tmp_path)
