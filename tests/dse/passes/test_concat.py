"""Concatenation in place: what is where, and the switch."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.compile.compiler import compile_network
from dse.compile.views import View, lay_out
from dse.network.conv_shape import ConvShape
from dse.network.graph import Concat, Conv, Network, Pool, Reshape, Slice, SpaceToDepth, Window
from dse.networks.catalogue import benchmark
from dse.passes import Passes, apply, insert_copies, layer_shapes, merge, siblings
from dse.tiling.layer_mapping import LayerMapping
from hw.isa.config import OverlayConfig
from tests.dse.passes.graphs import commutes, same_bytes
from tests.dse.passes.test_merge import inceptions
from tests.kit.examples import examples
from tests.sim.test_functional import SMALL, Builder, check, configs, grown, networks

VIEWS = Concat | Reshape | Slice | SpaceToDepth
graphs = st.one_of(networks(), inceptions())


def addresses(view: View) -> np.ndarray:
    """[height, width, channels]: where each byte is in its buffer."""
    y, x, channel = np.ogrid[: view.height, : view.width, : view.channels]
    return view.start + (y * view.width + x) * view.pitch + view.channel + channel


@examples(50, 150)
def test_views_hold_what_they_should(drawn: settings) -> None:
    """Joins, slices and reshapes are other views of the same bytes; all else has its own bytes."""

    @drawn
    @given(graphs, st.booleans())
    def holds(network: Network, in_place: bool) -> None:
        lowered = insert_copies(merge(network, siblings(network)), in_place)
        layout = lay_out(lowered)
        places = {name: addresses(view) for name, view in layout.views.items()}
        for op in lowered.operators:
            own, sources = places[op.output], [places[name] for name in op.inputs]
            match op:
                case Concat():
                    np.testing.assert_array_equal(own, np.concatenate(sources, axis=2))
                case Slice(channel=first):
                    cut = sources[0][:, :, first : first + own.shape[2]]
                    np.testing.assert_array_equal(own, cut)
                case Reshape():
                    np.testing.assert_array_equal(own.reshape(-1), sources[0].reshape(-1))
            if isinstance(op, VIEWS):
                assert {layout.views[op.output].buffer} == {
                    layout.views[n].buffer for n in op.inputs
                }
        written = [op.output for op in lowered.operators if not isinstance(op, VIEWS)]
        for a, b in combinations([*network.inputs, *written], 2):
            if layout.views[a].buffer == layout.views[b].buffer:
                assert np.intersect1d(places[a], places[b]).size == 0
        for name, place in places.items():
            assert place.min() >= 0
            assert place.max() < layout.buffers[layout.views[name].buffer]

    holds()


@examples(25, 75)
def test_same_bytes(drawn: settings) -> None:
    """Copies change nothing, and the other representation has the same ones."""

    @drawn
    @given(graphs, st.booleans(), configs(), st.integers(0, 1 << 32))
    def holds(network: Network, in_place: bool, config: OverlayConfig, seed: int) -> None:
        lowered = insert_copies(network, in_place)
        same_bytes(network, lowered, seed)
        commutes(network, lambda graph: insert_copies(graph, in_place))
        check(network, grown(lowered, config), LayerMapping(concat_in_place=in_place), seeds=1)

    holds()


@settings(deadline=None)
@given(graphs)
def test_the_switch(network: Network) -> None:
    """Off: a copy of every input.  On: none but of what is read or bound otherwise."""
    joins = [op for op in network.operators if isinstance(op, Concat)]
    inputs = [name for op in joins for name in op.inputs]

    def copies(in_place: bool) -> int:
        return len(insert_copies(network, in_place).operators) - len(network.operators)

    assert copies(False) == len(inputs)
    awkward = [
        name
        for name in inputs
        if inputs.count(name) > 1
        or not isinstance(network.producers.get(name), Conv | Pool)
        or name in network.outputs
        or any(isinstance(op, Reshape) for op in network.consumers[name])
    ]
    assert copies(True) <= len(awkward)


def joined() -> Network:
    b = Builder(np.random.default_rng(3))
    x = b.input(5, 4, 3)
    y = b.conv(x, 4, Window())
    return b.build(
        b.conv(b.concat(y, b.pool(y, "max", Window((3, 3), padding=(1,) * 4))), 3, Window())
    )


@pytest.mark.parametrize("in_place", [True, False])
def test_copies_are_layers(in_place: bool) -> None:
    network = joined()
    inputs = sum(len(op.inputs) for op in network.operators if isinstance(op, Concat))
    plain = sum(isinstance(op, Pool) for op in network.operators)
    program = check(network, SMALL, LayerMapping(concat_in_place=in_place))
    kinds = [layer.kind for layer in program.manifest.layers]
    assert kinds.count("max") == plain + (0 if in_place else inputs)
    assert program == compile_network(network, SMALL, LayerMapping(concat_in_place=in_place))


def test_exploration_sees_the_copies() -> None:
    network = benchmark("googlenet")
    off = Passes(merge=False, space_to_depth=False, pool_parts=False)
    assert apply(network, off) == network
    copied = apply(network, replace(off, concat_in_place=False))
    assert len(copied.operators) == len(network.operators) + 9 * 4

    def shapes(graph: Network, in_place: bool = True) -> dict[str, ConvShape]:
        """But for what follows: the copies are poolings."""
        found = layer_shapes(graph, in_place)
        return {name: replace(shape, pooled=None) for name, shape in found.items()}

    assert shapes(copied) == shapes(network, in_place=False) != shapes(network)
    assert layer_shapes(apply(joined(), off)) == layer_shapes(joined())
