"""Pooling before concatenation: parts are pooled apart, to the same bytes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.network.graph import Concat, Network, Pool, Window
from dse.networks.catalogue import benchmark
from dse.passes import Passes, apply, pool_parts
from dse.tiling.layer_mapping import LayerMapping
from hw.isa.config import OverlayConfig
from sim import golden
from tests.dse.passes.graphs import commutes, image
from tests.kit.examples import examples
from tests.sim.test_functional import Builder, check, configs, grown, windows


@st.composite
def pooled(draw: st.DrawFn) -> Network:
    """Concatenations, of concatenations too, that poolings read, and maybe others."""
    b = Builder(np.random.default_rng(draw(st.integers(0, 1 << 32))))
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    x = b.input(height, width, draw(st.integers(1, 4)))
    parts = [b.conv(x, draw(st.integers(1, 6)), Window()) for _ in range(draw(st.integers(1, 3)))]
    joined = b.concat(*parts, *([x] if draw(st.booleans()) else []))
    if draw(st.booleans()):
        joined = b.concat(joined, b.conv(x, 3, Window()))
    outputs = [
        b.pool(joined, draw(st.sampled_from(["max", "average"])), draw(windows(height, width)))
        for _ in range(draw(st.integers(1, 2)))
    ]
    outputs[0] = b.conv(outputs[0], 2, Window())
    if draw(st.booleans()):
        outputs.append(draw(st.sampled_from([joined, b.conv(joined, 2, Window())])))
    return b.build(*outputs)


@examples(25, 75)
def test_same_bytes(drawn: settings) -> None:
    """Golden model and compiled program; all tensors but the concatenations that are gone."""

    @drawn
    @given(pooled(), configs(), st.integers(0, 1 << 32))
    def holds(network: Network, config: OverlayConfig, seed: int) -> None:
        commutes(network, pool_parts)
        changed = pool_parts(network)
        for op in changed.operators:
            if isinstance(op, Concat) and op.output not in network.outputs:
                readers = changed.consumers[op.output]
                assert not readers or not all(isinstance(reader, Pool) for reader in readers)
        images = image(network, seed)
        found = golden.run(changed, images)
        for name, values in golden.run(network, images).items():
            if name in changed.tensors:
                np.testing.assert_array_equal(values, found[name], name)
            else:
                assert isinstance(network.producers[name], Concat)
        check(network, grown(changed, config), LayerMapping(pool_parts=True), seeds=1)

    holds()


@pytest.mark.parametrize(
    ("name", "parts"), [("googlenet", 3 * 4), ("squeezenet", 2 * 2), ("inception-v4", 6)]
)
def test_benchmarks(name: str, parts: int) -> None:
    """The poolings between modules, and those before the classifier, are split."""
    before, after = benchmark(name), pool_parts(benchmark(name))
    known = {op.name for op in before.operators}
    new = [op for op in after.operators if op.name not in known]
    assert len(new) == parts
    assert all(isinstance(op, Pool) for op in new)
    for join in (op for op in after.operators if isinstance(op, Concat)):
        readers = after.consumers[join.output]
        assert not readers or not all(isinstance(reader, Pool) for reader in readers)
    assert after.macs() == before.macs()


def test_names_that_are_taken() -> None:
    b = Builder(np.random.default_rng(1))
    x = b.input(4, 4, 3)
    y = b.pool(b.concat(b.conv(x, 2, Window()), x), "max", Window((2, 2), (2, 2)))
    pool = b.operators[-1]
    b.tensors[f"{y}.1"] = replace(b.tensors[x], name=f"{y}.1")
    taken = replace(b.operators[0], name=f"{pool.name}.0", output=f"{y}.1")  # type: ignore[type-var]
    b.tensors[f"{y}.1"] = replace(b.tensors["t1"], name=f"{y}.1")
    b.operators.append(taken)
    network = b.build(y, f"{y}.1")
    assert {op.name for op in pool_parts(network).operators} >= {op.name for op in (pool, taken)}


@pytest.mark.parametrize("name", ["resnet-50", pytest.param("vgg-19", marks=pytest.mark.slow)])
def test_nothing_to_do_changes_nothing(name: str) -> None:
    network = benchmark(name)
    assert pool_parts(network) is network
    off = Passes(merge=False, space_to_depth=False, pool_parts=False)
    network = benchmark("googlenet")
    assert {*apply(network, off).operators} >= {*network.operators}


def test_what_a_pooled_concatenation_becomes() -> None:
    b = Builder(np.random.default_rng(1))
    x = b.input(4, 4, 3)
    network = b.build(b.pool(b.concat(b.conv(x, 2, Window()), x), "max", Window((2, 2), (2, 2))))
    changed = pool_parts(network)
    (output,) = network.outputs
    join = changed.producers[output]
    assert isinstance(join, Concat)
    assert join.name == network.producers[output].name
    assert join.inputs == (f"{output}.0", f"{output}.1")
    assert [changed.tensors[part].shape for part in join.inputs] == [(2, 2, 2), (2, 2, 3)]
