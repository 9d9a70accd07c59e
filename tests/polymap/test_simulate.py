"""``polymap simulate``: the RTL of one small overlay, built once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polymap
from polymap.api import models as api
from sim import verilator
from tests.meaning import evaluate

pytestmark = pytest.mark.rtl


@pytest.fixture(scope="module")
def simulated(
    overlay: tuple[str, Path],
    invoke: Callable[..., Any],
    quantised: Path,
    images: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    out = tmp_path_factory.mktemp("simulated")
    answer = invoke("simulate", quantised, "--input", images, *overlay, "--out", out)
    assert answer.code == 0, answer
    assert answer.stderr == ""
    assert "2 image(s)" in answer.stdout
    assert "0 mismatches in 4 tensors" in answer.stdout
    return out


def test_outputs_are_the_models(simulated: Path, quantised: Path, images: Path) -> None:
    with np.load(images) as archive:
        batch = archive["x"]
    expected = np.concatenate([evaluate(quantised, {"x": x[None]})["second"] for x in batch])
    with np.load(simulated / "outputs.npz") as archive:
        assert archive.files == ["second"]
        found = archive["second"]
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_result(simulated: Path) -> None:
    result = json.loads((simulated / "result.json").read_text())
    assert result["mismatches"] == 0
    assert result["images"] == 2
    assert result["cycles"] == max(result["cycles_per_image"]) > 0
    layers = result["layers"]
    assert [layer["name"] for layer in layers] == ["first", "largest", "second"]
    for layer in layers:
        assert {"algorithm", "dataflow", "cycles", "utilisation"} <= set(layer)
        assert 0 < layer["cycles"] <= result["cycles"]
        assert layer["predicted_cycles"] == layer["cycles"]
    assert result["predicted_cycles"] == result["cycles"]
    assert layers[0]["algorithm"] == "im2col"
    assert layers[0]["dataflow"] in ("WS", "IS", "NS")


@pytest.mark.parametrize("dataflow", ["WS", "IS", "NS"])
def test_mapping_and_stalls_change_cycles_only(
    overlay: tuple[str, Path],
    invoke: Callable[..., Any],
    quantised: Path,
    images: Path,
    simulated: Path,
    tmp_path: Path,
    dataflow: str,
) -> None:
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps({"layers": {"first": {"dataflow": dataflow}}}))
    slow = ("--memory", "ddr", "--stall", "30", "--seed", "7")
    answer = invoke(
        *("simulate", quantised, "--input", images, *overlay, *slow, "--json"),
        *("--mapping", mapping, "--out", tmp_path),
    )
    result = json.loads(answer.stdout)
    assert answer.code == 0
    assert answer.stderr == ""
    saved = json.loads((tmp_path / "result.json").read_text())
    assert result == {name: value for name, value in saved.items() if name != "outputs_sha256"}
    assert result["mismatches"] == 0
    assert result["layers"][0]["dataflow"] == dataflow
    assert result["cycles"] > json.loads((simulated / "result.json").read_text())["cycles"]
    with np.load(tmp_path / "outputs.npz") as a, np.load(simulated / "outputs.npz") as b:
        np.testing.assert_array_equal(a["second"], b["second"])


def test_float_model(
    overlay: tuple[str, Path],
    invoke: Callable[..., Any],
    float_model: Path,
    calibration: Path,
    tmp_path: Path,
) -> None:
    answer = invoke(
        *("simulate", float_model, "--input", calibration, "--calibration", calibration),
        *(*overlay, "--out", tmp_path),
    )
    assert answer.code == 0
    with np.load(tmp_path / "outputs.npz") as archive:
        assert archive["y"].dtype == np.float32
        assert archive["y"].shape == (4, 4, 6, 5)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((1, 3, 6, 5), np.float32)}, "input 'x' must be int8, not float32"),
        ({"x": np.zeros((1, 3, 6, 6), np.int8)}, "input 'x' must be (N, 3, 6, 5), not"),
        ({"x": np.zeros((0, 3, 6, 5), np.int8)}, "at least one"),
        ({"z": np.zeros((1, 3, 6, 5), np.int8)}, "the model has no input 'z'; it has x"),
        ({}, "input 'x' is missing"),
    ],
)
def test_bad_images(
    overlay: tuple[str, Path],
    refused: Callable[..., str],
    quantised: Path,
    tmp_path: Path,
    arrays: dict[str, np.ndarray],
    message: str,
) -> None:
    path = tmp_path / "images.npz"
    np.savez(path, allow_pickle=False, **arrays)
    line = refused("simulate", quantised, "--input", path, *overlay, "--out", tmp_path)
    assert line.startswith(f"polymap simulate: {path}: ")
    assert message in line


@pytest.mark.parametrize("content", [b"", b"not a zip file"])
def test_foreign_images(
    overlay: tuple[str, Path],
    refused: Callable[..., str],
    quantised: Path,
    tmp_path: Path,
    content: bytes,
) -> None:
    path = tmp_path / "images.npz"
    path.write_bytes(content)
    line = refused("simulate", quantised, "--input", path, *overlay, "--out", tmp_path)
    assert line.startswith(f"polymap simulate: {path}: not an .npz file")
    line = refused("simulate", quantised, "--input", "nowhere.npz", *overlay, "--out", tmp_path)
    assert line.startswith("polymap simulate: nowhere.npz: cannot be read")


@pytest.fixture
def no_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("PATH", str(tmp_path))
    verilator.toolchain.cache_clear()
    yield
    verilator.toolchain.cache_clear()


@pytest.mark.usefixtures("no_programs")
def test_missing_compiler(
    overlay: tuple[str, Path],
    refused: Callable[..., str],
    quantised: Path,
    images: Path,
    tmp_path: Path,
) -> None:
    line = refused("simulate", quantised, "--input", images, *overlay, "--out", tmp_path)
    assert line == (
        "polymap simulate: g++ is needed to build simulations: install the package g++\n"
    )


def test_mismatches_are_a_failure(
    overlay: tuple[str, Path],
    invoke: Callable[..., Any],
    quantised: Path,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    simulated: Path,
) -> None:
    simulate = api.simulate

    def wrong(*arguments: Any, **options: Any) -> polymap.Result:
        result = simulate(*arguments, **options)
        return replace(result, mismatches=3, mismatched_tensors={"first": 3})

    monkeypatch.setattr(api, "simulate", wrong)
    answer = invoke("simulate", quantised, "--input", images, *overlay, "--out", tmp_path)
    assert answer.code == 1
    assert answer.stderr == (
        "polymap simulate: the RTL differs from the golden model in 3 bytes of first: "
        "report this as a bug\n"
    )
    assert (tmp_path / "result.json").exists()


def test_a_run_of_more_images_than_there_are(
    overlay: tuple[str, Path],
    refused: Callable[..., str],
    quantised: Path,
    images: Path,
    tmp_path: Path,
) -> None:
    arguments = ("--input", images, *overlay, "--out", tmp_path, "--batch", 3)
    assert "--batch 3: the inputs hold only 2 image(s)" in refused(
        "simulate", quantised, *arguments
    )


def test_two_images_in_a_run(
    overlay: tuple[str, Path],
    invoke: Callable[..., Any],
    simulated: Path,
    quantised: Path,
    images: Path,
    tmp_path: Path,
) -> None:
    arguments = ("--input", images, *overlay, "--out", tmp_path, "--batch", 2, "--json")
    answer = invoke("simulate", quantised, *arguments)
    alone, found = json.loads((simulated / "result.json").read_text()), json.loads(answer.stdout)
    assert (found["batch"], found["images"], found["mismatches"]) == (2, 2, 0)
    assert found["cycles"] == found["predicted_cycles"] < 2 * alone["cycles"]
    assert found["images_per_megacycle"] == 2e6 / found["cycles"] > alone["images_per_megacycle"]
    first, second = (np.load(path / "outputs.npz")["second"] for path in (simulated, tmp_path))
    np.testing.assert_array_equal(first, second)
