"""``--shape``: free axes of inputs, on every command that reads a model; ``check --fix``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

ARRAY = ("--array", "4x6", "--lanes", "2")


@pytest.fixture
def free(tmp_path: Path) -> Path:
    """Two images of one free size each, summed behind a convolution."""
    nodes = [
        helper.make_node("Add", ["x", "z"], ["s"], name="sum"),
        helper.make_node("Conv", ["s", "w"], ["y"], name="conv"),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "net",
        [value(name, TensorProto.FLOAT, ["batch", 3, "height", "width"]) for name in "xz"],
        [value("y", TensorProto.FLOAT, ["batch", 4, None, None])],
        [numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    path = tmp_path / "free.onnx"
    onnx.save(model, path)
    return path


def test_what_is_free_is_said(refused: Callable[..., str], free: Path) -> None:
    assert refused("check", free) == (
        f"polymap check: {free}: axis 2 of input 'x' is free (height); set all axes by --shape"
        " x:1,3,height,width, or export the model with a fixed image size\n"
    )


@pytest.mark.parametrize(
    ("shapes", "fault"),
    [
        (["y:1,3,8,8"], "--shape: the model has no input 'y'; it has x, z"),
        (["x:3,8,8"], "--shape: input 'x' has 4 axes, 3,8,8 has 3"),
        (["x:1,4,8,8"], "--shape: axis 1 of input 'x' is 3, 1,4,8,8 says 4"),
        (["x:1,3,8,8", "z:1,3,9,8"], "axis 2 of input 'z' is 8 (height), 1,3,9,8 says 9"),
        (["x:1,3,8,8", "x:1,3,8,8"], "--shape names input 'x' twice: drop one of them"),
        (["x"], "--shape must look like NAME:1,3,224,224, not 'x'"),
        (["x:1,3,0,8"], "--shape must look like NAME:1,3,224,224, not 'x:1,3,0,8'"),
    ],
)
def test_shapes_that_cannot_be(
    refused: Callable[..., str], free: Path, tmp_path: Path, shapes: list[str], fault: str
) -> None:
    options = [part for text in shapes for part in ("--shape", text)]
    np.savez(tmp_path / "x.npz", x=np.zeros((1, 3, 8, 8), np.float32))
    for command in (
        ("check", free),
        ("compile", free, *ARRAY, "--out", tmp_path / "out"),
        ("explore", free, *ARRAY),
        ("simulate", free, *ARRAY, "--input", tmp_path / "x.npz", "--out", tmp_path / "out"),
    ):
        assert fault in refused(*command, *options)


def test_one_shape_is_enough_for_axes_of_one_name(
    invoke: Callable[..., Any], free: Path, tmp_path: Path
) -> None:
    shape = ("--shape", "x:1,3,8,9")
    assert "supported, a float model" in invoke("check", free, *shape).stdout
    images = np.random.default_rng(0).normal(size=(2, 3, 8, 9)).astype(np.float32)
    np.savez(tmp_path / "images.npz", x=images, z=images)
    answer = invoke(
        *("compile", free, *ARRAY, "--calibration", tmp_path / "images.npz"),
        *("--out", tmp_path / "out", "--json", *shape),
    )
    assert json.loads(answer.stdout)["outputs"][0]["shape"] == [6, 7, 4]


def test_benchmarks_have_shapes(refused: Callable[..., str]) -> None:
    line = refused("explore", "squeezenet", *ARRAY, "--shape", "x:1,3,8,8")
    assert "the benchmark squeezenet has fixed shapes" in line


def test_fix_writes_what_is_said(invoke: Callable[..., Any], free: Path, tmp_path: Path) -> None:
    out = tmp_path / "fixed.onnx"
    answer = invoke("check", free, "--shape", "x:1,3,8,9", "--fix", out)
    assert answer.stdout.endswith(f"written to {out}: x 1,3,8,9; z 1,3,8,9\n")
    onnx.checker.check_model(onnx.load(out))
    assert invoke("check", out).code == 0
    again = tmp_path / "again.onnx"
    assert invoke("check", free.with_name("fixed.onnx"), "--fix", again).code == 0
    assert onnx.load(again) == onnx.load(out)


def test_fix_makes_a_free_batch_one(
    invoke: Callable[..., Any], float_model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "fixed.onnx"
    assert invoke("check", float_model, "--fix", out).code == 0
    (value,) = onnx.load(out).graph.input
    assert [dim.dim_value for dim in value.type.tensor_type.shape.dim] == [1, 3, 6, 5]
