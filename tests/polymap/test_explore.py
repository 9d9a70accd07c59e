"""``polymap explore`` with the paper's model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import polymap
from dse.cycles.whole_program import program_cycles
from tests.dse.network.conftest import Builder
from tests.dse.network.test_segments import on_one_branch

PAPER = ("--board", "u200", "--bare", "--model", "dynamap")
DSP = ("squeezenet", *PAPER, "--objective", "dsp")
PROMISED = {
    *("array", "lanes", "dsp", "cycles", "latency_ms", "mapping_seconds", "explore_seconds"),
    *("certified_gap", "layers"),
}


def _explore(invoke: Callable[..., Any], *arguments: object) -> dict[str, Any]:
    answer = invoke("explore", *arguments, *PAPER, "--json")
    assert answer.code == 0, answer
    assert answer.stderr == ""
    data: dict[str, Any] = json.loads(answer.stdout)
    return data


def test_benchmark(invoke: Callable[..., Any]) -> None:
    data = _explore(invoke, "googlenet", "--no-dense")
    assert set(data) >= PROMISED
    assert data["array"] == "213x32"
    assert data["latency_ms"] == pytest.approx(0.741, abs=5e-4)
    assert data["certified_gap"] == pytest.approx(0, abs=1e-6)
    assert len(data["layers"]) == 57
    cycles = sum(layer["cycles"] for layer in data["layers"])
    assert cycles <= data["cycles"]
    assert data["cycles"] == pytest.approx(data["compute_cycles"] + data["transfer_cycles"])


def test_fixed_array(invoke: Callable[..., Any]) -> None:
    data = _explore(invoke, "googlenet", "--no-dense", "--array", "92x66")
    assert data["array"] == "92x66"
    assert data["latency_ms"] == pytest.approx(0.873, abs=5e-4)
    assert data["pareto"] == []


def test_restrictions(invoke: Callable[..., Any]) -> None:
    data = _explore(
        *(invoke, "squeezenet", "--array", "16x32"),
        *("--algorithm", "im2col", "--dataflow", "WS", "--dataflow", "IS"),
    )
    assert {layer["algorithm"] for layer in data["layers"]} == {"im2col"}
    assert {layer["dataflow"] for layer in data["layers"]} == {"WS", "IS"}


def test_fewest_dsps(invoke: Callable[..., Any]) -> None:
    fastest = _explore(invoke, "squeezenet")
    fewest = _explore(invoke, "squeezenet", "--objective", "dsp")
    bounded = _explore(invoke, "squeezenet", "--objective", "dsp", "--latency-ms", "1")
    assert bounded["dsp"] < fewest["dsp"] < fastest["dsp"]
    assert fewest["latency_ms"] <= 1.1 * fastest["latency_ms"]
    assert bounded["latency_ms"] <= 1


def test_table(invoke: Callable[..., Any], float_model: Path) -> None:
    answer = invoke("explore", float_model, *PAPER, "--array", "8x8")
    assert answer.code == 0
    assert "8 x 8, 1 lane(s), 64 DSPs" in answer.stdout
    assert "gap to the optimum 0" in answer.stdout
    assert "next best" in answer.stdout


def test_a_mapping_that_compiles(
    invoke: Callable[..., Any], quantised: Path, tmp_path: Path
) -> None:
    allowed = ("--algorithm", "im2col", "--array", "4x6")
    answer = invoke("explore", quantised, *PAPER, *allowed, "--out", tmp_path)
    assert answer.code == 0
    out = tmp_path / "program"
    answer = invoke(
        *("compile", quantised, "--config", tmp_path / "configuration.json", "--out", out),
        *("--mapping", tmp_path / "mapping.json", "--json"),
    )
    compiled = {
        layer["name"]: layer["dataflow"]
        for layer in json.loads(answer.stdout)["layers"]
        if layer["kind"] == "conv"
    }
    explored = json.loads((tmp_path / "exploration.json").read_text())
    assert compiled == {layer["name"]: layer["dataflow"] for layer in explored["layers"]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("squeezenet", "--board", "u9", "--model", "dynamap"), "no board named 'u9'"),
        (("nonet", *PAPER), "nonet: neither a file nor a benchmark; benchmarks are alexnet, "),
        (("squeezenet", *PAPER, "--array", "99"), "array must look like 16x32"),
        (("squeezenet", *PAPER, "--array", "99x99"), "dsp needed 9,801, available 6,840"),
        (("squeezenet", *PAPER, "--algorithm", "fft"), "no algorithm 'fft' here: choose of im2col"),
        (("squeezenet", *PAPER, "--dataflow", "OS"), "no dataflow 'OS' here: choose of IS, NS, WS"),
        (("squeezenet", "--array", "4x4", "--dsp", "10"), "--dsp needs --board"),
        (("squeezenet", "--array", "4x4", "--clock", "50"), "--clock needs --board"),
        (("squeezenet", *PAPER, "--exact"), "--exact, --batch and --overlays need --model overlay"),
        (("squeezenet", *PAPER, "--latency-ms", "1"), "--latency-ms must be a positive"),
        *(
            ((*DSP, "--latency-ms", number), "--latency-ms must be a positive number")
            for number in ("nan", "inf", "0", "-1")
        ),
        ((*DSP, "--latency-ms", "0.01"), "latency_ms needed 0.23"),
    ],
)
def test_refusals(refused: Callable[..., str], arguments: tuple[str, ...], message: str) -> None:
    assert message in refused("explore", *arguments)


def test_foreign_model(refused: Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / "foreign.onnx"
    path.write_text("nothing of the kind")
    assert f"{path}: not an ONNX model" in refused("explore", path, *PAPER)


def test_what_check_refuses(refused: Callable[..., str], unsupported: Path, tmp_path: Path) -> None:
    """In the words of whatever else reads the model."""
    line = refused("explore", unsupported, *PAPER)
    compiled = refused("compile", unsupported, "--array", "4x6", "--lanes", "1", "--out", tmp_path)
    assert line.removeprefix("polymap explore: ") == compiled.removeprefix("polymap compile: ")
    for problem in polymap.check(unsupported).problems:
        assert problem.reason in line


def test_light_models_need_no_weights(invoke: Callable[..., Any]) -> None:
    light = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    data = _explore(invoke, light / "light_resnet50.onnx", "--array", "32x32")
    assert data["network"] == "light_resnet50"


def test_a_model_in_segments(invoke: Callable[..., Any], tmp_path: Path) -> None:
    """The exact cycles are those of all its programs; the host's time is no one's."""
    builder = Builder()
    path = tmp_path / "model.onnx"
    onnx.save(builder.model(on_one_branch(builder)), path)
    arguments = (path, "--array", "4x6", "--lanes", "2", "--exact")
    data = json.loads(invoke("explore", *arguments, "--json", "--out", tmp_path / "found").stdout)
    assert data["segments"] == 2 and len(data["layers"]) == 4
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype("f4"))
    model = polymap.load(path, tmp_path / "x.npz")
    config = polymap.configure(path=tmp_path / "found" / "configuration.json")
    mapping = polymap.read_mapping(tmp_path / "found" / "mapping.json")
    programs = polymap.bundle(model, config, mapping).programs
    assert data["exact"]["cycles"] == sum(program_cycles(one, config).total for one in programs)
    assert "the host's own time is not predicted" in invoke("explore", *arguments).stdout
    assert invoke("explore", *arguments, "--strict").code == 2
