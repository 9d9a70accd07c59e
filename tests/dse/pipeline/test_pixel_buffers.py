"""Blocks and cycles of the search's model against stages as they are elaborated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Fragment, Shape
from amaranth.hdl._mem import MemoryInstance

from dse.pipeline import Granule
from dse.pipeline.model.buffers import buffers
from dse.pipeline.model.compute import cycles, dsp_blocks
from dse.pipeline.model.device import Pairing
from dse.pipeline.model.layer import ConvStage, StagePool
from dse.pipeline.model.loads import load_devices
from dse.pipeline.model.parallelism import Parallelism
from dse.pipeline.model.pixel_buffers import PixelBuffers
from hw.stages.layer_stage import LayerStage
from hw.stages.scheme import Scheme
from hw.stages.shape import StageShape
from tests.hw.stages.stage_drawing import draw_shape

RAM = load_devices()["kcu1500"].ram
BUFFERS = {"ring": "input", "weights": "weight", "results": "output", "pool": "pool"}


def clocked(fragment: Fragment, path: tuple[str, ...] = ()) -> Iterator[tuple[str, int, int]]:
    """The stage's part, bits and rows of each memory that a clock reads: of a block RAM."""
    for child, name, _ in fragment.subfragments:
        if isinstance(child, MemoryInstance):
            if all(port._domain != "comb" for port in child._read_ports):
                yield (*path, name)[0], Shape.cast(child._data.shape).width, child._data.depth
        else:
            yield from clocked(child, (*path, name))


def blocks(stage: Fragment) -> Counter[str]:
    """Blocks of each buffer of an elaborated stage."""
    found: Counter[str] = Counter()
    for part, width, depth in clocked(stage):
        blocks = RAM.blocks(lanes=np.array([-(-width // 8)]), depth=np.array([depth]))
        found[BUFFERS.get(part, "parameter")] += int(blocks[0])
    return found


def cascades(stage: Fragment) -> int:
    """Cascades of multipliers of an elaborated stage."""
    segments = [part for part, name, _ in stage.subfragments if name.startswith("segment")]
    return sum(name.startswith("dot") for part in segments for _, name, _ in part.subfragments)


def searched(shape: StageShape) -> tuple[ConvStage, Parallelism]:
    """The same stage as the search knows it."""
    names = ("name", "n_in", "n_out", "size_in", "size_out", "kernel", "stride", "pad", "groups")
    pool = shape.pool
    layer = ConvStage(
        **{name: getattr(shape, name) for name in names},
        pool=None
        if pool is None
        else StagePool(
            name="pool",
            kernel=pool.kernel,
            stride=pool.stride,
            size_out=pool.size_out,
            pad=pool.pad,
        ),
    )
    values = {
        "para_in": shape.para_in,
        "para_out": shape.para_out,
        "para_seg": shape.para_seg,
        "run": shape.passes,
    }
    return layer, Parallelism(**{name: np.array([value]) for name, value in values.items()})


def drawn(seed: int) -> StageShape:
    """A stage whose input comes channel by channel."""
    shape = draw_shape(np.random.default_rng(seed))
    source = shape.source
    tile = source.tile if shape.scheme is Scheme.MAP else source.channels
    return replace(shape, source=replace(source, width=1, tile=tile), scaled=shape.bits == 8)


@pytest.mark.parametrize("seed", range(20))
def test_blocks_and_cycles_are_those_of_the_hardware(seed: int) -> None:
    shape = drawn(seed)
    layer, par = searched(shape)
    model = buffers(
        layer, shape.scheme, Granule.PIXEL, par, ram=RAM, bits=shape.bits, packed=shape.packed
    )
    names = ("input", "weight", "output", "pool", "parameter")
    stage = Fragment.get(LayerStage(shape=shape), None)
    counted = blocks(stage)
    assert {name: int(getattr(model, name)[0]) for name in names} == {n: counted[n] for n in names}
    assert int(cycles(layer, Granule.PIXEL, par)[0]) == shape.cycles
    pairing = Pairing.SHARED if shape.packed else Pairing.SINGLE
    assert int(dsp_blocks(layer, pairing, par)[0]) == shape.para_in * cascades(stage)


def test_what_cannot_be_built_is_no_candidate() -> None:
    """The results of 16 segments do not leave one by one in a pass of 9 cycles."""
    layer = ConvStage(name="a", n_in=4, n_out=4, size_in=8, size_out=8, kernel=3, pad=1)
    values = {"para_in": [4, 4], "para_out": [1, 1], "para_seg": [8, 16], "run": [8, 4]}
    par = Parallelism(**{name: np.array(value) for name, value in values.items()})
    for scheme, buildable in ((Scheme.MAP, [True, False]), (Scheme.LINE, [True, True])):
        sizes = PixelBuffers(stage=layer, scheme=scheme, par=par, ram=RAM, bits=16)
        assert sizes.buildable.tolist() == buildable
