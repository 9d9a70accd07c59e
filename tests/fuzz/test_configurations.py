"""Overlays of drawn configurations are clean Verilog, and those of odd shapes answer rightly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import polymap
from hw.lib.emit import Verilog, emit
from hw.overlay import Overlay
from sim.verilator import lint
from tests.fuzz.configurations import SIDES, draw, emitted, judge

DEFAULTS = ((2, 9, 1), (8, 16, 2), (16, 16, 2), (6, 10, 2), (8, 12, 1))
DIGITS = Path(__file__).parents[2] / "examples" / "digits"


def test_every_parameter_is_drawn() -> None:
    drawn = [draw(seed).to_json() for seed in range(300)]
    assert {one["columns"] for one in drawn} == {one["rows"] for one in drawn} == set(SIDES)
    for name in drawn[0]:
        assert len({one[name] for one in drawn}) > 1, name


@pytest.mark.slow  # those of tests/rtl are clean, or they would not build
@pytest.mark.parametrize("seed", [2, 1, 39])
def test_drawn_overlays_are_clean(seed: int, tmp_path: Path) -> None:
    lint(emitted(seed), folder=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "columns", "lanes"), DEFAULTS)
def test_default_overlays_are_clean(rows: int, columns: int, lanes: int, tmp_path: Path) -> None:
    """Of 9 to 16 columns: a part of a signal is 32 bits of zero there.  `elaborate` lints one."""
    lint(_default(rows, columns, lanes), folder=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 43, 78, 31])
def test_three_tools_read_drawn_overlays(seed: int) -> None:
    verdict = judge(seed)
    assert verdict.good, verdict


@pytest.mark.slow
@pytest.mark.rtl
@pytest.mark.parametrize(("rows", "columns", "lanes"), [(8, 16, 2), (7, 13, 1), (6, 10, 2)])
def test_default_overlays_of_odd_shapes_answer_rightly(rows: int, columns: int, lanes: int) -> None:
    model = polymap.load(DIGITS / "digits.onnx", DIGITS / "calibration.npz")
    images = polymap.read_images(DIGITS / "test_images.npz", model)
    images = {name: np.ascontiguousarray(array[:2]) for name, array in images.items()}
    config = polymap.fit(model, polymap.configuration(rows, columns, lanes))
    result = polymap.simulate(model, images, config)
    assert result.mismatches == 0


def _default(rows: int, columns: int, lanes: int) -> Verilog:
    overlay = Overlay(config=polymap.configuration(rows, columns, lanes))
    return emit(overlay, "polymap", clock="ap_clk", reset="ap_rst_n")
