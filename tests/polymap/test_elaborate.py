"""``polymap elaborate``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hw.isa.config import ISA_VERSION
from hw.lib.emit import Verilog
from polymap import configuration
from polymap.api import elaboration
from sim.verilator import ToolError
from tests.rtl.overlays import OVERLAYS

pytestmark = pytest.mark.rtl


@pytest.fixture(scope="module")
def elaborated(invoke: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("elaborated")
    array = ("--array", "2x9", "--lanes", "2")
    answer = invoke("elaborate", *array, "--board", "U200", "--out", out, "--json")
    assert answer.code == 0, answer
    assert answer.stderr == ""
    data = json.loads(answer.stdout)
    assert data.pop("out") == str(out)
    assert data.pop("lint") == "clean"
    assert data == json.loads((out / "polymap.json").read_text())
    return out


def test_side_car(elaborated: Path) -> None:
    data = json.loads((elaborated / "polymap.json").read_text())
    config = configuration(2, 9, 2)
    assert data["configuration"] == config.to_json()
    assert data["configuration_hash"] == config.hash
    assert data["isa_version"] == ISA_VERSION
    assert data["board"]["name"] == "u200"
    assert data["primitive"] == {"name": "dsp48e2", "cascade": 0, "borders": []}
    assert data["blocks"]["elements"]["dsp"] == 2 * 10
    assert (
        data["resources"]["dsp"] == 2 * 10 + 4 * 9 + 2 * 9
    )  # requantisation, residuals, pooling and products
    ports = {port["name"]: port for port in data["ports"]}
    assert ports["ap_clk"] == {"name": "ap_clk", "direction": "input", "width": 1}
    assert ports["m_axi_gmem0_wdata"]["direction"] == "output"
    assert ports["m_axi_gmem0_wdata"]["width"] == 8 * config.axi_bytes


def test_verilog(elaborated: Path) -> None:
    data = json.loads((elaborated / "polymap.json").read_text())
    text = (elaborated / "polymap.v").read_text()
    assert "module polymap(" in text
    assert "DSP48E2" in text
    assert 'ram_style = "ultra"' in text
    assert "polymap" in data["modules"]


def test_without_a_board(invoke: Callable[..., Any], tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(OVERLAYS["2x2"].to_json()))
    answer = invoke("elaborate", "--config", config, "--out", tmp_path)
    assert answer.code == 0, answer
    assert "2 x 2, 1 lane(s): about 18 dsp" in answer.stdout
    assert "elements: behavioural" in answer.stdout
    assert "lint: clean" in answer.stdout
    assert "DSP48E2" not in (tmp_path / "polymap.v").read_text()


def stand_in(*_: object, **__: object) -> Verilog:
    """In place of the overlay's text, which takes seconds and which nobody reads here."""
    return Verilog(top="polymap", text="", modules=("polymap",), ports=(), hierarchical=False)


@pytest.mark.parametrize(("board", "notes"), [("u200", 1), ("u250", 0)])
def test_borders_of_dies_without_registers_are_said(
    invoke: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    board: str,
    notes: int,
) -> None:
    """A U250's die has room for 58 columns of 48, and one of a U200 for 38."""
    monkeypatch.setattr(elaboration, "emit", stand_in)
    monkeypatch.setattr(elaboration.verilator, "lint", lambda verilog: None)
    array = ("--array", "48x40", "--lanes", "2", "--board", board)
    answer = invoke("elaborate", *array, "--out", tmp_path)
    assert answer.code == 0, answer
    said = "note: an array of 48 x 40 crosses 1 border(s) of dies of board 'u200' (before columns"
    assert answer.stdout.count("note: ") == answer.stdout.count(said) == notes
    side_car = json.loads((tmp_path / "polymap.json").read_text())
    assert bool(side_car["note"]) == bool(notes)


def test_what_is_not_checked_or_not_clean_is_said(
    invoke: Callable[..., Any],
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def missing() -> None:
        raise ToolError("perl is needed")

    def faulty(verilog: object) -> None:
        raise ToolError("verilator failed: UNDRIVEN")

    array = ("elaborate", "--array", "2x2", "--lanes", "1", "--out", tmp_path)
    monkeypatch.setattr(elaboration, "emit_overlay", stand_in)
    monkeypatch.setattr(elaboration.verilator, "lint", faulty)
    assert "verilator failed: UNDRIVEN" in refused(*array)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(elaboration.verilator, "verilator", missing)
    assert "lint: not checked: perl is needed" in invoke(*array).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--array", "2", "--lanes", "1"), "array must look like 16x32"),
        (("--array", "2x2", "--lanes", "1", "--board", "u9"), "no board named 'u9'; known: u200"),
        (("--array", "2x2", "--lanes", "1", "--bare"), "--bare needs --board"),
        (
            ("--array", "92x72", "--lanes", "1", "--board", "u200"),
            "takes 6,976 dsp (estimate), 1,096 more than the 5,880 that the card of board 'u200' "
            "leaves; most of it is elements with 6,624: choose fewer rows or columns",
        ),
        (
            ("--array", "92x72", "--lanes", "1", "--board", "u200", "--bare"),
            "an overlay of 92 x 72 takes 6,976 dsp (estimate), 136 more than the 6,840 of board "
            "'u200'; most of it is elements with 6,624: choose fewer rows or columns",
        ),
    ],
)
def test_refusals(
    refused: Callable[..., str], tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    assert message in refused("elaborate", *arguments, "--out", tmp_path)


def test_memories_beyond_the_board(refused: Callable[..., str], tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"rows": 4, "columns": 4, "lanes": 1, "tensor_bytes": 268435456}')
    line = refused("elaborate", "--config", config, "--board", "kcu1500", "--out", tmp_path)
    assert "more than the 1,568 that the card of board 'kcu1500' leaves" in line
    assert "most of it is tensor memory with" in line
    assert "choose a smaller tensor_bytes" in line
