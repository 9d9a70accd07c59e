"""Winograd layers through compiler, functional model and RTL: any kernel, any extents, exact."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dse.assembly.program_error import ProgramError
from dse.network.graph import Window
from dse.tiling.layer_mapping import Choice, ConvAlgorithm
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig
from hw.isa.transforms import F2, F4
from sim.functional_taps import FunctionalError
from tests.rtl.algorithms import check, layer
from tests.rtl.overlays import OVERLAYS

pytestmark = pytest.mark.rtl


FLOWS = [Dataflow.WS, Dataflow.IS]
LANES = [pytest.param(1, marks=pytest.mark.slow), 2]


def config(lanes: int, winograd: str = "both") -> OverlayConfig:
    words = 1024 if winograd != "none" else 0
    return replace(OVERLAYS[f"winograd{lanes}"], winograd=winograd, scratch_words=words)


def winograd(flow: Dataflow, tile: int | None = None) -> Choice:
    return Choice(flow, ConvAlgorithm.WINOGRAD, tile)


@st.composite
def windows(draw: st.DrawFn) -> tuple[tuple[int, int], Window]:
    """Image extents, multiples of the tile or not, and a window of stride 1 on it."""
    axes = []
    for _ in range(2):
        size, kernel = draw(st.integers(1, 11)), draw(st.sampled_from([1, 2, 3, 3, 3, 5]))
        before, after = draw(st.integers(0, 3)), draw(st.integers(0, 3))
        axes.append((size, kernel, before, after + max(0, kernel - size - before - after)))
    (h, ky, top, bottom), (w, kx, left, right) = axes
    return (h, w), Window((ky, kx), padding=(top, left, bottom, right))


@pytest.mark.parametrize("lanes", LANES)
@settings(max_examples=35, deadline=None, suppress_health_check=list(HealthCheck))
@given(windows(), st.integers(1, 14), st.integers(1, 11), st.data())
def test_layers_match_the_golden_model(lanes, case, cin, cout, data) -> None:
    (height, width), window = case
    network = layer((height, width, cin), cout, window, seed=cin * cout)
    flow, tile = data.draw(st.sampled_from(FLOWS)), data.draw(st.sampled_from([2, 4]))
    check(network, config(lanes), winograd(flow, tile))


SAME = Window((3, 3), padding=(1, 1, 1, 1))
WORST = {
    "least": lambda shape: np.full(shape, -128),
    "greatest": lambda shape: np.full(shape, 127),
    "checkerboard": lambda shape: np.where(np.indices(shape).sum(axis=0) % 2, 127, -128),
    "columns": lambda shape: np.where(np.indices(shape)[1] % 2, 127, -128),
}


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("tile", [2, 4])
def test_worst_case_operands(flow: Dataflow, tile: int, lanes: int) -> None:
    shape = (7, 6, 7)
    images = [draw(shape).astype(np.int8) for draw in WORST.values()]
    signs = {
        "same": lambda size: np.full(size, 127),
        "checkerboard": lambda size: 127 - 254 * (np.indices(size)[1:3].sum(axis=0) % 2),
    }
    for draw in signs.values():
        network = layer(shape, 5, SAME, weight=draw, zero_point=-128)
        check(network, config(lanes), winograd(flow, tile), images=images)


def worst_images(shape: tuple[int, int, int], tile: int) -> list[np.ndarray]:
    """Patches that attain the transform's range: the signs of each pair of rows of B^T."""
    transform = {2: F2, 4: F4}[tile]
    signs = [np.where(np.array(row) > 0, 1, -1) for row in transform.input_matrix]
    images = []
    for a in signs:
        for b in signs:
            pattern = np.outer(a, b)[np.ix_(*(np.arange(n) % len(a) for n in shape[:2]))]
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
    overlay = config(2, f"f{tile}")
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
    exact = replace(config(2, f"f{tile}"), accumulator_bits=21 + {2: 2, 4: 6}[tile])
    narrow = replace(exact, accumulator_bits=exact.accumulator_bits - 1)
    choice = winograd(Dataflow.WS, tile)
    check(network, exact, choice, images=[image], rtl=False)
    with pytest.raises(ProgramError, match="needs 21 bits behind the output transform"):
        check(network, narrow, choice, images=[image], rtl=False)
    monkeypatch.setattr("dse.compile.layer_emission.check_accumulators", lambda *_: None)
    with pytest.raises(AssertionError):
        check(network, narrow, choice, images=[image], rtl=False)


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
    small = OverlayConfig(
        rows=3, columns=4, accumulator_depth=8, winograd="f2", scratch_words=64, tensor_bytes=8192
    )
    with pytest.raises(ProgramError, match="raise accumulator_depth or scratch_words"):
        refused(small, winograd(Dataflow.WS))
