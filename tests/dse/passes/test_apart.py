"""Results that lie apart: the same bytes, and what reads a copy reads contiguous rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from dse.assembly.program_error import ProgramError
from dse.compile.compiler import compile_network
from dse.network.graph import Concat, Network, Window
from dse.passes import PassError, fold, fold_factors, layer_shapes, merge, siblings
from dse.passes.apart import set_apart
from dse.tiling.layer_mapping import Choice, LayerMapping
from hw.isa.config import OverlayConfig
from tests.dse.passes.graphs import commutes, same_bytes
from tests.dse.passes.test_merge import inceptions
from tests.kit.examples import examples
from tests.sim.test_functional import SMALL, Builder, check, configs, grown

SAME = Window((3, 3), padding=(1, 1, 1, 1))


def candidates(network: Network, groups: tuple[tuple[str, ...], ...]) -> list[str]:
    """Convolutions that a concatenation reads, and merged ones."""
    joined = {name for op in network.operators if isinstance(op, Concat) for name in op.inputs}
    merged = {name for group in groups for name in group}
    return [
        conv.name for conv in network.convolutions() if conv.name in merged or conv.output in joined
    ]


@examples(8, 25)
def test_same_bytes(drawn: settings) -> None:
    """Some siblings merged, some results copied, some of these folded: every tensor is the same."""

    @drawn
    @given(st.data(), inceptions(), configs(), st.integers(0, 1 << 32))
    def holds(data: st.DataObject, network: Network, config: OverlayConfig, seed: int) -> None:
        groups = tuple(group for group in siblings(network) if data.draw(st.booleans()))
        names = [n for n in candidates(network, groups) if data.draw(st.booleans())]
        event(f"{len(names)} apart")

        def arranged(graph: Network) -> Network:
            return set_apart(merge(graph, groups), names)

        changed = arranged(network)
        same_bytes(network, changed, seed)
        commutes(network, arranged)
        shapes = layer_shapes(changed)
        folds = {
            name: data.draw(st.sampled_from(fold_factors(shapes[name])))
            for name in names
            if name in shapes
        }
        mapping = LayerMapping({n: Choice(fold=f) for n, f in folds.items()}, groups, tuple(names))
        check(network, grown(fold(changed, folds), config), mapping, seeds=1)

    holds()


def module() -> Network:
    """Two reduced branches and a direct one, joined."""
    b = Builder(np.random.default_rng(5))
    x = b.input(6, 6, 7)
    direct, left, right = (b.conv(x, n, Window()) for n in (4, 3, 2))
    joined = [direct, b.conv(left, 5, SAME), b.conv(right, 3, SAME)]
    for name in joined:
        quantisation = b.tensors[joined[0]].quantisation
        b.tensors[name] = replace(b.tensors[name], quantisation=quantisation)
    return b.build(b.conv(b.concat(*joined), 6, SAME))


def test_a_merged_result_that_lies_apart_is_contiguous() -> None:
    network = module()
    (group,) = siblings(network)
    assert group == ("conv0", "conv1", "conv2")
    merged = merge(network, [group])
    assert not layer_shapes(merged)["conv3"].contiguous
    shapes = layer_shapes(set_apart(merged, ["conv1"]))
    assert shapes["conv3"].contiguous
    assert not shapes["conv4"].contiguous


def test_a_result_that_lies_apart_can_be_folded() -> None:
    network = module()
    assert fold_factors(layer_shapes(network)["conv3"]) == (1,)
    changed = set_apart(network, ["conv3"])
    assert fold_factors(layer_shapes(changed)["conv3"]) == tuple(range(1, 7))
    mapping = LayerMapping({"conv3": Choice(fold=3)}, apart=("conv3",))
    program = check(network, replace(SMALL, tensor_bytes=4096), mapping)
    kinds = [layer.kind for layer in program.manifest.layers]
    assert kinds.count("max") == 1
    assert LayerMapping.from_json(mapping.to_json()) == mapping


@pytest.mark.parametrize("name", ["conv1", "conv6"])
def test_what_is_no_range_lies_apart_already(name: str) -> None:
    """As a convolution behind which calibration has put a requantisation."""
    network = module()
    assert name in [conv.name for conv in network.convolutions()]
    assert set_apart(network, [name]).operators == network.operators


def test_unknown_names_are_errors() -> None:
    with pytest.raises(PassError, match="there is no convolution 'nothing'"):
        set_apart(module(), ["nothing"])
    with pytest.raises(ProgramError, match="mapping: there is no convolution 'nothing'"):
        compile_network(module(), SMALL, LayerMapping(apart=("nothing",)))
