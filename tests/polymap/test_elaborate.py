"""``polymap elaborate``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hw.config import ISA_VERSION
from polymap import configuration
from polymap.elaboration import resources


@pytest.fixture(scope="module")
def elaborated(invoke: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("elaborated")
    array = ("--array", "2x3", "--lanes", "2")
    answer = invoke("elaborate", *array, "--board", "U200", "--out", out, "--json")
    assert answer.code == 0, answer
    assert answer.stderr == ""
    data = json.loads(answer.stdout)
    assert data.pop("out") == str(out)
    assert data == json.loads((out / "polymap.json").read_text())
    return out


def test_side_car(elaborated: Path) -> None:
    data = json.loads((elaborated / "polymap.json").read_text())
    config = configuration(2, 3, 2)
    assert data["configuration"] == config.to_json()
    assert data["configuration_hash"] == config.hash
    assert data["isa_version"] == ISA_VERSION
    assert data["board"]["name"] == "u200"
    assert data["resources"]["multipliers"] == 2 * 4
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


@pytest.mark.parametrize("lanes", [1, 2])
def test_resources(lanes: int) -> None:
    found = resources(configuration(16, 32, lanes))
    assert found.multipliers == 16 * (32 + lanes - 1)
    assert found.memories["weight"] == 8192 * 32
    assert found.memories["tensor"] == 1 << 22
    assert found.memories["accumulator"] == 32 * 1024 * 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--array", "2", "--lanes", "1"), "array must look like 16x32"),
        (("--array", "2x2", "--lanes", "1", "--board", "u9"), "no board named 'u9'; known: u200"),
        (
            ("--array", "100x69", "--lanes", "1", "--board", "u200"),
            "array 100x69 needs 6,900 DSP slices, u200 has 6,840: choose fewer rows or columns",
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
    assert "kcu1500 has 8,847,360" in line
    assert "shrink the tensor memory" in line
