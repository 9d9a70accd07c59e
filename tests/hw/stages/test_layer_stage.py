"""Drawn stages against plain loops of numpy: every lane that counts, with stalls at all ends."""

from __future__ import annotations

import numpy as np
import pytest

from hw.lib.emit import TooWideError, emit
from hw.stages.layer_stage import LayerStage
from hw.stages.map_link import MapLink
from hw.stages.maximum_shape import MaximumShape
from hw.stages.scheme import Scheme
from hw.stages.segment import dot_module
from hw.stages.shape import StageShape
from tests.hw.stages.stage_bench import check_stage
from tests.hw.stages.stage_drawing import FEW_CYCLES, draw_shape

ALWAYS = (1.0, 1.0, 1.0)
SLOW = pytest.mark.slow


@pytest.mark.parametrize("seed", range(6))
def test_drawn_stages(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = draw_shape(rng, FEW_CYCLES)
    rates = tuple(rng.choice([1.0, 0.7, 0.3], 3).tolist())
    check_stage(shape, seed, rates=rates)


@SLOW
@pytest.mark.parametrize("seed", [*range(8), *range(100, 400)])
def test_many_drawn_stages(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = draw_shape(rng)
    rates = tuple(rng.choice([1.0, 1.0, 0.7, 0.3], 3).tolist())
    check_stage(shape, seed, rates=rates)


def stage(**changes: object) -> StageShape:
    """A stage of 3 to 4 channels, with some things changed."""
    given = {
        "name": "given",
        "n_in": 3,
        "n_out": 4,
        "size_in": 6,
        "kernel": 3,
        "stride": 1,
        "pad": 1,
        "groups": 1,
        "pool": None,
        "para_in": 1,
        "para_out": 2,
        "para_seg": 3,
        "scheme": Scheme.LINE,
        "bits": 16,
        "out_width": 1,
        "width": 1,
        "tile": None,
        **changes,
    }
    width, tile = given.pop("width"), given.pop("tile")
    channels = given["n_in"] * given["groups"]
    size = given["size_in"]
    given["size_out"] = (size + 2 * given["pad"] - given["kernel"]) // given["stride"] + 1
    source = MapLink(channels=channels, size=size, tile=tile or channels, width=width)
    return StageShape(**given, source=source)


WHOLE = {
    "line": stage(),
    "map": stage(scheme=Scheme.MAP),
    "band": stage(scheme=Scheme.BAND),
    "cells right of the last column": stage(kernel=5, stride=2, pad=0, size_in=13),
    "such cells of all rows in one entry": stage(
        pad=0, size_in=11, para_seg=17, n_out=8, out_width=2
    ),
    "two groups": stage(groups=2, n_in=2, n_out=6, para_in=2),
    "tiles across groups": stage(groups=2, n_in=2, n_out=6, para_out=4, scheme=Scheme.MAP, tile=1),
    "packed channels": stage(bits=8, packed=True, n_out=6, para_out=3),
    "packed segments": stage(bits=8, packed=True, para_out=1, scheme=Scheme.BAND),
    "packed, a border in a pair": stage(
        bits=8, packed=True, groups=2, n_out=6, para_out=2, scheme=Scheme.MAP
    ),
    "pooled": stage(pool=MaximumShape(kernel=3, stride=2, size_out=3, pad=1)),
}


@pytest.mark.parametrize("images", [2, pytest.param(3, marks=SLOW)])
@pytest.mark.parametrize("name", WHOLE)
def test_a_stage_takes_its_cycles(name: str, images: int) -> None:
    """With input, weights and output in time, images follow each other without a cycle between."""
    shape = WHOLE[name]
    seen = check_stage(shape, 1, images=images, rates=ALWAYS)
    assert seen.busy == images * shape.cycles
    assert {b - a for a, b in zip(seen.ends, seen.ends[1:], strict=False)} == {shape.cycles}


def test_one_entry_serves_two_images() -> None:
    """Which is what that stage is there for: its ring holds less than an image."""
    shape = WHOLE["such cells of all rows in one entry"]
    assert (shape.edge_groups, shape.live_maps) == (1, 1)


def test_which_products_share_a_multiplier() -> None:
    """Two channels, unless two segments leave less over or a border parts the channels."""
    channels, segments, parted = (WHOLE[name] for name in WHOLE if name.startswith("packed"))
    assert (channels.pair_channels, channels.pair_segments) == (2, 1)
    assert channels.multipliers == 2 * 3  # the third channel has none to share with
    assert (segments.pair_channels, segments.pair_segments) == (1, 2)
    assert segments.multipliers == 1 * 2  # nor has the third segment
    assert (parted.pair_channels, parted.pair_segments) == (1, 2)
    assert stage().multipliers == 2 * 3
    with pytest.raises(ValueError, match="packed products have 8 bits, not 16"):
        stage(packed=True)


@pytest.mark.parametrize(
    ("operands", "para_out"),
    [
        ((-128,), 1),
        ((-128, 127), 2),
        pytest.param((-128,), 2, marks=SLOW),
        pytest.param((-128, 127), 1, marks=SLOW),
    ],
)
def test_packed_sums_hold_the_worst_operands(operands: tuple[int, ...], para_out: int) -> None:
    """Nine products in a cascade of seven and one of two."""
    shape = stage(bits=8, packed=True, n_in=9, para_in=9, para_out=para_out, size_in=4)
    check_stage(shape, 3, rates=ALWAYS, operands=operands)


@pytest.mark.parametrize(
    "sums",
    [
        {"size_in": 5, "bits": 16, "para_seg": 25},
        pytest.param({"size_in": 8, "bits": 8, "packed": True, "para_seg": 64}, marks=SLOW),
    ],
    ids=["wide", "many"],
)
def test_sums_of_any_number_are_drained(sums: dict[str, int]) -> None:
    """Amaranth makes no register of 2**16 bits, which the sums of a large stage fill."""
    shape = stage(n_in=32, n_out=64, kernel=5, pad=2, para_out=64, **sums)
    assert shape.para_out * shape.para_seg * shape.accumulator_bits > 1 << 16
    verilog = emit(LayerStage(shape=shape), "stage")
    assert dict(verilog.instances)[dot_module(shape)] * shape.para_in == shape.multipliers


def test_sums_too_wide_to_be_built_are_refused() -> None:
    """A pass of one cycle: all its results leave at once."""
    tiny = {"n_in": 1, "n_out": 64, "size_in": 8, "kernel": 1, "pad": 0}
    with pytest.raises(TooWideError, match=r"stage given: 4,096 sums of 32 bits leave in a cycle"):
        stage(bits=16, para_out=64, para_seg=64, **tiny)
    assert stage(bits=16, para_out=64, para_seg=16, **tiny).drain_beats == 1
