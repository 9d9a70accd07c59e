"""Folding by factors that do not divide the width: who reads the result sees a crop of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dse.assembly.instruction import Instruction
from dse.assembly.manifest import TensorPlace
from dse.assembly.program import Program
from dse.cost.ways import legal_labels, ways
from dse.network.graph import Network, Window
from dse.passes import fold, layer_shapes
from dse.tiling.layer_mapping import Choice, LayerMapping
from dse.tiling.legality import ConvAlgorithm
from hw.isa import Dataflow, Opcode
from hw.isa.config import OverlayConfig
from sim import functional, golden
from tests.dse.passes.graphs import commutes, image, same_bytes
from tests.kit.examples import examples
from tests.sim.test_functional import Builder, check, grown, networks

SAME = Window((3, 3), padding=(1, 1, 1, 1))
ODD = Window((5, 3), (2, 2), padding=(2, 0, 1, 2))

ROOMY = OverlayConfig(
    rows=3,
    columns=5,
    tensor_bytes=1 << 14,
    accumulator_depth=256,
    weight_words=256,
    parameter_depth=256,
    axi_bytes=8,
    winograd="all",
    scratch_words=1024,
    normalisation=1,
    pairs=1,
    depthwise=2,
)
OVERLAYS = {
    "on chip": ROOMY,
    "in bands": replace(ROOMY, tensor_copies=2, lanes=1),
    "in strips": replace(ROOMY, tensor_bytes=1 << 8),
}

Read = Callable[[Builder, str], str]
READERS: Mapping[str, tuple[Read, Choice]] = {
    "a pixel": (lambda b, x: b.conv(x, 7, Window()), Choice()),
    "rows": (lambda b, x: b.conv(x, 7, SAME), Choice()),
    "strides": (lambda b, x: b.conv(x, 7, ODD), Choice()),
    "dilated": (
        lambda b, x: b.conv(x, 7, Window((3, 3), dilation=(1, 2), padding=(1, 2, 1, 2))),
        Choice(),
    ),
    "a folded one": (lambda b, x: b.conv(b.conv(x, 3, SAME), 2, SAME), Choice(fold=2)),
    "groups": (lambda b, x: b.conv(x, 6, SAME, groups=3), Choice()),
    "groups in kn2row": (
        lambda b, x: b.conv(x, 6, SAME, groups=3),
        Choice(algorithm=ConvAlgorithm.KN2ROW),
    ),
    "beside the array": (
        lambda b, x: b.conv(x, 3, SAME, groups=3),
        Choice(algorithm=ConvAlgorithm.DEPTHWISE),
    ),
    "maxima": (
        lambda b, x: b.pool(x, "max", Window((3, 3), (2, 2), padding=(1, 1, 1, 1))),
        Choice(),
    ),
    "averages": (lambda b, x: b.pool(x, "average", SAME), Choice()),
    "averages with padding": (lambda b, x: b.pool(x, "average", SAME, padded=True), Choice()),
    "averages beyond": (
        lambda b, x: b.pool(x, "average", Window((2, 2), (2, 2)), padded=True, more=True),
        Choice(),
    ),
    "normalised": (lambda b, x: b.normalise(x, 1), Choice()),
    "a sum": (lambda b, x: b.add(b.conv(x, 3, SAME), b.conv(x, 3, SAME)), Choice()),
    "two": (lambda b, x: b.conv(b.pool(x, "max", SAME), 2, SAME), Choice()),
    **{
        f"{algorithm.value} {flow.name}": (
            lambda b, x: b.conv(x, 7, SAME),
            Choice(flow, algorithm),
        )
        for algorithm in (ConvAlgorithm.IM2COL, ConvAlgorithm.KN2ROW)
        for flow in Dataflow
    },
    **{
        f"winograd {tile} {flow.name}": (
            lambda b, x: b.conv(x, 7, Window((3, 4), padding=(1, 1, 1, 2))),
            Choice(flow, ConvAlgorithm.WINOGRAD, tile),
        )
        for tile in (2, 4, "4x1", "1x4", "3x1", "1x3")
        for flow in (Dataflow.WS, Dataflow.IS)
    },
    "winograd over strides": (
        lambda b, x: b.conv(x, 7, Window((3, 3), (1, 2), padding=(1, 1, 1, 1))),
        Choice(Dataflow.WS, ConvAlgorithm.WINOGRAD, "4x1"),
    ),
    "winograd along columns": (
        lambda b, x: b.conv(x, 7, Window((3, 3), (2, 1), padding=(1, 1, 1, 1))),
        Choice(Dataflow.WS, ConvAlgorithm.WINOGRAD, "1x4"),
    ),
}


def net(read: Read) -> Network:
    """A convolution, read in some way."""
    b = Builder(np.random.default_rng(5))
    first = b.conv(b.input(9, 11, 4), 3, SAME)
    return b.build(read(b, first))


def padded(program: Program) -> list[TensorPlace]:
    return [place for place in program.manifest.tensors if place.gap]


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("reader", READERS)
def test_readers(reader: str, overlay: str) -> None:
    """All tensors' bytes, that of the crop too; what lies behind its rows is not padding."""
    read, choice = READERS[reader]
    network = net(read)
    mapping = LayerMapping({"conv0": Choice(fold=4)})
    if any(conv.name == "conv1" for conv in network.convolutions()):
        mapping = replace(mapping, layers={**mapping.layers, "conv1": choice})
    program = check(network, OVERLAYS[overlay], mapping, seeds=1)
    place = padded(program)[0]
    assert (place.shape, place.gap) == ((9, 11, 3), 1)
    assert (place.memory == "output") == (overlay == "in strips")
    layers = program.manifest.layers
    assert sum(layer.macs for layer in layers) == network.macs()


@pytest.mark.parametrize("reader", ["rows", "maxima", "winograd 1x4 WS", "two"])
def test_batches(reader: str) -> None:
    read, choice = READERS[reader]
    network = net(read)
    layers = {"conv0": Choice(fold=4)}
    if any(conv.name == "conv1" for conv in network.convolutions()):
        layers["conv1"] = choice
    program = check(network, ROOMY, LayerMapping(layers), seeds=1, batch=2)
    assert len(padded(program)) == 2


@pytest.mark.parametrize("tile", [None, "4x1", "3x1"])
@pytest.mark.parametrize("blocks", [False, True])
def test_folded_stems(blocks: bool, tile: str | None) -> None:
    """A strided first layer, laid out in blocks or not, its pixels folded and in lines."""
    b = Builder(np.random.default_rng(5))
    first = b.conv(b.input(17, 25, 3), 3, Window((3, 3), (2, 2)))
    network = b.build(b.pool(b.conv(first, 4, SAME), "max", Window((3, 3), (2, 2))))
    algorithm = ConvAlgorithm.WINOGRAD if tile else ConvAlgorithm.IM2COL
    folded = Choice(None, algorithm, tile, 5)
    layers = {"conv0": folded if blocks else Choice(fold=5), "conv1": replace(folded, fold=4)}
    program = check(network, ROOMY, LayerMapping(layers, space_to_depth=blocks), seeds=1)
    assert [place.gap for place in padded(program)] == [3]


@st.composite
def mapped(draw: st.DrawFn) -> tuple[Network, OverlayConfig, LayerMapping]:
    """A network whose layers have labels of the search, some folded by what does not divide."""
    network = draw(networks())
    factors = (1, 2, 3, 4, 5)
    known = ways(ROOMY, factors)
    layers: dict[str, Choice] = {}
    uneven = 0
    for name, shape in layer_shapes(network).items():
        labels = [known[label].choice for label in legal_labels(ROOMY, factors, shape)]
        odd = [choice for choice in labels if shape.o2 % choice.fold]
        choice = draw(st.sampled_from(odd if odd and draw(st.integers(0, 3)) else labels))
        layers[name] = choice
        uneven += shape.o2 % choice.fold > 0
    assume(uneven)
    config = replace(ROOMY, tensor_bytes=1 << draw(st.integers(8, 12)))
    config = replace(config, tensor_copies=draw(st.integers(1, 2)), lanes=draw(st.integers(1, 2)))
    factors = {name: choice.fold for name, choice in layers.items() if choice.fold > 1}
    return network, grown(fold(network, factors), config), LayerMapping(layers)


@examples(10, 35)
def test_drawn_networks(drawn: settings) -> None:
    """What the search holds for legal compiles, with the same bytes, alone and in a batch."""

    @drawn
    @given(mapped(), st.integers(1, 2), st.integers(0, 1 << 32))
    def holds(drawn: tuple[Network, OverlayConfig, LayerMapping], batch: int, seed: int) -> None:
        network, config, mapping = drawn
        factors = {name: choice.fold for name, choice in mapping.layers.items() if choice.fold > 1}
        same_bytes(network, fold(network, factors), seed)
        commutes(network, lambda graph: fold(graph, factors))
        ample = replace(config, tensor_bytes=4 * batch * config.tensor_bytes)
        check(network, ample if batch > 1 else config, mapping, seeds=1, batch=batch)

    holds()


@pytest.mark.parametrize(
    "reader", ["rows", "winograd 4 WS", "winograd 4x1 IS", "maxima", "kn2row WS"]
)
def test_readers_beyond_the_width_are_noticed(reader: str) -> None:
    """Were the limit of a row that of what is computed, the tests above would tell."""
    read, choice = READERS[reader]
    network = net(read)
    layers = {"conv0": Choice(fold=4)}
    if reader != "maxima":
        layers["conv1"] = choice
    program = check(network, ROOMY, LayerMapping(layers), seeds=0)

    def wider(one: Instruction) -> Instruction:
        return replace(one, fields={**one.fields, "row_pitch": 12 * 3})

    engines = Opcode.POOL if reader == "maxima" else Opcode.CONV
    last = [n for n, one in enumerate(program.instructions) if one.opcode is engines][-1]
    assert program.instructions[last].field("row_pitch") == 11 * 3
    changed = tuple(
        wider(one) if number == last else one for number, one in enumerate(program.instructions)
    )
    entry = image(network, 7)
    expected = golden.run(network, entry)
    found = functional.run(replace(program, instructions=changed), ROOMY, entry).outputs
    assert any((found[name] != expected[name]).any() for name in network.outputs)
