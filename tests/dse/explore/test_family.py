"""The overlays that fit a board, against all of them one by one; and the bounds that break."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import pytest

from boards.board import KCU1500, U200, Board, BoardError, limited
from boards.realise import realise
from dse.compile.compiler import compile_network
from dse.cost import Infeasible
from dse.cost.array_budget import rectangles
from dse.cost.overlay_model import OverlayModel
from dse.explore.families import WINOGRAD, Space
from dse.explore.family import Family
from dse.explore.needs import Needs, needs
from dse.explore.objectives import Winograd
from dse.explore.resources import Resources
from dse.explore.search import explore, explore_all
from dse.mapping import map_network, sweep
from dse.network.graph import Network
from dse.network.numbers import with_random_numbers
from dse.network.prune import without_dense
from dse.networks.builder import OutlineBuilder
from dse.networks.catalogue import benchmark
from dse.passes import layer_shapes
from hw.isa.config import TRANSFORMS, OverlayConfig
from hw.isa.transforms import signed_bits
from tests.kit.outlines import fires, modules

NEEDS = Needs(tensor_bytes=1 << 20, parameter_depth=4096, sum_bits=27, raw_bits=26)


def _families(board: Board, *winograd: str) -> tuple[Family, ...]:
    (union,) = Space(lanes=(2,), winograd=winograd).families(board, NEEDS)
    families = union.parts(2, 2)
    assert all(isinstance(family, Family) for family in families)
    return families  # type: ignore[return-value]


def _all(family: Family) -> list[OverlayModel]:
    names = list(family.depths)
    return [
        replace(
            family.base,
            template=replace(family.base.template, **dict(zip(names, depths, strict=True))),
        )
        for depths in product(*family.depths.values())
    ]


def _fits(model: OverlayModel, array: tuple[int, int], board: Board) -> bool:
    config = model.config(*array)
    try:
        realise(config, board)
    except BoardError:
        return False
    return True


def _below(depths: tuple[int, ...], others: tuple[int, ...]) -> bool:
    return all(a <= b for a, b in zip(depths, others, strict=True))


@pytest.mark.parametrize("board", [U200, KCU1500], ids=lambda board: board.name)
def test_designs_are_the_deepest_of_all_that_fit(board: Board) -> None:
    rng = np.random.default_rng(5)
    for family in _families(board, "none", "both"):
        names = list(family.depths)
        for array in rng.integers(2, 140, (12, 2)).tolist():
            fit = [model for model in _all(family) if _fits(model, array, board)]
            depths = {tuple(getattr(m.template, name) for name in names) for m in fit}
            deepest = {d for d in depths if not any(e != d and _below(d, e) for e in depths)}
            parts = family.parts(*array)
            templates = [part.bound.template for part in parts]  # type: ignore[attr-defined]
            found = {tuple(getattr(t, name) for name in names) for t in templates}
            assert found == deepest
            possible = len(family.possible(np.array([array]))) > 0
            assert possible == bool(fit)


def test_resources_grow_with_rows_and_columns() -> None:
    rng = np.random.default_rng(6)
    for family in _families(U200, "none", "both"):
        model = _all(family)[0]
        for rows, columns in rng.integers(2, 200, (60, 2)).tolist():
            small, *larger = (
                Resources.total(U200.blocks(model.config(r, c)).values()).to_json()
                for r, c in ((rows, columns), (rows + 1, columns), (rows, columns + 1))
            )
            for other in larger:
                assert all(small[name] <= other[name] for name in small)


@pytest.mark.parametrize(
    "network",
    [modules(28), pytest.param(without_dense(benchmark("googlenet")), marks=pytest.mark.slow)],
    ids=lambda network: network.name,
)
def test_no_design_beats_its_bound(network: Network) -> None:
    (union,) = Space(lanes=(2,)).families(U200, needs(network))
    for rows, columns in ((8, 8), (48, 128), (64, 98)):
        floor = map_network(network, union.bound, rows, columns)
        for family in union.parts(rows, columns):
            bound = map_network(network, family.bound, rows, columns)
            assert floor.cycles <= bound.cycles and floor.dsp <= bound.dsp
            for model in _all(family)[:: len(family.depths)]:
                found = map_network(network, model, rows, columns)
                assert bound.cycles <= found.cycles and bound.dsp == found.dsp


POOR = {
    "dsp": (limited(U200, dsp=500), "dsp needed"),
    "bram36": (replace(U200, bram36=100), "bram36 needed"),
    "uram": (replace(U200, uram=8), "uram needed"),
    "lut": (replace(U200, lut=60_000), "lut needed"),
}


@pytest.mark.parametrize("bound", POOR)
def test_the_broken_bound_is_named_with_its_gap_and_a_way_out(bound: str) -> None:
    board, message = POOR[bound]
    with pytest.raises(Infeasible, match=message) as caught:
        explore(benchmark("squeezenet"), board, array=(32, 32))
    error = caught.value
    assert error.bound == bound
    assert error.needed > error.available == board.budget[bound]
    assert "fits" in error.remedy or "no array fits beside" in error.remedy


def wide() -> Network:
    """A layer whose tensors no board's block RAM holds."""
    net = OutlineBuilder("wide", (224, 224, 64))
    net.conv("input", "conv", 64, 3)
    return net.build()


@pytest.mark.parametrize(
    "network",
    [wide, pytest.param(partial(benchmark, "vgg-19"), marks=pytest.mark.slow)],
    ids=["wide", "vgg-19"],
)
def test_tensors_that_fit_beside_no_array(network: Callable[[], Network]) -> None:
    board = replace(KCU1500, bram36=300)
    with pytest.raises(Infeasible, match="choose a larger board or a smaller network") as caught:
        explore(network(), board)
    assert caught.value.bound == "bram36"
    assert "tensor memory" in caught.value.remedy


def test_a_clock_and_a_bus_beyond_the_board() -> None:
    with pytest.raises(Infeasible, match="clock_mhz needed 300, available 250, short by 50"):
        limited(KCU1500, clock_hz=300e6)
    slow = replace(U200, memory_channels=1, clock_hz=286e6)
    with pytest.raises(Infeasible, match="bandwidth needed") as caught:
        explore(benchmark("squeezenet"), slow, array=(8, 8), space=Space(axi_bytes=128))
    assert "choose at most 67 bytes a beat, or a clock of 150 MHz" in caught.value.remedy


def test_buses_are_as_wide_and_as_many_as_the_memory_serves() -> None:
    slow, narrow = replace(U200, clock_hz=140e6), replace(U200, memory_channels=1)
    plain = {"space": Space(winograd=("none",)), "trials": False, "certify": False}
    found = [
        explore(fires(), board, array=(8, 8), **plain).configuration
        for board in (U200, slow, narrow, replace(U200, memory_channels=3))
    ]
    buses = [(config.axi_bytes, config.weight_ports) for config in found if config]
    assert buses == [(64, 4), (128, 4), (64, 1), (64, 2)]
    with pytest.raises(Infeasible, match="memory_channels needed 2, available 1"):
        explore(fires(), narrow, array=(8, 8), space=Space(weight_ports=2))


@pytest.mark.parametrize(
    ("dsp", "winograd"),
    [(200, ("none", "f2")), pytest.param(500, WINOGRAD, marks=pytest.mark.slow)],
)
def test_one_lane_is_left_out_only_where_two_beat_it(dsp: int, winograd: tuple[str, ...]) -> None:
    """The same front as of all arrays of either number of lanes."""
    network, board, space = fires(), replace(U200, dsp=dsp), Space(winograd=winograd)
    needed = needs(network)
    arrays = rectangles(board.dsp)
    arrays = arrays[(arrays >= 2).all(axis=1)]
    few, every = (
        sweep(network, space.families(board, needed, fixed=fixed), board.budget, arrays=arrays)
        for fixed in (False, True)
    )
    assert few.candidates < 0.7 * every.candidates
    assert [p.cycles for p in few.pareto] == [p.cycles for p in every.pareto]
    assert [p.dsp for p in few.pareto] == [p.dsp for p in every.pareto]
    given = explore(network, replace(U200, dsp=290), array=(50, 5), trials=False)
    assert given.lanes == 1  # two lanes take 50 DSPs more, and half as many rows were not asked for


def test_several_networks_and_boards_at_once() -> None:
    networks = [fires(), modules(28)]
    given = {"array": (8, 8), "space": Space(winograd=("none", "f2")), "trials": False}
    with ThreadPoolExecutor(2) as pool:
        found = explore_all(networks, [U200, KCU1500], executor=pool, **given)
    assert set(found) == {(n.name, b.name) for n in networks for b in (U200, KCU1500)}
    alone = explore(networks[0], KCU1500, **given)
    assert found["fires", "kcu1500"].mapping.choice == alone.mapping.choice


def test_needs_of_a_network() -> None:
    """Memory in which the compiler keeps all activations on chip; sums of the widest layer."""
    network = benchmark("squeezenet")
    found = needs(network)
    config = OverlayConfig(tensor_bytes=found.tensor_bytes, tensor_copies=2)
    network = with_random_numbers(network)
    for part, homes in ((1, {"tensor"}), (4, {"tensor", "output"})):
        less = replace(config, tensor_bytes=found.tensor_bytes // part)
        program = compile_network(network, less)
        assert {place.memory for place in program.manifest.tensors} == homes
    widest = max(conv.taps * conv.cin for conv in layer_shapes(network).values())
    assert found.sum_bits == (255 * 127 * widest).bit_length() + 1


def test_the_options_are_the_transforms_of_the_hardware() -> None:
    assert [option.value for option in Winograd] == list(TRANSFORMS)


def test_lines_count_where_they_are_on_offer() -> None:
    """A layer that is dilated along the other axis may be computed in one dimension alone."""
    found = Needs(tensor_bytes=1, parameter_depth=1, sum_bits=27, raw_bits=20, line_bits=25)
    bits = {kind: found.accumulator_bits(kind) for kind in TRANSFORMS}
    assert bits == {"none": 27, "f2": 27, "f4": 27, "both": 27, "all": 31}
    outline = OutlineBuilder("strided", (8, 8, 64))
    outline.conv("input", "conv", 64, 3)
    network = outline.build()
    (conv,) = network.convolutions()
    window = replace(conv.window, dilation=(1, 2), padding=(1, 2, 1, 2))
    strided = replace(network, operators=(replace(conv, window=window),))
    own = needs(strided)
    assert (own.raw_bits, own.line_bits) == (1, signed_bits(-9 * 64 * 128 * 128))
