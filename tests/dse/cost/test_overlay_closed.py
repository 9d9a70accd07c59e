"""The closed form against the exact model and the compiler. The protocol: test_overlay_model.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from dse.assembly.instruction import Instruction
from dse.assembly.program_error import ProgramError
from dse.compile.compiler import compile_network
from dse.compile.conv_instruction import weights
from dse.compile.dataflow import best_tiling
from dse.compile.packing import Piece, cut
from dse.compile.views import View
from dse.cost.between import pool_cycles
from dse.cost.candidates import ConvExtents, Tiling
from dse.cost.closed import TileNest, array_cycles
from dse.cost.cost_model import PoolShape, as_arrays
from dse.cost.overlay_model import OverlayModel
from dse.cycles.single_layer import layer_cycles
from dse.cycles.whole_program import program_cycles
from dse.network.conv_shape import ConvShape
from dse.network.graph import Conv, Network, Window
from dse.passes import folded_shape
from dse.tiling.grid import Grid
from dse.tiling.layer_mapping import Choice, ConvAlgorithm, LayerMapping
from hw.isa import Dataflow, Opcode
from hw.isa.config import OverlayConfig
from hw.isa.timing import DISPATCH
from tests.sim.test_functional import Builder

AHEAD = 9000  # cycles in which any weights of these tests arrive
SLOW = pytest.mark.slow


def counts(few: int, many: int) -> pytest.MarkDecorator:
    """How many are drawn: a few; many if slow."""
    return pytest.mark.parametrize("count", [few, pytest.param(many, marks=SLOW)])


def drawn_config(rng: np.random.Generator, scratch_words: int) -> OverlayConfig:
    return OverlayConfig(
        rows=int(rng.integers(2, 13)),
        columns=int(rng.integers(4, 13)),
        lanes=int(rng.integers(1, 3)),
        tensor_bytes=1 << 15,
        accumulator_depth=1 << int(rng.integers(6, 10)),
        weight_words=1 << 13,
        parameter_depth=256,
        winograd="all",
        scratch_words=scratch_words,
    )


def drawn_block(
    rng: np.random.Generator, least_chunks: int
) -> tuple[Dataflow, ConvExtents, OverlayConfig]:
    config = OverlayConfig(
        rows=int(rng.integers(2, 13)),
        columns=int(rng.integers(2, 13)),
        lanes=int(rng.integers(1, 3)),
        tensor_bytes=1 << 14,
        accumulator_depth=1 << int(rng.integers(4, 9)),
        weight_words=4096,
        parameter_depth=256,
    )
    pixels, channels = int(rng.integers(1, 90)), int(rng.integers(1, 60))
    block = ConvExtents(pixels, channels, int(rng.integers(least_chunks, 9)))
    return Dataflow(int(rng.integers(3))), block, config


def alone(tiling: Tiling) -> int:
    """Cycles of a CONV whose weights are there."""
    return int(tiling.fill + tiling.cycles + tiling.drain - 1)


def instruction(block: ConvExtents, tiling: Tiling) -> Instruction:
    fields = {
        "dataflow": int(tiling.dataflow),
        "replay": tiling.replay,
        "pixels": block.pixels,
        "channels": block.channels,
        "chunks": block.chunks,
        "pixel_tile": tiling.pixel_tile,
        "channel_tile": tiling.channel_tile,
    }
    return Instruction(Opcode.CONV, fields)


def exactly(block: ConvExtents, tiling: Tiling, config: OverlayConfig) -> int:
    stream = weights("", 0, tiling).instruction
    return layer_cycles(instruction(block, tiling), stream, config, ahead=AHEAD)


@counts(30, 100)
def test_im2col_is_exact_from_two_chunks_on(count: int) -> None:
    """With the weights there: drawn convolutions. IS: nearly always, see docs/cycles.md."""
    rng = np.random.default_rng(1)
    wrong = 0
    for _ in range(count):
        flow, block, config = drawn_block(rng, 2)
        tiling = best_tiling(block, config, flow)
        assert tiling is not None
        exact, found = exactly(block, tiling, config), alone(tiling)
        wrong += found != exact
        assert found == exact or flow is Dataflow.IS, (flow, block, config)
        assert found == pytest.approx(exact, rel=0.02)
    assert wrong <= 0.02 * count


@counts(20, 50)
def test_im2col_is_near_with_one_chunk(count: int) -> None:
    """The writer's few cycles between tiles show where a tile has few waves."""
    rng = np.random.default_rng(2)
    for _ in range(count):
        flow, block, config = drawn_block(rng, 1)
        block = ConvExtents(block.pixels, block.channels, 1)
        tiling = best_tiling(block, config, flow)
        assert tiling is not None
        assert alone(tiling) == pytest.approx(exactly(block, tiling, config), rel=0.1)


@pytest.mark.parametrize("flow", Dataflow)
def test_many_arrays_at_once_equal_each_alone(flow: Dataflow) -> None:
    sides = np.stack(np.meshgrid(np.arange(2, 20), np.arange(2, 20)), axis=-1).reshape(-1, 2)

    def cycles(rows: Any, columns: Any) -> Any:
        tile = {Dataflow.WS: 64, Dataflow.IS: columns, Dataflow.NS: rows}[flow]
        channel_tile = 24 if flow is Dataflow.IS else columns
        tiles = TileNest(
            pixels=100, channels=37, chunks=5, pixel_tile=tile, channel_tile=channel_tile
        )
        return array_cycles(flow, tiles, Grid(rows, columns, OverlayConfig()))

    together = cycles(sides[:, 0], sides[:, 1])
    assert together.tolist() == [int(cycles(int(r), int(c))) for r, c in sides]


@dataclass(frozen=True)
class Compiled:
    """One convolution compiled: its tiles, and what the exact model says."""

    tiling: Tiling
    exact: int

    @property
    def error(self) -> float:
        """Relative, of the closed form."""
        return alone(self.tiling) / self.exact - 1


def drawn_conv(rng: np.random.Generator, most_stride: int) -> tuple[Network, Conv]:
    b = Builder(rng)
    height, width = (int(n) for n in rng.integers(1, 18, 2))
    image = b.input(height, width, int(rng.integers(1, 25)))
    axes = []
    for size in (height, width):
        kernel = int(rng.integers(1, min(4, size) + 1))
        before, after = (int(rng.integers(0, kernel)) for _ in range(2))
        axes.append((kernel, int(rng.integers(1, most_stride + 1)), before, after))
    (ky, sy, top, bottom), (kx, sx, left, right) = axes
    window = Window((ky, kx), (sy, sx), padding=(top, left, bottom, right))
    return single(b, b.conv(image, int(rng.integers(1, 25)), window))


def compiled(choice: Choice, count: int, scratch: tuple[int, int]) -> Iterator[Compiled]:
    """Drawn convolutions whose weights are streamed once; ``scratch``: powers of two, from to."""
    rng = np.random.default_rng(3)
    most_stride = 1 if choice.algorithm is ConvAlgorithm.WINOGRAD else 2
    found = 0
    while found < count:
        config = drawn_config(rng, 1 << int(rng.integers(*scratch)))
        network, conv = drawn_conv(rng, most_stride)
        try:
            program = compile_network(network, config, LayerMapping({conv.name: choice}))
        except ProgramError:  # the overlay is too small for it
            continue
        (piece,) = pieces(network, conv, config, choice)
        height, width, _ = network.tensors[conv.output].shape
        tiling = piece.tiling(height * width, config)
        if tiling.repeats > 1:
            continue
        (layer,), (stream,) = (
            [i for i in program.instructions if i.opcode is opcode]
            for opcode in (Opcode.CONV, Opcode.WEIGHTS)
        )
        yield Compiled(tiling, layer_cycles(layer, stream, config, ahead=AHEAD))
        found += 1


def pieces(
    network: Network, conv: Conv, config: OverlayConfig, choice: Choice
) -> tuple[Piece, ...]:
    source, target = network.tensors[conv.input], network.tensors[conv.output]
    view = View("x", source.height, source.width, source.channels, source.channels)
    return cut(conv, view, target.height * target.width, config, choice)


@counts(15, 40)
@pytest.mark.parametrize("flow", [Dataflow.IS, Dataflow.NS])
def test_streamed_kn2row_is_exact(flow: Dataflow, count: int) -> None:
    """As im2col: but for few chunks of few waves."""
    errors = [c.error for c in compiled(Choice(flow, ConvAlgorithm.KN2ROW), count, (12, 13))]
    assert max(map(abs, errors)) <= 0.1
    assert np.count_nonzero(errors) <= 0.1 * count


@counts(20, 60)
def test_kn2row_that_leaves_out_pixels(count: int) -> None:
    """Above where chunks bound by array and walk take turns; below by a cycle a channel tile."""
    found = list(compiled(Choice(Dataflow.WS, ConvAlgorithm.KN2ROW), count, (12, 13)))
    errors = [c.error for c in found]
    assert all(alone(c.tiling) - c.exact >= -c.tiling.segments for c in found)
    assert max(errors) <= 0.06
    assert np.count_nonzero(errors) <= 0.1 * count


WINOGRAD = [
    Choice(flow, ConvAlgorithm.WINOGRAD, tile)
    for flow in (Dataflow.WS, Dataflow.IS)
    for tile in (2, 4, "4x1", "1x3")
]


TURNED_LINES = [c for c in WINOGRAD if c.dataflow is Dataflow.IS and isinstance(c.tile, str)]


@counts(6, 12)
@pytest.mark.parametrize("choice", [c for c in WINOGRAD if c not in TURNED_LINES], ids=str)
def test_winograd_is_exact_with_an_ample_scratch_memory(choice: Choice, count: int) -> None:
    """Nearly always, and never above; groups of columns are at least as wide as a transform."""
    errors = [c.error for c in compiled(choice, count, (12, 13))]
    assert max(errors) <= 0
    assert min(errors) >= -0.02
    assert np.count_nonzero(errors) <= count / 6


@counts(15, 25)
@pytest.mark.parametrize("choice", TURNED_LINES, ids=str)
def test_lines_are_near_where_the_output_turn_delivers(choice: Choice, count: int) -> None:
    """A tile has few elements for its pixels, so that groups wait for the turn in more ways."""
    errors = [c.error for c in compiled(choice, count, (12, 13))]
    assert max(map(abs, errors)) <= 0.1
    assert np.count_nonzero(errors) <= 0.4 * count


@pytest.mark.parametrize(
    ("choice", "count"),
    [
        *((choice, 3) for choice in WINOGRAD if choice.tile == 2),
        *(pytest.param(choice, 10 if choice.tile == 2 else 20, marks=SLOW) for choice in WINOGRAD),
    ],
    ids=str,
)
def test_winograd_is_near_with_a_scarce_one(choice: Choice, count: int) -> None:
    """Lines that the output turn delivers are further off: groups wait for it in more ways."""
    errors = np.abs([c.error for c in compiled(choice, count, (7, 10))])
    assert errors.max() <= (0.15 if choice in TURNED_LINES else 0.1)
    assert errors.mean() <= 0.02


@pytest.mark.parametrize("fold", [1, 2, 4])
def test_model_and_compiler_agree(fold: int) -> None:
    """The same cycles for every label of single convolutions, whatever bounds them."""
    rng = np.random.default_rng(4)
    checked = 0
    while checked < 60:
        scratch_words = 1 << int(rng.integers(7, 12))
        config = replace(drawn_config(rng, scratch_words), parameter_depth=1024)
        model = OverlayModel(template=config, folds=(1, 2, 4), prefetched=0.0)
        height, width = int(rng.integers(4, 20)), 4 * int(rng.integers(1, 6))
        cin, cout = (int(n) for n in rng.integers(1, 40, 2))
        kernel = int(rng.integers(1, 6))
        own = ConvShape(
            height,
            width,
            cin,
            cout,
            kernel=(kernel, kernel),
            stride=(1, int(rng.integers(1, 3))),
            padding=(kernel // 2,) * 4,
        )
        labels = [label for label in model.labels(own) if model.way(label).fold == fold]
        for label in labels:
            conv = folded_shape(own, fold)
            network, layer = network_of(conv)
            try:
                found = pieces(network, layer, config, replace(model.way(label).choice, fold=1))
            except ProgramError:
                found = ()
            cycles = model.cycles(own, [label], as_arrays(config.rows, config.columns))[0, 0]
            if not found:
                assert np.isinf(cycles)
                continue
            (piece,) = found
            tiling = piece.tiling(conv.o1 * conv.o2, config)
            assert cycles == tiling.cost[0] - 1 + DISPATCH, (label, conv, config)
            checked += 1


def single(b: Builder, output: str) -> tuple[Network, Conv]:
    network = b.build(output)
    (layer,) = network.convolutions()
    return network, layer


def network_of(conv: ConvShape) -> tuple[Network, Conv]:
    b = Builder(np.random.default_rng(0))
    image = b.input(conv.height, conv.width, conv.cin)
    window = Window(conv.kernel, conv.stride, conv.dilation, conv.padding)
    return single(b, b.conv(image, conv.cout, window, conv.groups))


@pytest.mark.parametrize("kind", ["max", "average"])
def test_pooling_takes_what_the_exact_model_says(kind: Any) -> None:
    rng = np.random.default_rng(5)
    for _ in range(10):
        config = drawn_config(rng, 128)
        height, width, channels = (int(n) for n in rng.integers(4, 12, 3))
        kernel, stride = int(rng.integers(1, 4)), int(rng.integers(1, 3))
        b = Builder(rng)
        name = b.pool(b.input(height, width, channels), kind, Window((kernel,) * 2, (stride,) * 2))
        program = compile_network(b.build(name), config)
        (found,) = [
            i for i in program_cycles(program, config).instructions if i.opcode is Opcode.POOL
        ]
        rows, columns = ((size - kernel) // stride + 1 for size in (height, width))
        shapes = (height, width, channels), (rows, columns, channels)
        pool = PoolShape(kind, (kernel,) * 2, (stride,) * 2, *shapes)
        (cycles,) = pool_cycles(pool, config, np.array([config.columns]))
        assert cycles == found.retire - found.start
