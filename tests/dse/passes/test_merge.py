"""Merging siblings: one convolution, the same bytes in all tensors, and no copies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from dse.assembly.program import Program
from dse.assembly.program_error import ProgramError
from dse.compile.compiler import compile_network
from dse.compile.views import lay_out
from dse.network.graph import Network, Window
from dse.network.numbers import without_numbers
from dse.networks.catalogue import benchmark
from dse.passes import PassError, Passes, apply, fold, layer_shapes, merge, merged_name, siblings
from dse.tiling.layer_mapping import Choice, LayerMapping
from hw.isa.config import OverlayConfig
from tests.dse.passes.graphs import commutes, same_bytes
from tests.kit.examples import examples
from tests.sim.test_functional import SMALL, Builder, check, configs, grown

SAME = Window((3, 3), padding=(1, 1, 1, 1))


@st.composite
def inceptions(draw: st.DrawFn) -> Network:
    """Modules of sibling 1 x 1 convolutions, some joined at once and some after a 3 x 3."""
    b = Builder(np.random.default_rng(draw(st.integers(0, 1 << 32))))
    last = b.input(draw(st.integers(1, 6)), draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    outputs = []
    for _ in range(draw(st.integers(1, 2))):
        stride = draw(st.integers(1, 2))
        joined = []
        for fate in draw(st.lists(st.sampled_from(FATES), min_size=2, max_size=5)):
            own = b.conv(last, draw(st.integers(1, 5)), Window(stride=(stride, stride)))
            match fate:
                case "output":
                    outputs.append(own)
                case "flat":
                    outputs.append(b.conv(b.flatten(own), 2, Window()))
                case "sum":
                    joined.append(b.add(own, own))
                case "3x3":
                    joined.append(b.conv(own, draw(st.integers(1, 5)), SAME))
            if fate == "joined" or (fate == "output" and draw(st.booleans())):
                joined.append(own)
        if joined and draw(st.booleans()):
            joined.append(b.pool(joined[0], "max", SAME))
        joined = draw(st.permutations(joined)) or [own]
        for name in joined:  # of one quantisation, so that nothing has to be requantised
            quantisation = b.tensors[joined[0]].quantisation
            b.tensors[name] = replace(b.tensors[name], quantisation=quantisation)
        last = b.concat(*joined)
        outputs += [last] if draw(st.integers(0, 5)) == 0 else []
    return b.build(b.conv(last, 3, draw(st.sampled_from([Window(), SAME]))), *outputs)


FATES = ["joined"] * 3 + ["3x3"] * 3 + ["output", "flat", "sum"]


@examples(8, 25)
def test_same_bytes(drawn: settings) -> None:
    """Golden model and compiled program of the merged network; every tensor of the original."""

    @drawn
    @given(st.data(), inceptions(), configs(), st.integers(0, 1 << 32))
    def holds(data: st.DataObject, network: Network, config: OverlayConfig, seed: int) -> None:
        found = siblings(network)
        groups = [data.draw(st.permutations(group)) for group in found if data.draw(st.booleans())]
        merged = merge(network, groups)
        event(f"{len(groups)} groups")
        same_bytes(network, merged, seed)
        for graphs in (siblings, lambda graph: merge(graph, siblings(graph))):
            commutes(network, graphs)
        mapping = LayerMapping(merge=tuple(map(tuple, groups)))
        config = grown(merged, config)
        program = check(network, config, mapping, seeds=1)
        plain = compile_network(network, grown(network, config))
        merges = sum(len(group) - 1 for group in groups)
        assert _layers(program, "max") == _layers(plain, "max")
        # Where a convolution of one channel runs is the compiler's choice; it hangs on memory.
        anywhere = "conv", "depthwise"
        assert _layers(program, *anywhere) == _layers(plain, *anywhere) - merges

    holds()


def _layers(program: Program, *kinds: str) -> int:
    return sum(layer.kind in kinds for layer in program.manifest.layers)


@examples(10, 30)
def test_siblings_are_all_that_there_are(drawn: settings) -> None:
    """No group takes a further member, and no two of the others merge."""

    @drawn
    @given(inceptions())
    def holds(network: Network) -> None:
        groups = siblings(network)
        merged = merge(network, groups)
        assert siblings(merged) == ()
        for group in groups:
            others = [other for other in groups if other != group]
            for conv in network.convolutions():
                if not any(conv.name in other for other in groups):
                    with pytest.raises(PassError):
                        merge(network, [*others, (*group, conv.name)])

    holds()


def inception(order: str, extra: bool = False) -> Network:
    """The module with 1x1 (a), 3x3 (b, B), 5x5 (c, C); the concatenation has ``order``."""
    b = Builder(np.random.default_rng(2))
    x = b.input(6, 5, 7)
    tensors = {name: b.conv(x, n, Window()) for name, n in (("a", 4), ("b", 3), ("c", 2))}
    tensors |= {"B": b.conv(tensors["b"], 5, SAME), "C": b.conv(tensors["c"], 3, SAME)}
    tensors["p"] = b.pool(x, "max", SAME)
    quantisation = b.tensors[tensors["p"]].quantisation
    for name in "aBC":
        b.tensors[tensors[name]] = replace(b.tensors[tensors[name]], quantisation=quantisation)
    joined = b.concat(*(tensors[name] for name in order))
    return b.build(b.conv(joined, 6, SAME), *([joined] if extra else []))


@pytest.mark.parametrize(
    ("network", "groups"),
    [
        (inception("aBC"), (("conv0", "conv1", "conv2"),)),
        (inception("BCpa"), (("conv0", "conv1", "conv2"),)),
        (inception("BaC"), (("conv1", "conv2"),)),
        (inception("aBC", extra=True), (("conv1", "conv2"),)),
    ],
)
def test_where_the_concatenation_allows(network: Network, groups: tuple) -> None:
    assert siblings(network) == groups
    mapping = LayerMapping(merge=groups)
    program = check(network, replace(SMALL, tensor_bytes=4096), mapping)
    assert merged_name(groups[0]) in [layer.name for layer in program.manifest.layers]


def test_the_buffer_is_wider() -> None:
    """[b c | a B C]: what is merged is one range, the concatenation another one."""
    network = inception("aBC")
    merged = merge(network, siblings(network))
    views = lay_out(merged).views
    (concat,) = [op for op in network.operators if op.name.startswith("concat")]
    assert views["conv0+conv1+conv2"] == replace(views[concat.output], channel=0, channels=9)
    assert (views[concat.output].channel, views[concat.output].pitch) == (5, 17)
    assert {views[name].buffer for name in ("t1", "t2", "t3")} == {views[concat.output].buffer}


def test_readers_of_ranges_are_not_contiguous() -> None:
    network = inception("aBC")
    passes = Passes(space_to_depth=False)
    shapes = layer_shapes(apply(network, passes))
    assert {name: shape.contiguous for name, shape in shapes.items()} == {
        "conv0+conv1+conv2": True,
        "conv3": False,
        "conv4": False,
        "conv7": False,
    }
    assert apply(network, replace(passes, merge=False)) == network


def test_quantisations_and_ranges_are_each_parts_own() -> None:
    network = inception("aBC")
    merged = merge(network, siblings(network))
    conv = next(merged.convolutions())
    tensor = merged.tensors[conv.output]
    parts = dict(zip(("t1", "t2", "t3"), ("conv0", "conv1", "conv2"), strict=True))
    convs = {conv.name: conv for conv in network.convolutions()}
    start = 0
    for name in ("t2", "t3", "t1"):
        part = network.tensors[name]
        own = slice(start, start := start + part.channels)
        assert set(tensor.zero_points[own]) == {part.quantisation.zero_point}
        assert set(np.broadcast_to(conv.low, len(conv.bias))[own]) == {convs[parts[name]].low}


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data(), configs(), st.integers(0, 1 << 32), st.integers(0, 1 << 32))
def test_merged_layers_can_be_folded(
    data: st.DataObject, config: OverlayConfig, weights: int, seed: int
) -> None:
    """Parts keep their own quantisations and ranges in each of the pixels."""
    b = Builder(np.random.default_rng(weights))
    width = data.draw(st.sampled_from([2, 4, 6]))
    x = b.input(2, width, 3)
    parts = [b.conv(x, n, Window()) for n in (2, 3)]
    network = b.build(*(b.conv(part, 2, SAME) for part in parts))
    factor = data.draw(st.sampled_from([f for f in (2, 3, 4, 6) if width % f == 0]))
    groups = (("conv0", "conv1"),)
    name = merged_name(groups[0])
    changed = fold(merge(network, groups), {name: factor})
    same_bytes(network, changed, seed)
    mapping = LayerMapping({name: Choice(fold=factor)}, groups)
    program = check(network, grown(changed, config), mapping, seeds=1)
    assert (program.manifest.layers[0].name, program.manifest.layers[0].macs) == (
        name,
        2 * width * 3 * 5,
    )


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (("conv0",), "'conv0' cannot be merged: two different ones are the least"),
        (("conv0", "conv0"), "two different ones"),
        (("conv0", "pool"), "there is no convolution 'pool'"),
        (("conv0", "conv3"), "'conv3' is no plain 1 x 1 convolution"),
        (("conv0", "conv1"), "layers 'conv0', 'conv1' cannot be merged: a concatenation would"),
    ],
)
def test_refused(group: tuple[str, ...], message: str) -> None:
    network = inception("BaC")
    for graph in (network, without_numbers(network)):
        with pytest.raises(PassError, match=message):
            merge(graph, [group])
    with pytest.raises(ProgramError, match=message):
        compile_network(network, SMALL, LayerMapping(merge=(group,)))


def test_merged_layers_have_the_merged_name() -> None:
    mapping = LayerMapping({"conv1": Choice()}, merge=(("conv1", "conv2"),))
    with pytest.raises(ProgramError, match=r"no convolution named 'conv1'; .* 'conv1\+conv2'"):
        compile_network(inception("BaC"), SMALL, mapping)


@pytest.mark.parametrize(
    ("name", "groups", "merged"),
    [("googlenet", 9, 27), ("inception-v4", 16, 32), ("squeezenet", 0, 0)],
)
def test_benchmarks(name: str, groups: int, merged: int) -> None:
    """GoogLeNet: all three of each module.

    Inception-v4: two of stem, reduction B, and each of its 14 modules, whose concatenations have
    the 1 x 1 branch in the middle.
    """
    network = benchmark(name)
    found = siblings(network)
    assert (len(found), sum(map(len, found))) == (groups, merged)
    assert merge(network, found).macs() == network.macs()
