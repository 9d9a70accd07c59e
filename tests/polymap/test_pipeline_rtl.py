"""``polymap pipeline --elaborate --simulate``: found parallelisms as hardware."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.pipeline import Method, cost_model, device_budget, load_device, load_network, run
from polymap.api import built_pipeline
from sim.layer_build import build_pipeline
from sim.layer_golden import drawn_numbers, pipeline_result
from sim.layer_simulation import StreamRates

pytestmark = pytest.mark.rtl

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


def test_images_through_the_rtl(invoke: Callable[..., Any], network: Path, tmp_path: Path) -> None:
    arguments = ("--method", "exact", "--dsp", DSP, "--elaborate", "--simulate", 4, "--json")
    answer = invoke("pipeline", network, *arguments, "--out", tmp_path)
    assert answer.code == 0, answer
    told = json.loads(answer.stdout)
    assert told["lint"] == "clean"
    rtl = told["rtl"]
    assert rtl["mismatches"] == 0
    assert rtl["period"] == rtl["predicted"] == told["cycles"]
    assert rtl["busy"] == {stage["name"]: stage["cycles"] for stage in told["stages"]}
    assert rtl["r1"] == pytest.approx(told["R1"])
    side_car = json.loads((tmp_path / "polymap_pipeline.json").read_text())
    assert side_car["top"] in (tmp_path / "polymap_pipeline.v").read_text()
    assert [stage["name"] for stage in side_car["stages"]] == ["A", "B", "C"]


@pytest.mark.parametrize("rates", [(256, 100, 60), (40, 256, 256), (100, 100, 100)])
def test_stalls_lose_nothing(network: Path, rates: tuple[int, int, int]) -> None:
    device = replace(load_device("kcu1500"), dsp=DSP)
    chain, model = load_network(str(network)), cost_model(device)
    found = run(chain, device, model, device_budget(device), method=Method.EXACT)
    stages = built_pipeline.build(found.design).stages
    rng = np.random.default_rng(sum(rates))
    images = [rng.integers(-(2**15), 2**15, (14, 14, 3)) for _ in range(3)]
    numbers = drawn_numbers(stages, images[0], rng)
    given, weights, taken = rates
    stalls = StreamRates(input=given, weights=weights, output=taken, seed=sum(rates))
    seen = build_pipeline(stages).run(numbers, images, rates=stalls)
    for result, image in zip(seen.results, images, strict=True):
        assert (result == pipeline_result(stages, numbers, image)).all()
    assert list(seen.busy) == [3 * stage.cycles for stage in stages]


def test_elaborate_needs_a_place(refused: Callable[..., str]) -> None:
    assert "--out" in refused("pipeline", "alexnet", "--elaborate")


def test_rows_are_not_built(refused: Callable[..., str], tmp_path: Path) -> None:
    said = refused("pipeline", "alexnet", "--granularity", "row", "--elaborate", "--out", tmp_path)
    assert "segments of rows are only searched for" in said
