"""``polymap explore --style``: a network as layer pipeline, and beside the overlay."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from boards.board import board
from dse.network.graph import Conv, Network, Tensor, Window
from dse.onnx.reading import outline
from dse.pipeline import ChainError
from dse.pipeline.from_network import leading_chain
from dse.pipeline.on_card import device_of
from polymap.commands.pipelined import PIPELINE_FILE, PIPELINE_PAGE, STYLES_FILE, STYLES_PAGE
from tests.dse.network.conftest import Builder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two convolutions with a maximum between them, and an average that is no stage."""
    b = Builder(4)
    x = b.relu(b.conv(b.input(3, 32, 32), "first", 8, 3, 3, pads=[1] * 4))
    x = b.node("MaxPool", [x], "pool", kernel_shape=[2, 2], strides=[2, 2])
    average = b.node("GlobalAveragePool", [b.conv(x, "second", 16, 8, 3)], "average")
    path = tmp_path_factory.mktemp("model") / "chain.onnx"
    onnx.save(b.model(average), path)
    return path


@pytest.mark.slow
def test_both_styles_of_the_same_layers(
    invoke: Callable[..., Any], model: Path, tmp_path: Path
) -> None:
    arguments = ("--board", "kcu1500", "--dsp", 200, "--no-certify", "--style", "both", "--json")
    answer = invoke("explore", model, *arguments, "--out", tmp_path)
    assert answer.code == 0, answer
    told = json.loads(answer.stdout)
    assert told == json.loads((tmp_path / STYLES_FILE).read_text())
    assert told["stages"] == 2
    assert "an average is no part of a stage" in told["ends_before"]
    overlay, pipeline = told["styles"]
    assert [overlay["name"], pipeline["name"]] == ["overlay", "pipeline"]
    assert overlay["period_cycles"] == overlay["latency_cycles"]
    found = json.loads((tmp_path / "exploration.json").read_text())
    assert overlay["latency_cycles"] == found["decision"]["exact"]
    assert [layer["name"] for layer in found["layers"]][:2] == ["first", "second"]
    stages = json.loads((tmp_path / PIPELINE_FILE).read_text())
    assert pipeline["period_cycles"] == stages["cycles"]
    assert not pipeline["latency_is_estimate"]
    total = sum(stage["cycles"] for stage in stages["stages"])
    assert pipeline["period_cycles"] < pipeline["latency_cycles"] < total + 1000
    assert (tmp_path / STYLES_PAGE).stat().st_size > 0
    assert (tmp_path / PIPELINE_PAGE).stat().st_size > 0
    for style in told["styles"]:
        assert style["dsp"] <= 200
        assert style["images_per_second"] == told["clock_hz"] / style["period_cycles"]
        assert style["utilisation"] > 0
    assert pipeline["utilisation"] <= 1


def test_a_table_of_both_styles(invoke: Callable[..., Any], model: Path) -> None:
    arguments = ("--board", "u200", "--dsp", 100, "--no-certify", "--style", "both")
    answer = invoke("explore", model, *arguments)
    assert answer.code == 0, answer
    assert "overlay" in answer.stdout
    assert "neither style runs what follows" in answer.stdout


def test_a_pipeline_alone(invoke: Callable[..., Any], model: Path) -> None:
    answer = invoke("explore", model, "--board", "u250", "--style", "pipeline", "--json")
    assert answer.code == 0, answer
    told = json.loads(answer.stdout)
    assert (told["device"], told["bits"]) == ("u250", 8)
    assert told["cycles"] >= 32 * 32  # one pixel enters in a cycle
    assert told["dsp"]["chip"] == board("u250").dsp


def test_numbers_make_no_other_chain(model: Path) -> None:
    network = outline(model)
    found = leading_chain(network)
    names = [op.name for op in network.operators if isinstance(op, Conv)]
    assert [stage.name for stage in found.chain.stages] == names
    assert found.last == network.operators[-1].inputs[0]


@pytest.mark.parametrize(
    ("height", "window", "reason"),
    [
        (9, Window((3, 3)), "its map of 9 x 12 is not square"),
        (12, Window((1, 3)), "its window of 1 x 3 is not square"),
        (12, Window((3, 3), (1, 2)), "its strides of 1 and 2 are not the same"),
        (12, Window((3, 3), dilation=(2, 2)), "its window is dilated"),
        (12, Window((3, 3), padding=(1, 0, 1, 0)), "its result of 12 x 10 is not square"),
    ],
)
def test_the_true_reason(height: int, window: Window, reason: str) -> None:
    given = Tensor("x", height, 12, 3)
    made = Tensor("y", *window.output(height, 12), 4)
    conv = Conv("conv", "x", "y", window)
    network = Network("small", {"x": given, "y": made}, (conv,), ("x",), ("y",))
    with pytest.raises(ChainError, match=f"no stage to begin with; conv: {reason};"):
        leading_chain(network)


def test_what_cannot_be_compared(refused: Callable[..., str], model: Path) -> None:
    assert "--board" in refused("explore", model, "--style", "both")
    both = ("explore", model, "--style", "both", "--board", "u200")
    assert "--model" in refused(*both, "--model", "dynamap")
    assert "--batch" in refused(*both, "--batch", 2)
    pipeline = ("explore", model, "--style", "pipeline", "--board", "u200")
    for option in (("--array", "8x8"), ("--lanes", 1), ("--exact",), ("--dataflow", "WS")):
        assert option[0] in refused(*pipeline, *option)
    said = refused("explore", model, "--style", "pipeline", "--board", "ulx3s")
    assert "--style overlay" in said
    said = refused("explore", model, "--style", "pipeline", "--board", "u200", "--dsp", 1)
    assert "DSP" in said
    said = refused("explore", "googlenet", "--style", "both", "--board", "u200")
    assert "padding is not the same on all sides" in said


def test_the_cards_memory_is_the_devices() -> None:
    card = board("kcu1500")
    device = device_of(card)
    assert (device.dsp, device.ram_units) == (card.dsp, card.bram36)
