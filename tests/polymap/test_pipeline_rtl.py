"""``polymap pipeline --elaborate --simulate``: found parallelisms as hardware."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from dse.network.graph import Conv
from dse.onnx.reading import load
from dse.pipeline import Method, cost_model, device_budget, load_device, load_network, run
from dse.pipeline.from_network import chain_of
from dse.pipeline.stage_shapes import stage_shapes
from hw.stages.weight_region import WeightBus
from sim import golden
from sim.fast.simulated_run import Timing
from sim.layer_build import build_pipeline
from sim.layer_golden import drawn_numbers, pipeline_result
from sim.layer_simulation import StreamRates

pytestmark = pytest.mark.rtl
SLOW = pytest.mark.slow

LAYERS = [
    {"name": "A", "n_in": 3, "n_out": 8, "size_in": 14, "size_out": 12, "size_ker": 3},
    {
        "name": "POOL",
        "n_in": 8,
        "n_out": 8,
        "size_in": 12,
        "size_out": 6,
        "size_ker": 2,
        "stride": 2,
    },
    {"name": "B", "n_in": 4, "n_out": 12, "size_in": 6, "size_out": 6, "size_ker": 3, "pad": 1},
    {"name": "C", "n_in": 12, "n_out": 6, "size_in": 6, "size_out": 3, "size_ker": 1, "stride": 2},
]
DSP = 40


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "small.json"
    path.write_text(json.dumps({"layers": LAYERS}))
    return path


@SLOW
@pytest.mark.parametrize("packed", [(), ("--bits", 8, "--per-dsp", 2)])
def test_images_through_the_rtl(
    invoke: Callable[..., Any], network: Path, tmp_path: Path, packed: tuple[Any, ...]
) -> None:
    arguments = ("--method", "exact", "--dsp", DSP, "--elaborate", "--simulate", 4, "--json")
    answer = invoke("pipeline", network, *arguments, *packed, "--out", tmp_path)
    assert answer.code == 0, answer
    told = json.loads(answer.stdout)
    assert told["lint"] == "clean"
    rtl = told["rtl"]
    assert rtl["mismatches"] == 0
    assert rtl["period"] == rtl["predicted"] == told["cycles"]
    assert rtl["busy"] == {stage["name"]: stage["cycles"] for stage in told["stages"]}
    built = told["elaborated"]
    assert built["multipliers"] == told["dsp"]["used"]
    assert built["buffers"] == {s["name"]: s["ram_by_buffer"] for s in told["stages"]}
    assert rtl["r1"] == pytest.approx(told["R1"])
    side_car = json.loads((tmp_path / "polymap_pipeline.json").read_text())
    assert side_car["top"] in (tmp_path / "polymap_pipeline.v").read_text()
    assert [stage["name"] for stage in side_car["stages"]] == ["A", "B", "C"]


@pytest.mark.parametrize("rates", [(256, 40, 60), (40, 0, 256), (100, 60, 100)])
def test_stalls_lose_nothing(network: Path, rates: tuple[int, int, int]) -> None:
    """Input, memory and output at random; the memory's are percent of cycles without a beat."""
    device = replace(load_device("kcu1500"), dsp=DSP)
    chain, model = load_network(str(network)), cost_model(device)
    found = run(chain, device, model, device_budget(device), method=Method.EXACT)
    stages = stage_shapes(found.design)
    rng = np.random.default_rng(sum(rates))
    images = [rng.integers(-(2**15), 2**15, (14, 14, 3)) for _ in range(3)]
    numbers = drawn_numbers(stages, images[0], rng)
    given, stall, taken = rates
    seen = build_pipeline(stages, WeightBus(data_bytes=16)).run(
        numbers,
        images,
        rates=StreamRates(input=given, output=taken, seed=sum(rates)),
        timing=Timing(latency=25, stall=stall, seed=sum(rates)),
    )
    for result, image in zip(seen.results, images, strict=True):
        assert (result == pipeline_result(stages, numbers, image)).all()
    assert list(seen.busy) == [3 * stage.cycles for stage in stages]


@SLOW
def test_pixels_bind_where_multipliers_abound(invoke: Callable[..., Any], tmp_path: Path) -> None:
    """An image of 14 x 14 pixels enters in 196 cycles, whatever the multipliers could do."""
    thin = [
        {
            "name": "A",
            "n_in": 1,
            "n_out": 2,
            "size_in": 14,
            "size_out": 7,
            "size_ker": 3,
            "stride": 2,
            "pad": 1,
        },
        {"name": "B", "n_in": 2, "n_out": 3, "size_in": 7, "size_out": 7, "size_ker": 1},
    ]
    network = tmp_path / "thin.json"
    network.write_text(json.dumps({"layers": thin}))
    arguments = ("--method", "exact", "--dsp", 24, "--simulate", 12, "--json")
    answer = invoke("pipeline", network, *arguments)
    assert answer.code == 0, answer
    told = json.loads(answer.stdout)
    rtl = told["rtl"]
    assert rtl["mismatches"] == 0
    assert rtl["period"] == rtl["predicted"] == told["cycles"] == 14**2
    assert rtl["busy"]["A"] < 14**2  # nor does the first stage bind


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two convolutions, a maximum and an average, in float, and what calibrates them."""
    folder = tmp_path_factory.mktemp("model")
    rng = np.random.default_rng(1)
    weights = {
        "w1": rng.normal(0, 0.3, (6, 3, 3, 3)),
        "b1": rng.normal(0, 0.1, 6),
        "w2": rng.normal(0, 0.2, (8, 6, 3, 3)),
        "b2": rng.normal(0, 0.1, 8),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="/first/Conv", pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("MaxPool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p1", "w2", "b2"], ["c2"], name="/second/Conv"),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["y"], name="average"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 10, 10])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 1, 1])],
        [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), folder / "small.onnx")
    np.savez(folder / "typical.npz", x=rng.normal(0, 1, (8, 3, 10, 10)).astype(np.float32))
    return folder / "small.onnx", folder / "typical.npz"


DENSE = [
    *LAYERS,
    {"name": "D", "n_in": 54, "n_out": 20, "size_in": 1, "size_out": 1},
    {"name": "E", "n_in": 20, "n_out": 7, "size_in": 1, "size_out": 1},
]


@SLOW
@pytest.mark.parametrize("batch", [1, 4])
def test_dense_layers_share_their_weights(
    invoke: Callable[..., Any], tmp_path: Path, batch: int
) -> None:
    path = tmp_path / "dense.json"
    path.write_text(json.dumps({"layers": DENSE}))
    arguments = ("--method", "exact", "--dsp", DSP, "--simulate", 3 * batch, "--json")
    options = ("--dense", "--batch", batch, "--axi-bytes", 8)
    answer = invoke("pipeline", path, *arguments, *options)
    assert answer.code == 0, answer
    told = json.loads(answer.stdout)
    assert [stage["name"] for stage in told["stages"]] == ["A", "B", "C", "D", "E"]
    rtl = told["rtl"]
    assert rtl["mismatches"] == 0
    assert rtl["period"] == rtl["predicted"] == told["cycles"]
    assert rtl["latency"] == rtl["predicted_latency"]
    assert told["elaborated"]["ram"]["counted"] == told["elaborated"]["ram"]["searched"]


def test_a_bus_that_binds(invoke: Callable[..., Any], tmp_path: Path) -> None:
    """Two layers' weights take longer to come than all stages to multiply.

    In the first images one of them gets more than its share, until the other's buffers are full.
    """
    path = tmp_path / "wide.json"
    wide = (("D", 54, 160), ("E", 160, 50))
    layers = [
        {"name": name, "n_in": n_in, "n_out": n_out, "size_in": 1, "size_out": 1}
        for name, n_in, n_out in wide
    ]
    path.write_text(json.dumps({"layers": [*LAYERS, *layers]}))
    arguments = ("--method", "exact", "--dsp", 100, "--json", "--dense")
    narrow = ("--axi-bytes", 8, "--weight-ports", 1, "--simulate", 20)
    answer = invoke("pipeline", path, *arguments, *narrow)
    assert answer.code == 0, answer
    told = json.loads(answer.stdout)
    weights, rtl = told["weights"], told["rtl"]
    assert weights["binds"]
    assert rtl["mismatches"] == 0
    assert rtl["period"] == rtl["predicted"] == weights["cycles"] > told["cycles"]
    again = json.loads(invoke("pipeline", path, *arguments, "--axi-bytes", 128).stdout)
    assert not again["weights"]["binds"]
    assert again["weights"]["period"] == told["cycles"]


def test_what_a_bus_or_a_batch_cannot_be(refused: Callable[..., str]) -> None:
    assert "--axi-bytes" in refused("pipeline", "alexnet", "--axi-bytes", 48)
    assert "whole batches" in refused("pipeline", "alexnet", "--batch", 4, "--simulate", 6)
    assert "--dense" in refused("pipeline", "alexnet", "--batch", 4)


@SLOW
def test_an_onnx_model_through_the_rtl(
    invoke: Callable[..., Any], model: tuple[Path, Path]
) -> None:
    arguments = ("--calibration", model[1], "--method", "exact", "--dsp", 30, "--simulate", 3)
    answer = invoke("pipeline", model[0], *arguments, "--json")
    assert answer.code == 0, answer
    told = json.loads(answer.stdout)
    assert told["bits"] == 8
    assert [stage["name"] for stage in told["stages"]] == ["/first/Conv", "/second/Conv"]
    assert "an average is no part of a stage" in told["ends_before"]
    assert told["rtl"]["mismatches"] == 0
    assert told["rtl"]["period"] == told["cycles"]


def test_dense_layers_of_an_onnx_model(invoke: Callable[..., Any], tmp_path: Path) -> None:
    """They are in the chain already; a batch flattens the map before the first as it comes."""
    rng = np.random.default_rng(3)
    weights = {
        "w1": rng.normal(0, 0.3, (6, 3, 3, 3)),
        "w2": rng.normal(0, 0.1, (12, 6 * 16)),
        "w3": rng.normal(0, 0.2, (5, 12)),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], name="conv"),
        helper.make_node("MaxPool", ["c1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p1"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w2"], ["f2"], transB=1, name="first"),
        helper.make_node("Relu", ["f2"], ["r2"]),
        helper.make_node("Gemm", ["r2", "w3"], ["y"], transB=1, name="second"),
    ]
    graph = helper.make_graph(
        nodes,
        "dense",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 10, 10])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5])],
        [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()],
    )
    path, typical = tmp_path / "dense.onnx", tmp_path / "typical.npz"
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    np.savez(typical, x=rng.normal(0, 1, (8, 3, 10, 10)).astype(np.float32))
    arguments = ("--calibration", typical, "--method", "exact", "--dsp", 30, "--batch", 4)
    running = ("--simulate", 8, "--elaborate", "--out", tmp_path / "out", "--json")
    answer = invoke("pipeline", path, *arguments, *running)
    assert answer.code == 0, answer
    told = json.loads(answer.stdout)
    assert [stage["name"] for stage in told["stages"]] == ["conv", "first", "second"]
    assert told["ends_before"] is None
    assert told["rtl"]["mismatches"] == 0
    assert told["rtl"]["period"] == told["rtl"]["predicted"] == told["cycles"]
    assert told["rtl"]["latency"] == told["rtl"]["predicted_latency"]
    side_car = json.loads((tmp_path / "out" / "polymap_pipeline.json").read_text())
    stripe = (tmp_path / "out" / "polymap_pipeline_gmem0.bin").read_bytes()
    regions = side_car["regions"]
    assert [region["start"] for region in regions] == sorted(r["start"] for r in regions)
    assert len(stripe) > 64 * max(region["start"] for region in regions)


def test_stages_are_the_network(model: tuple[Path, Path]) -> None:
    """What the stages give is what the golden model of the whole network gives."""
    network = load(*model).network
    found = chain_of(network)
    device = load_device("kcu1500")
    search = run(
        found.chain,
        device,
        cost_model(device, bits=8),
        device_budget(device),
        method=Method.EXACT,
    )
    stages = stage_shapes(search.design)
    image = np.random.default_rng(2).integers(-128, 128, (10, 10, 3)).astype(np.int8)
    tensors = golden.run(network, {network.inputs[0]: image})
    last = [o for o in network.operators if isinstance(o, Conv)][-1].output
    result = pipeline_result(stages, found.numbers, image.astype(np.int64))
    assert (result == tensors[last]).all()


def test_a_table_has_no_numbers(refused: Callable[..., str], model: tuple[Path, Path]) -> None:
    assert "ONNX" in refused("pipeline", "alexnet", "--calibration", model[1])
    said = refused("pipeline", model[0], "--calibration", model[1], "--bits", 16)
    assert "8 bits" in said


def test_elaborate_needs_a_place(refused: Callable[..., str]) -> None:
    assert "--out" in refused("pipeline", "alexnet", "--elaborate")


def test_rows_are_not_built(refused: Callable[..., str], tmp_path: Path) -> None:
    said = refused("pipeline", "alexnet", "--granularity", "row", "--elaborate", "--out", tmp_path)
    assert "segments of rows are only searched for" in said
