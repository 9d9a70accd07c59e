"""``polymap package``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_a_folder_that_builds(invoke: Callable[..., Any], tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"rows": 2, "columns": 3, "lanes": 1, "weight_ports": 2}')
    out = tmp_path / "out"
    answer = invoke("package", "--config", config, "--board", "U250", "--out", out, "--json")
    assert answer.code == 0, answer
    data = json.loads(answer.stdout)
    assert data["lint"] == "clean"
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
        (("--array", "92x72", "--lanes", "1", "--board", "u200"), "104 more than the 6,840"),
    ],
)
def test_refusals(
    refused: Callable[..., str], tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    assert message in refused("package", *arguments, "--out", tmp_path / "out")
