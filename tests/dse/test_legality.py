"""What the search holds for legal is what the compiler accepts, layer by layer."""

from __future__ import annotations

import numpy as np
import pytest

import polymap
from dse.assembly.program_error import ProgramError
from dse.compile.compiler import compile_network
from dse.compile.runs import form_runs
from dse.compile.transform import transform
from dse.compile.views import lay_out
from dse.cost.candidates import ConvExtents
from dse.cost.extents import extents
from dse.cost.ways import Way
from dse.network.graph import Network, Window
from dse.network.numbers import without_numbers
from dse.networks.catalogue import benchmark
from dse.passes import Arrangement, Passes, apply, layer_shapes, siblings, space_to_depth
from dse.tiling.layer_mapping import Choice, LayerMapping
from dse.tiling.legality import ConvAlgorithm, against_folding, tails
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig
from tests.fuzz.drawn import drawn_network
from tests.sim.test_functional import SMALL, Builder, check

SAME = Window((3, 3), padding=(1, 1, 1, 1))


def accepted(network: Network, mapping: LayerMapping) -> bool:
    try:
        transform(network, mapping)
    except ProgramError:
        return False
    return True


def test_foldings_of_drawn_networks() -> None:
    """Behind merging, whose results are slices, with concatenations in place and copied."""
    found = {True: 0, False: 0}
    for seed in range(40):
        network = drawn_network(np.random.default_rng(seed))
        groups = siblings(without_numbers(network))
        for in_place in (True, False):
            passes = Passes(space_to_depth=False, pool_parts=False, concat_in_place=in_place)
            for name, shape in layer_shapes(
                apply(without_numbers(network), passes, Arrangement(groups))
            ).items():
                choice = {name: Choice(fold=2)}
                mapping = LayerMapping(choice, merge=groups, concat_in_place=in_place)
                legal = not against_folding(shape, 2)
                assert accepted(network, mapping) == legal, (seed, name)
                found[legal] += 1
    assert min(found.values()) > 20


def residual() -> Network:
    """A stem whose result is the shortcut around two convolutions."""
    b = Builder(np.random.default_rng(0))
    stem = b.conv(b.input(8, 8, 3), 4, SAME)
    return b.build(b.conv(b.add(b.conv(b.conv(stem, 4, SAME), 4, SAME), stem), 4, SAME))


def test_a_shortcut_may_be_folded_but_not_what_is_fused() -> None:
    """The same bytes with the shortcut in both forms; the addition's own convolution is refused."""
    network = residual()
    stem, inner, fused, _ = (conv.name for conv in network.convolutions())
    assert tails(network) == {"add3": fused}
    for name in (stem, inner):
        check(network, SMALL, LayerMapping({name: Choice(fold=2)}), seeds=1)
    with pytest.raises(ProgramError, match="its result is a summand"):
        compile_network(network, SMALL, LayerMapping({fused: Choice(fold=2)}))


def test_outputs_that_are_read_on_lie_where_the_host_finds_them() -> None:
    """A result that leaves is not written into a concatenation, in either form of the graph."""
    b = Builder(np.random.default_rng(0))
    x = b.input(4, 4, 3)
    a = b.conv(x, 4, SAME)
    joined = b.concat(a, b.pool(a, "max", SAME))
    network = b.build(b.conv(joined, 2, SAME), a)
    changed = apply(without_numbers(network), Passes())
    copied = [op.name for op in changed.operators if ".copy" in op.name]
    assert len(copied) == 1
    check(network, SMALL, seeds=1)


def test_products_that_a_pass_adds_do_not_count() -> None:
    network = benchmark("googlenet")
    blocked = space_to_depth(network)
    assert next(blocked.convolutions()) != next(network.convolutions())
    assert blocked.macs() == network.macs() == 1_582_671_872


@pytest.mark.parametrize(
    ("shape", "window", "pooled"),
    [
        ((70_000, 1, 2), Window((9, 1)), False),
        ((300, 300, 1), Window((299, 299)), False),
        ((300, 300, 1), Window((300, 300)), True),
        ((600, 2, 1), Window((2, 1), dilation=(300, 1)), True),
    ],
)
def test_walks_that_no_instruction_says(
    shape: tuple[int, int, int], window: Window, pooled: bool
) -> None:
    """Refused by the search in the compiler's words."""
    b = Builder(np.random.default_rng(0))
    x = b.input(*shape)
    network = b.build(b.pool(x, "max", window) if pooled else b.conv(x, 1, window))
    with pytest.raises(ProgramError) as compiled:
        compile_network(network, OverlayConfig(rows=4, columns=4))
    with pytest.raises(polymap.InputError) as explored:
        polymap.explore(network, None, array=(4, 4), certify=False)
    assert str(explored.value) == str(compiled.value)


@pytest.mark.parametrize("extent", [1, 5])
@pytest.mark.parametrize(("groups", "packed"), [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("window", [SAME, Window(), Window((1, 1), dilation=(1, 2))])
def test_the_search_counts_the_words_that_the_compiler_makes(
    extent: int, groups: int, packed: int, window: Window
) -> None:
    """Also of a single pixel, of which the channels of a group are contiguous."""
    b = Builder(np.random.default_rng(0))
    x = b.input(extent, extent, 4)
    network = b.build(b.conv(x, 4, window, groups))
    (conv,) = network.convolutions()
    way = Way(ConvAlgorithm.IM2COL, Dataflow.WS)
    found = extents(layer_shapes(network)[conv.name], way, packed, 3)
    runs = form_runs(conv, lay_out(network).views[x], 0, packed)
    assert isinstance(found, ConvExtents)
    assert found.chunks == runs.chunks(3)
