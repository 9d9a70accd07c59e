"""kn2row: unit convolutions a tap, on every dataflow, whatever the padding leaves of them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dse.assembly.program_error import ProgramError
from dse.network.graph import Window
from dse.tiling.layer_mapping import Choice, ConvAlgorithm
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig
from tests.rtl.algorithms import check, layer
from tests.rtl.overlays import OVERLAYS

pytestmark = pytest.mark.rtl


def config(lanes: int) -> OverlayConfig:
    return OVERLAYS[{1: "2x2", 2: "winograd2"}[lanes]]


@st.composite
def windows(draw: st.DrawFn) -> tuple[tuple[int, int], Window]:
    """Image extents and a window on it, padding up to more than the whole kernel."""
    axes = []
    for _ in range(2):
        size, kernel = draw(st.integers(1, 8)), draw(st.integers(1, 4))
        dilation = draw(st.integers(1, 2))
        before, after = draw(st.integers(0, 4)), draw(st.integers(0, 4))
        missing = max(0, (kernel - 1) * dilation + 1 - size - before - after)
        axes.append((size, kernel, draw(st.integers(1, 3)), dilation, before, after + missing))
    (h, ky, sy, dy, top, bottom), (w, kx, sx, dx, left, right) = axes
    return (h, w), Window((ky, kx), (sy, sx), (dy, dx), (top, left, bottom, right))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(windows(), st.integers(1, 9), st.integers(1, 9), st.sampled_from(list(Dataflow)), st.data())
def test_layers_match_the_golden_model(case, cin, cout, flow, data) -> None:
    (height, width), window = case
    groups = cin if data.draw(st.integers(0, 4)) == 0 else 1
    network = layer((height, width, cin), cout * groups, window, groups=groups, seed=cin)
    overlay, choice = config(data.draw(st.integers(1, 2))), Choice(flow, ConvAlgorithm.KN2ROW)
    columns = window.output(height, width)[1]
    if flow is Dataflow.WS and columns > overlay.accumulator_depth:
        with pytest.raises(ProgramError, match=f"an accumulator for each of the {columns} pixels"):
            check(network, overlay, choice)
    else:
        check(network, overlay, choice)


def test_the_smallest_overlay_refuses_wide_rows() -> None:
    """A row of 9 pixels, eight of them padding, on 8 accumulators."""
    network = layer((1, 1, 1), 1, Window((1, 1), padding=(0, 4, 0, 4)))
    with pytest.raises(ProgramError, match="an accumulator for each of the 9 pixels"):
        check(network, config(1), Choice(Dataflow.WS, ConvAlgorithm.KN2ROW))


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("flow", list(Dataflow))
@pytest.mark.parametrize(
    ("extents", "window"),
    [
        ((1, 1), Window((3, 3), padding=(1, 1, 1, 1))),  # only the centre has a pixel
        ((1, 1), Window((1, 1))),
        ((2, 5), Window((3, 3), (2, 3), (1, 1), (4, 4, 4, 4))),  # whole rows in the padding
        ((6, 7), Window((5, 3), dilation=(2, 1), padding=(4, 0, 4, 2))),
        ((5, 4), Window((2, 2), padding=(0, 3, 1, 0))),
    ],
)
def test_awkward_windows(flow: Dataflow, lanes: int, extents: tuple[int, int], window) -> None:
    network = layer((*extents, 7), 6, window)
    check(network, config(lanes), Choice(flow, ConvAlgorithm.KN2ROW))


def test_padding_is_left_out() -> None:
    """A 5 x 5 kernel on 4 x 4 pixels: of 400 products a channel pair, 196 meet a pixel."""
    network = layer((4, 4, 6), 16, Window((5, 5), padding=(2, 2, 2, 2)))
    _, partial = check(network, config(2), Choice(Dataflow.WS, ConvAlgorithm.KN2ROW))
    per_tap = Choice(Dataflow.WS, ConvAlgorithm.IM2COL)
    _, whole = check(layer((4, 4, 6), 16, Window((5, 5), padding=(2, 2, 2, 2))), config(2), per_tap)
    assert partial < 0.8 * whole


def test_rows_that_do_not_fit_are_refused() -> None:
    network = layer((3, 20, 3), 3, Window((3, 3), padding=(1, 1, 1, 1)))
    with pytest.raises(ProgramError, match="'conv': kn2row with WS needs an accumulator for each"):
        check(network, OVERLAYS["2x2"], Choice(Dataflow.WS, ConvAlgorithm.KN2ROW))
    check(network, OVERLAYS["2x2"], Choice(None, ConvAlgorithm.KN2ROW))
