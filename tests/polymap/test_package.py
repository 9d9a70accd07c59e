"""``polymap package``."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import hw.overlay
from boards import block_design, xrt
from boards.board import BOARDS, KCU1500


def test_a_folder_that_builds(invoke: Callable[..., Any], tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(
        '{"rows": 2, "columns": 3, "lanes": 1, "weight_ports": 2, "crossings": 1, '
        '"pool_lanes": 1, "tables": 0, "products": 0, "axi_bytes": 8}'
    )
    out = tmp_path / "out"
    answer = invoke("package", "--config", config, "--board", "U250", "--out", out, "--json")
    assert answer.code == 0, answer
    data = json.loads(answer.stdout)
    assert data["lint"] == "clean"
    assert "crosses 0 border(s) of dies of board 'u250', but crossings is 1" in data["note"]
    assert sorted(data["files"]) == sorted(file.name for file in out.iterdir())
    assert {"polymap.v", "polymap_kernel.v", "polymap.json", "build.sh", "link.cfg"} <= set(
        data["files"]
    )
    assert json.loads((out / "polymap.json").read_text())["board"]["name"] == "u250"
    assert "DDR[0]" in (out / "link.cfg").read_text()  # of the second weight port
    assert "DSP48E2" in (out / "polymap.v").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--array", "2x2", "--lanes", "1", "--board", "u9"), "no board named 'u9'; known: u200"),
        (("--board", "u200"), "--array RxC is missing"),
        (("--board", "u200", "--config", "none.json"), "none.json: cannot be read"),
        (("--array", "92x72", "--lanes", "1", "--board", "u200"), "1,096 more than the 5,880"),
        (
            ("--array", "92x72", "--lanes", "1", "--board", "u200", "--bare"),
            "136 more than the 6,840",
        ),
    ],
)
def test_refusals(
    refused: Callable[..., str], tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    assert message in refused("package", *arguments, "--out", tmp_path / "out")


def _unknown(patch: pytest.MonkeyPatch) -> None:
    patch.delitem(block_design.BOARD_PARTS, "kcu1500")
    patch.setattr(xrt, "SHELLS", {})


def _too_fast(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(BOARDS, "kcu1500", replace(KCU1500, clock_hz=300e6))


@pytest.mark.parametrize(
    ("change", "message"),
    [(_unknown, "has no packaging"), (_too_fast, "at 250 MHz, board 'kcu1500' asks for 300")],
)
def test_what_nothing_builds_is_refused_before_it_is_made(
    refused: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[pytest.MonkeyPatch], None],
    message: str,
) -> None:
    change(monkeypatch)
    monkeypatch.setattr(hw.overlay.Overlay, "elaborate", pytest.fail)
    out = tmp_path / "out"
    arguments = ("--array", "4x4", "--lanes", "1", "--board", "kcu1500")
    assert message in refused("package", *arguments, "--out", out)
    assert not out.exists()
