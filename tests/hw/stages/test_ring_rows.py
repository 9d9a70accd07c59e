"""Rows of the input ring: with as many, neither input nor passes wait."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hw.stages.map_link import MapLink
from hw.stages.scheme import Scheme
from hw.stages.shape import StageShape
from tests.hw.stages.ring_play import RingPlay
from tests.hw.stages.test_periods import period

LONGEST = 60_000


def strided() -> StageShape:
    """Windows of 4 x 4, side by side: a row of cells lies there whole before any is read."""
    return StageShape(
        name="strided",
        n_in=3,
        n_out=3,
        groups=1,
        size_in=12,
        size_out=3,
        kernel=4,
        stride=4,
        pad=0,
        pool=None,
        para_in=2,
        para_out=1,
        para_seg=2,
        scheme=Scheme.LINE,
        bits=8,
        source=MapLink(channels=3, size=12, tile=3, width=1),
        out_width=1,
    )


def draw(rng: np.random.Generator) -> StageShape:
    """Windows of any shape, padding and stride; LINE or BAND."""
    while True:
        kernel = int(rng.choice([1, 2, 3, 3, 4, 5, 7, 11]))
        pad = int(rng.integers(0, (kernel + 1) // 2 + 1)) if rng.random() < 0.7 else 0
        pad, stride = min(pad, kernel - 1), int(rng.choice([1, 1, 2, 2, 3, 4]))
        size_in = int(rng.integers(max(1, kernel - 2 * pad), kernel + 40))
        size_out = (size_in + 2 * pad - kernel) // stride + 1
        n_in, tiles = int(rng.integers(1, 5)), int(rng.integers(1, 9))
        shape = replace(
            strided(),
            n_in=n_in,
            n_out=tiles,
            size_in=size_in,
            size_out=size_out,
            kernel=kernel,
            stride=stride,
            pad=pad,
            para_in=int(rng.integers(1, n_in + 1)),
            para_seg=int(rng.integers(1, min(size_out**2, 64) + 1)),
            scheme=Scheme.LINE if rng.random() < 0.5 else Scheme.BAND,
            source=MapLink(
                channels=n_in, size=size_in, tile=n_in, width=int(rng.integers(1, n_in + 1))
            ),
        )
        if shape.passes > 1 and max(shape.cycles, shape.source.beats) <= LONGEST:
            return shape


def check(seed: int) -> None:
    """Input as fast as it can, and spread over the image's time."""
    shape = draw(np.random.default_rng(seed))
    longest = max(shape.cycles, shape.source.beats)
    for pace in (1.0, longest / shape.source.beats):
        seen = RingPlay(shape, rows=shape.live_rows, pace=pace).period()
        assert seen <= longest + 1e-6, (shape, pace)


@pytest.mark.parametrize("seed", range(40))
def test_no_cell_waits(seed: int) -> None:
    check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 4000, 200))
def test_no_cell_waits_often(first: int) -> None:
    for seed in range(first, first + 200):
        check(seed)


def test_rings_that_are_too_small_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ring that a stage of this shape had before: the play and the hardware take longer."""
    assert strided().live_rows == 3
    assert RingPlay(strided(), rows=3).period() == 480
    assert RingPlay(strided(), rows=2).period() > 500
    monkeypatch.setattr(StageShape, "live_rows", 2)
    assert period((strided(),), 6) == 510


def test_a_strided_stage_in_hardware() -> None:
    assert period((strided(),), 6) == strided().cycles == 480


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "rows"), [(3763, 1), (3731, 3), (3203, 7)])
def test_a_ring_without_a_row_to_spare_in_hardware(seed: int, rows: int) -> None:
    """Cells of a row take the places of cells that the same row's first ones set free."""
    shape = draw(np.random.default_rng(seed))
    assert shape.live_rows == rows
    assert period((shape,), 4) == shape.period == shape.cycles
