"""Space-to-depth: strided convolutions of the input read blocks that the host laid out."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boards.runtime.regions import input_region
from dse.assembly.program import Program
from dse.network.blocks import space_to_depth as blocks
from dse.network.conv_shape import ConvShape
from dse.network.graph import Network, NetworkError, SpaceToDepth, Tensor, Window
from dse.networks.catalogue import benchmark
from dse.passes import PassError, blocked_shape, fold, fold_factors, layer_shapes, space_to_depth
from dse.tiling.layer_mapping import Choice, LayerMapping
from hw.isa.config import OverlayConfig
from tests.dse.passes.graphs import commutes, image, same_bytes
from tests.kit.examples import examples
from tests.sim.test_functional import SMALL, Builder, check, configs, grown, windows


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4), st.integers(1, 4))
def test_blocks(height: int, width: int, by: int, bx: int) -> None:
    """Pixel (y, x) is in block (y / by, x / bx), and the rest is the zero point."""
    values = np.random.default_rng(0).integers(-128, 100, (height, width, 3)).astype(np.int8)
    found = blocks(values, (by, bx), 101)
    assert found.shape == (ceil(height / by), ceil(width / bx), by * bx * 3)
    pixels = found.reshape(*found.shape[:2], by, bx, 3)
    for y in range(height):
        for x in range(width):
            assert (pixels[y // by, x // bx, y % by, x % bx] == values[y, x]).all()
    assert (found == 101).sum() == found.size - values.size


@settings(deadline=None)
@given(st.data(), st.integers(1, 30), st.integers(1, 30))
def test_shapes(data: st.DataObject, height: int, width: int) -> None:
    """The same outputs, from no more blocks than the windows and the image touch."""
    window = data.draw(windows(height, width))
    conv = ConvShape(
        height, width, 3, 5, window.kernel, window.stride, window.padding, window.dilation
    )
    blocked = blocked_shape(conv)
    assert blocked.output == conv.output
    assert blocked.input == blocks(np.zeros(conv.input, np.int8), conv.stride, 0).shape
    assert blocked.stride == blocked.dilation == (1, 1)
    for kernel, taps, dilation, stride in zip(
        blocked.kernel, conv.kernel, conv.dilation, conv.stride, strict=True
    ):
        assert kernel <= ceil(((taps - 1) * dilation + 1 + stride - 1) / stride) + 1


@pytest.mark.parametrize(
    ("name", "size", "cin", "kernel"),
    [
        ("googlenet", 112, 12, (4, 4)),
        ("alexnet", 56, 48, (3, 3)),
        ("inception-v4", 150, 12, (2, 2)),
    ],
)
def test_benchmarks(name: str, size: int, cin: int, kernel: tuple[int, int]) -> None:
    network = benchmark(name)
    plain, first = (
        next(iter(layer_shapes(n).values())) for n in (network, space_to_depth(network))
    )
    assert (first.input, first.kernel) == ((size, size, cin), kernel)
    assert first.output == plain.output


@st.composite
def strided(draw: st.DrawFn) -> Network:
    """Two convolutions of the input, which may also be read as it is."""
    b = Builder(np.random.default_rng(draw(st.integers(0, 1 << 32))))
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    names = [b.input(height, width, draw(st.integers(1, 4)))]
    for _ in range(draw(st.integers(1, 2))):
        window = draw(windows(height, width))
        names.append(b.conv("t0", draw(st.integers(1, 6)), window))
    if draw(st.booleans()):
        names.append(b.pool("t0", "average", draw(windows(height, width))))
    names.append(b.conv(names[1], 2, Window()))
    return b.build(*names[1:])


@examples(25, 75)
def test_same_bytes(drawn: settings) -> None:
    """Golden model and compiled program, also folded; every tensor of the original."""

    @drawn
    @given(st.data(), strided(), configs(), st.integers(0, 1 << 32))
    def holds(data: st.DataObject, network: Network, config: OverlayConfig, seed: int) -> None:
        changed = space_to_depth(network)
        commutes(network, space_to_depth)
        name, first = next(iter(layer_shapes(changed).items()))
        factors = {name: data.draw(st.sampled_from(fold_factors(first)))}
        changed = fold(changed, factors)
        same_bytes(network, changed, seed)
        choices = {name: Choice(fold=factors[name])}
        mapping = LayerMapping(choices, space_to_depth=True)
        program = check(network, grown(changed, config), mapping, seeds=1)
        assert {tensor.name for tensor in program.manifest.inputs} == set(network.inputs)

    holds()


def first_layer() -> Network:
    b = Builder(np.random.default_rng(3))
    return b.build(b.conv(b.input(9, 12, 3), 4, Window((5, 5), (2, 3), padding=(2, 2, 2, 2))))


def test_the_host_learns_the_layout(tmp_path) -> None:
    network = first_layer()
    program = check(network, SMALL, LayerMapping(space_to_depth=True))
    program.save(tmp_path)
    (tensor,) = Program.load(tmp_path).manifest.inputs
    assert (tensor.name, tensor.shape, tensor.block) == ("t0", (9, 12, 3), (2, 3))
    values = image(network, 1)["t0"]
    zero_point = network.tensors["t0"].quantisation.zero_point
    data = blocks(values, (2, 3), zero_point).tobytes()
    assert tensor.lay_out(values).tobytes() == data
    region = input_region(program.manifest, {"t0": values})
    assert region[tensor.offset :][: len(data)] == data


def test_the_switch() -> None:
    (tensor,) = check(first_layer(), SMALL, LayerMapping()).manifest.inputs
    assert tensor.block == (1, 1)


def test_only_the_host_rearranges() -> None:
    network = first_layer()
    op = SpaceToDepth("blocks", network.outputs[0], "blocks", (1, 1))
    tensors = dict(network.tensors)
    tensors["blocks"] = Tensor("blocks", 5, 4, 4, tensors[network.outputs[0]].quantisation)
    with pytest.raises(NetworkError, match="does not come from the host"):
        Network("n", tensors, (*network.operators, op), network.inputs, ("blocks",))


def test_fold_after_blocks_may_still_be_illegal() -> None:
    with pytest.raises(PassError, match="4 pixels are no multiple"):
        fold(space_to_depth(first_layer()), {"conv0": 3})
