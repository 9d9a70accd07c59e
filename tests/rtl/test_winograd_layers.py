"""Winograd layers through compiler, functional model and RTL: any kernel, any extents, exact."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dse.assembly.program_error import ProgramError
from dse.cycles.whole_program import program_cycles
from dse.network.graph import Window
from dse.tiling.layer_mapping import Choice, ConvAlgorithm
from dse.tiling.tile_form import Tile, TileForm, tile_forms
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig
from hw.isa.transforms import F2, F4, LINE3, LINE4
from sim.functional_taps import FunctionalError
from tests.rtl.algorithms import check, layer
from tests.rtl.overlays import OVERLAYS

pytestmark = pytest.mark.rtl


FLOWS = [Dataflow.WS, Dataflow.IS]
LANES = [pytest.param(1, marks=pytest.mark.slow), 2]


FORMS: dict[Tile, TileForm] = {form.tile: form for form in tile_forms((F2, F4, LINE4, LINE3))}
NAMES = {2: "f2", 4: "f4"}  # of overlays with one transform


def config(lanes: int, winograd: str = "all") -> OverlayConfig:
    words = 1024 if winograd != "none" else 0
    return replace(OVERLAYS[f"winograd{lanes}"], winograd=winograd, scratch_words=words)


def winograd(flow: Dataflow, tile: Tile | None = None) -> Choice:
    return Choice(flow, ConvAlgorithm.WINOGRAD, tile)


@st.composite
def windows(draw: st.DrawFn, form: TileForm) -> tuple[tuple[int, int], Window]:
    """Image extents, multiples of the tile or not, and a window on it, of stride 1 along what is
    transformed."""
    along_y = draw(_axis())
    steps = st.tuples(st.integers(1, 3), st.integers(1, 2)) if form.line else st.just((1, 1))
    along_x = draw(steps.flatmap(_axis_of))
    rows, columns = form.own((along_y, along_x))
    (h, ky, sy, dy, top, bottom), (w, kx, sx, dx, left, right) = rows, columns
    padding = (top, left, bottom, right)
    return (h, w), Window((ky, kx), stride=(sy, sx), dilation=(dy, dx), padding=padding)


@st.composite
def _axis(draw: st.DrawFn, stride: int = 1, dilation: int = 1) -> tuple[int, ...]:
    """Size, kernel, stride, dilation, and padding on either side, so that the kernel fits."""
    size, kernel = draw(st.integers(1, 11)), draw(st.sampled_from([1, 2, 3, 3, 3, 5, 7]))
    before, after = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    missing = dilation * (kernel - 1) + 1 - size - before - after
    return size, kernel, stride, dilation, before, after + max(0, missing)


def _axis_of(steps: tuple[int, int]) -> st.SearchStrategy[tuple[int, ...]]:
    return _axis(*steps)


@pytest.mark.parametrize("lanes", LANES)
@settings(max_examples=35, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(list(FORMS)), st.integers(1, 14), st.integers(1, 11), st.data())
def test_layers_match_the_golden_model(lanes, tile, cin, cout, data) -> None:
    (height, width), window = data.draw(windows(FORMS[tile]))
    network = layer((height, width, cin), cout, window, seed=cin * cout)
    flow = data.draw(st.sampled_from(FLOWS))
    program, cycles = check(network, config(lanes), winograd(flow, tile))
    assert cycles == program_cycles(program, config(lanes)).total


SAME = Window((3, 3), padding=(1, 1, 1, 1))
WORST = {
    "least": lambda shape: np.full(shape, -128),
    "greatest": lambda shape: np.full(shape, 127),
    "checkerboard": lambda shape: np.where(np.indices(shape).sum(axis=0) % 2, 127, -128),
    "columns": lambda shape: np.where(np.indices(shape)[1] % 2, 127, -128),
}


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("tile", FORMS)
def test_worst_case_operands(flow: Dataflow, tile: Tile, lanes: int) -> None:
    shape = (7, 6, 7)
    images = [draw(shape).astype(np.int8) for draw in WORST.values()]
    signs = {
        "same": lambda size: np.full(size, 127),
        "checkerboard": lambda size: 127 - 254 * (np.indices(size)[1:3].sum(axis=0) % 2),
    }
    for draw in signs.values():
        network = layer(shape, 5, SAME, weight=draw, zero_point=-128)
        check(network, config(lanes), winograd(flow, tile), images=images)


def worst_images(shape: tuple[int, int, int], tile: Tile) -> list[np.ndarray]:
    """Patches that attain the transform's range: the signs of each pair of rows of B^T."""
    transform = FORMS[tile].transform
    along_y, along_x = (
        [np.where(np.array(row) > 0, 1, -1) for row in axis.input_matrix]
        for axis in (transform.y, transform.x)
    )
    images = []
    for a in along_y:
        for b in along_x:
            rows, columns = np.arange(shape[0]) % len(a), np.arange(shape[1]) % len(b)
            pattern = np.outer(a, b)[np.ix_(rows, columns)]
            image = np.where(pattern > 0, 127, -128)[..., None] * np.ones(shape[2], int)
            images += [image.astype(np.int8), (-1 - image).astype(np.int8)]
    return images


@pytest.mark.parametrize("tile", [2, 4])
def test_one_bit_less_in_operands_and_scratch_fails(
    tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge = tile + 2
    network = layer((edge, edge, 7), 5, Window((3, 3)), weight=lambda size: np.full(size, 127))
    images = worst_images((edge, edge, 7), tile)
    overlay = config(2, NAMES[tile])
    run = partial(check, network, overlay, winograd(Dataflow.WS, tile), images=images, rtl=False)
    run()
    bits = overlay.operand_bits
    monkeypatch.setattr(OverlayConfig, "operand_bits", property(lambda _: bits - 1))
    with pytest.raises((AssertionError, FunctionalError)):
        run()


@pytest.mark.parametrize("tile", [2, 4])
def test_one_bit_less_in_accumulators_fails(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """127 * -128 * 63 needs 21 bits, and the scale's power of two more in the accumulators."""
    network = layer((6, 6, 7), 5, SAME, weight=lambda size: np.full(size, 127), zero_point=0)
    (conv,) = network.convolutions()
    assert conv.numbers is not None
    quiet = replace(conv, numbers=replace(conv.numbers, weight_scale=np.full(5, 1e-6)))
    network = replace(network, operators=(quiet,))
    image = np.full((6, 6, 7), -128, np.int8)
    exact = replace(config(2, NAMES[tile]), accumulator_bits=21 + {2: 2, 4: 6}[tile])
    narrow = replace(exact, accumulator_bits=exact.accumulator_bits - 1)
    choice = winograd(Dataflow.WS, tile)
    check(network, exact, choice, images=[image], rtl=False)
    with pytest.raises(ProgramError, match="needs 21 bits behind the output transform"):
        check(network, narrow, choice, images=[image], rtl=False)
    monkeypatch.setattr("dse.compile.layer_emission.check_accumulators", lambda *_: None)
    with pytest.raises(AssertionError):
        check(network, narrow, choice, images=[image], rtl=False)


@pytest.mark.parametrize("flow", [Dataflow.WS, Dataflow.IS])
@pytest.mark.parametrize(("tile", "fold"), [("4x1", 2), ("3x1", 3)])
def test_folded_lines(tile: Tile, fold: int, flow: Dataflow) -> None:
    """Folded pixels are a stride along the other axis: GoogLeNet's first layer, in small."""
    network = layer((9, 12, 3), 3, Window((4, 4), padding=(2, 2, 1, 1)))
    check(network, config(2, "all"), replace(winograd(flow, tile), fold=fold))


@pytest.mark.parametrize(
    ("window", "choice", "message"),
    [
        (
            Window((3, 3), (2, 2)),
            Choice(None, ConvAlgorithm.WINOGRAD),
            "needs stride 1 and dilation 1",
        ),
        (Window((3, 3), dilation=(2, 2)), Choice(None, ConvAlgorithm.WINOGRAD), "needs stride 1"),
        (SAME, winograd(Dataflow.NS), "needs the dataflow WS or IS, not NS"),
        (Window((3, 3), stride=(2, 1)), winograd(Dataflow.WS, "4x1"), "along rows needs stride 1"),
        (Window((3, 3), dilation=(1, 2)), winograd(Dataflow.WS, "1x3"), "along columns needs str"),
    ],
)
def test_refused_layers(window: Window, choice: Choice, message: str) -> None:
    with pytest.raises(ProgramError, match=f"layer 'conv': winograd {message}"):
        check(layer((8, 8, 3), 4, window), config(1), choice, rtl=False)


def test_refused_overlays() -> None:
    refused = partial(check, layer((8, 8, 3), 4, SAME), rtl=False)
    with pytest.raises(ProgramError, match="with a transform, this one has winograd 'none'"):
        refused(config(1, "none"), winograd(Dataflow.WS))
    with pytest.raises(ProgramError, match="with tiles of 4, this one has winograd 'f2'"):
        refused(config(1, "f2"), winograd(Dataflow.WS, 4))
    lines, squares = (replace(winograd(Dataflow.WS, tile), fold=2) for tile in ("4x1", 2))
    with pytest.raises(ProgramError, match="with tiles of 4x1, this one has winograd 'none'"):
        refused(config(1, "none"), lines)
    with pytest.raises(ProgramError, match=r"'conv', folded by 2: .* needs stride 1 .* \(1, 2\)"):
        refused(config(1, "f2"), squares)
    small = OverlayConfig(
        rows=3, columns=4, accumulator_depth=8, winograd="f2", scratch_words=64, tensor_bytes=8192
    )
    with pytest.raises(ProgramError, match="raise accumulator_depth or scratch_words"):
        refused(small, winograd(Dataflow.WS))
