"""The passes on all of GoogLeNet: what the compiler makes of them, and what they cost."""

from __future__ import annotations

import functools

import pytest

from dse.assembly.manifest import Manifest
from dse.compile.compiler import compile_network
from dse.network.graph import Network
from dse.network.numbers import with_random_numbers
from dse.network.prune import without_dense
from dse.networks.catalogue import benchmark
from dse.passes import merged_name, siblings
from dse.tiling.layer_mapping import Choice, LayerMapping
from hw.isa.config import OverlayConfig

FIRST = "conv1/7x7_s2"


@functools.cache
def googlenet() -> Network:
    return with_random_numbers(without_dense(benchmark("googlenet")))


@functools.cache
def compiled(rows: int, columns: int, **passes: bool) -> Manifest:
    config = OverlayConfig(
        rows=rows,
        columns=columns,
        tensor_bytes=1 << 22,
        accumulator_depth=1024,
        weight_words=4096,
        parameter_depth=2048,
        axi_bytes=64,
    )
    groups = siblings(googlenet()) if passes.pop("merge", False) else ()
    folds = {FIRST: Choice(fold=2)} if passes.pop("fold", False) else {}
    return compile_network(googlenet(), config, LayerMapping(folds, groups, **passes)).manifest


def thousands(manifest: Manifest, *kinds: str) -> int:
    """Predicted cycles of the convolutions, or of the poolings, in thousands."""
    return round(sum(layer.cycles for layer in manifest.layers if layer.kind in kinds) / 1000)


@pytest.mark.parametrize("array", [(46, 66), pytest.param((32, 64), marks=pytest.mark.slow)])
def test_cycles(array: tuple[int, int]) -> None:
    """Blocks fill words on three channels; folding needs more columns than channels to gain."""
    plain, blocks, folded, merged = (
        thousands(compiled(*array, **passes), "conv")
        for passes in ({}, {"space_to_depth": True}, {"fold": True}, {"merge": True})
    )
    assert blocks < 0.95 * plain
    assert folded <= plain
    assert merged > plain  # all siblings: rows are contiguous no more, see below


def test_what_a_merge_costs() -> None:
    """Without its contiguous rows, the 5 x 5 on 16 channels takes five words for one."""
    cycles = [
        {layer.name: layer.cycles for layer in compiled(46, 66, **passes).layers}
        for passes in ({}, {"merge": True})
    ]
    whole, ranges = (found["inception_3a/5x5"] for found in cycles)
    assert ranges == 5 * whole
    names = [merged_name(group) for group in siblings(googlenet())]
    assert len(names) == 9
    assert set(names) <= set(cycles[1])


def test_concatenations_in_place() -> None:
    poolings = [
        thousands(compiled(46, 66, **passes), "max", "average")
        for passes in ({}, {"concat_in_place": False})
    ]
    assert poolings[0] < poolings[1] * 0.85


def test_macs_are_the_networks() -> None:
    for passes in ({"space_to_depth": True}, {"fold": True}, {"merge": True}):
        manifest = compiled(46, 66, **passes)
        assert sum(layer.macs for layer in manifest.layers) == googlenet().macs()
