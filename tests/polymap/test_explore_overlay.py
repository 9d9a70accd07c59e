"""``polymap explore`` for our own overlay: what it chooses, and that what it writes is real."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.ablation import HEADER, Variant, cells_of
from boards.board import U200
from boards.estimate import estimate
from boards.realise import realise
from dse.assembly.program import Program
from dse.cycles.whole_program import program_cycles
from dse.explore.families import Space
from dse.explore.search import explore, predict
from dse.mapping import Restriction
from dse.networks.builder import OutlineBuilder
from hw.isa.config import OverlayConfig
from hw.isa.errors import InputError
from tests.kit.outlines import fires

DIGITS = Path("examples/digits")
CALIBRATION = ("--calibration", DIGITS / "calibration.npz")
PROMISED = {
    *("array", "lanes", "winograd", "configuration", "dsp", "cycles", "latency_ms", "layers"),
    *("mapping_seconds", "explore_seconds", "certified_gap", "pareto", "utilisation"),
}


def _explore(invoke: Callable[..., Any], *arguments: object) -> dict[str, Any]:
    answer = invoke("explore", *arguments, "--json")
    assert answer.code == 0, answer
    assert answer.stderr == ""
    data: dict[str, Any] = json.loads(answer.stdout)
    assert set(data) >= PROMISED
    return data


@pytest.fixture(scope="module")
def explored(invoke: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's network on a 4 x 4 array of any device."""
    out = tmp_path_factory.mktemp("explored")
    answer = invoke(
        "explore", DIGITS / "digits.onnx", *CALIBRATION, "--array", "4x4", "--exact", "--out", out
    )
    assert answer.code == 0, answer
    assert "compiled: " in answer.stdout
    return out


def _load(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text())
    return data


def _algorithm(layer: dict[str, Any]) -> tuple[str, int | str | None]:
    """As a program tells it: the algorithm, and the tile of Winograd."""
    name: str = layer["algorithm"]
    if name != "winograd":
        return name, None
    tile = layer["variant"].split()[0].removeprefix("f")
    return name, int(tile) if tile.isdecimal() else tile


def _given(explored: Path) -> tuple[object, ...]:
    """Arguments of the commands that take what was explored."""
    return (
        *(DIGITS / "digits.onnx", *CALIBRATION),
        *("--config", explored / "configuration.json", "--mapping", explored / "mapping.json"),
    )


def test_what_is_written_compiles_as_foretold(
    invoke: Callable[..., Any], explored: Path, tmp_path: Path
) -> None:
    """explore -> compile: the layers as they were chosen, the cycles that ``--exact`` foretold."""
    answer = invoke("compile", *_given(explored), "--out", tmp_path / "program", "--json")
    assert answer.code == 0, answer
    found, told = _load(explored / "exploration.json"), json.loads(answer.stdout)
    program = Program.load(tmp_path / "program")
    assert program_cycles(program, program.manifest.overlay).total == found["exact"]["cycles"]
    compiled = {
        layer["name"]: ((layer["algorithm"], layer.get("tile")), layer["dataflow"])
        for layer in told["layers"]
        if layer["kind"] == "conv"
    }
    chosen = {layer["name"]: (_algorithm(layer), layer["dataflow"]) for layer in found["layers"]}
    assert compiled == chosen


@pytest.mark.slow
def test_what_is_written_runs_in_rtl_as_predicted(
    invoke: Callable[..., Any], explored: Path, tmp_path: Path
) -> None:
    """explore -> simulate: no mismatch, and the cycles that ``--exact`` foretold."""
    found = _load(explored / "exploration.json")
    with np.load(DIGITS / "test_images.npz") as archive:
        few = {name: archive[name][:2] for name in archive.files}
    np.savez(tmp_path / "few.npz", **few)
    answer = invoke(
        "simulate", *_given(explored), "--input", tmp_path / "few.npz", "--out", tmp_path
    )
    assert answer.code == 0, answer
    result = _load(tmp_path / "result.json")
    assert result["mismatches"] == 0
    assert result["cycles"] == found["exact"]["cycles"]


@pytest.mark.slow  # the test above has built it
def test_the_configuration_elaborates(
    invoke: Callable[..., Any], explored: Path, tmp_path: Path
) -> None:
    config = explored / "configuration.json"
    answer = invoke("elaborate", "--config", config, "--out", tmp_path)
    assert answer.code == 0, answer
    written = _load(config)
    del written["version"]
    assert _load(tmp_path / "polymap.json")["configuration"] == written


def test_the_files_agree(explored: Path) -> None:
    found = _load(explored / "exploration.json")
    config = OverlayConfig.from_json(_load(explored / "configuration.json"))
    assert found["configuration"] == config.to_json()
    assert found["array"] == "4x4" == f"{config.rows}x{config.columns}"
    assert (found["lanes"], found["winograd"]) == (config.lanes, config.winograd)
    assert found["dsp"] == estimate(config).dsp
    names = [name for layer in found["layers"] for name in layer["name"].split("+")]
    assert len(names) == 14
    for layer in found["layers"]:
        assert sum(layer["split"].values()) == pytest.approx(layer["compute"])
    assert sum(layer["cycles"] for layer in found["layers"]) <= found["cycles"]


def test_the_best_design_of_a_board(
    invoke: Callable[..., Any], quantised: Path, tmp_path: Path
) -> None:
    data = _explore(invoke, quantised, "--board", "u200", "--dsp", "90", "--out", tmp_path)
    config = OverlayConfig.from_json(data["configuration"])
    needed = realise(config, U200).resources  # or it would be refused
    assert U200.fits(config)
    assert data["dsp"] == needed.dsp <= 90
    assert data["certified_gap"] == pytest.approx(0, abs=1e-6)
    assert data["latency_ms"] == min(point["latency_ms"] for point in data["pareto"])
    assert (tmp_path / "report.html").stat().st_size > 10_000
    written = OverlayConfig.from_json(_load(tmp_path / "configuration.json"))
    assert written == config  # which elaborates, as the one of an array does below


def test_a_card_leaves_less_than_its_device(invoke: Callable[..., Any], quantised: Path) -> None:
    common = ("explore", quantised, "--array", "8x8", "--board", "u200", "--no-certify")
    left, bare = invoke(*common), invoke(*common, "--bare")
    assert "on what a u200 leaves (5,880 of 6,840 DSPs)" in left.stdout
    assert "on the bare device of u200" in bare.stdout
    assert re.search(r" \d\.\d{4} ms at 286 MHz \(assumed\), utilisation", left.stdout)
    refusal = invoke("explore", "squeezenet", "--array", "48x128", "--board", "u200")
    assert "dsp needed 6,640, available 5,880, short by 760" in refusal.stderr, refusal


@pytest.mark.slow
def test_restrictions_of_the_hardware(invoke: Callable[..., Any], quantised: Path) -> None:
    given = (DIGITS / "digits.onnx", *CALIBRATION, "--board", "u200", "--array", "12x16")
    common = (*given, "--no-certify")
    data = _explore(invoke, *common, "--lanes", "1", "--winograd", "none", "--no-fold")
    assert (data["lanes"], data["winograd"], data["certified_gap"]) == (1, "none", None)
    assert {layer["algorithm"] for layer in data["layers"]} <= {"im2col", "kn2row"}
    assert {layer["variant"] for layer in data["layers"]} == {""}
    free = _explore(invoke, *common)
    assert free["latency_ms"] < data["latency_ms"]
    small = (quantised, "--board", "u200", "--array", "12x16", "--no-certify")
    slow = _explore(invoke, *small, "--clock", "143")
    assert slow["clock_hz"] == 143e6
    assert slow["latency_ms"] > _explore(invoke, *small)["latency_ms"]


def test_merging_and_blocks_can_be_switched_off(invoke: Callable[..., Any]) -> None:
    common = (DIGITS / "digits.onnx", *CALIBRATION, "--array", "8x8")
    plain = _explore(invoke, *common, "--no-merge", "--no-space-to-depth")
    assert plain["merged"] == []
    assert len(plain["layers"]) == 14
    assert _explore(invoke, *common)["cycles"] <= plain["cycles"]
    copied = _explore(invoke, *common, "--no-concat-in-place")
    assert copied["cycles"] > plain["cycles"]


def test_table(invoke: Callable[..., Any], quantised: Path) -> None:
    answer = invoke("explore", quantised, "--board", "kcu1500", "--array", "16x16")
    assert answer.code == 0, answer
    for text in ("fill", "array", "drain", "next best", "16 x 16", "at 250 MHz", "gap to the"):
        assert text in answer.stdout


BOARD = ("--board", "u200")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*BOARD, "--array", "99x99"), "dsp needed 10,"),
        ((*BOARD, "--array", "1x64"), "rows must be an integer in [2, 1024], not 1"),
        ((*BOARD, "--clock", "400"), "clock_mhz needed 400, available 286, short by 114"),
        ((), "without a board, the array must be given"),
        ((*BOARD, "--dsp", "6"), "dsp needed 16, available 6, short by 10"),
        ((*BOARD, "--dsp", "3"), "dsp needed 16, available 3, short by 13"),
        ((*BOARD, "--axi-bytes", "512"), "bandwidth needed 1.46432e+11, available 1.92e+10"),
    ],
)
def test_refusals(refused: Callable[..., str], arguments: tuple[str, ...], message: str) -> None:
    assert message in refused("explore", "squeezenet", *arguments)


@pytest.mark.parametrize(
    ("layer", "choices"),
    [
        (lambda net: net.pool("input", "y", 2), "no layer has one to choose, leave it out"),
        (lambda net: net.conv("input", "y", 1, 3), "choose of IS, NS, WS"),
    ],
    ids=["pooling", "depthwise"],
)
def test_names_that_no_layer_has(layer: Callable[[OutlineBuilder], str], choices: str) -> None:
    net = OutlineBuilder("small", (8, 8, 1))
    layer(net)
    with pytest.raises(InputError) as caught:
        explore(net.build(), None, array=(4, 4), restriction=Restriction(dataflows=("OS",)))
    assert str(caught.value) == f"no dataflow 'OS' here: {choices}"


def test_a_row_of_the_ablations() -> None:
    variant = Variant("small", (16, 16), Space(lanes=(2,), winograd=("none",)))
    network = fires()
    found = explore(network, U200, array=variant.array, space=variant.space, trials=False)
    cells = cells_of(variant.name, predict(found, network))
    assert len(cells) == len(HEADER)
    row = dict(zip(HEADER, cells, strict=True))
    assert row["array"] == "16 x 16"
    assert float(row["ms exact"]) == pytest.approx(float(row["ms closed form"]), rel=0.1)
    parts = ("array at work", "weights", "fill and drain", "pools and input")
    assert sum(float(row[part].rstrip("%")) for part in parts) == pytest.approx(100, abs=0.3)
