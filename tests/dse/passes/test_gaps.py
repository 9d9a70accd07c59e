"""Which results may have gaps between their rows, and where crops of them lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from dse.compile.views import View, lay_out
from dse.network.conv_shape import ConvShape
from dse.network.graph import Crop, Network, NetworkError, Quantisation, Slice, Tensor, Window
from dse.passes import fold, layer_shapes, merged_name, siblings
from dse.passes.concat import insert_copies
from dse.tiling.layer_mapping import Choice, LayerMapping
from dse.tiling.legality import against_folding
from tests.dse.passes.test_padded_rows import OVERLAYS, ROOMY, SAME, Read, net, padded
from tests.sim.test_functional import Builder, check


def test_slices_of_crops() -> None:
    """Siblings that are merged and folded: ranges of channels, with a gap behind each row."""
    b = Builder(np.random.default_rng(5))
    x = b.input(5, 7, 4)
    parts = [b.conv(b.conv(x, n, Window()), 3, SAME) for n in (3, 4)]
    network = b.build(*parts)
    (group,) = siblings(network)
    name = merged_name(group)
    mapping = LayerMapping({name: Choice(fold=3)}, (group,))
    for overlay in OVERLAYS.values():
        program = check(network, overlay, mapping, seeds=1)
        assert [place.gap for place in padded(program)] == [2, 2, 2]


@pytest.mark.parametrize(("what", "legal"), [("copied", True), ("combined", False), ("all", False)])
def test_slices_read_on(what: str, legal: bool) -> None:
    """What must be contiguous is copied by a pooling, which may read a crop; else it is refused.

    A concatenation in place of all that there is is another name for the crop.
    """
    b = Builder(np.random.default_rng(5))
    x = b.conv(b.input(5, 7, 4), 5, SAME)
    parts = [b.tensor((5, 7, n), like=x) for n in (2, 3)]
    b.operators += [Slice(f"slice{k}", x, part, 2 * k) for k, part in enumerate(parts)]
    first = b.conv(parts[0], 3, SAME)
    match what:
        case "copied":
            last = parts[1]
        case "combined":
            last = b.combine(parts[1], parts[1], "maximum")
        case _:
            joined = b.concat(*parts)
            last = b.combine(joined, joined, "maximum")
    network = b.build(first, last)
    for graph in (network, insert_copies(network)):
        assert (not against_folding(layer_shapes(graph)["conv0"], 3)) == legal
    if legal:
        for overlay in OVERLAYS.values():
            check(network, overlay, LayerMapping({"conv0": Choice(fold=3)}), seeds=1)


def test_copies_of_crops() -> None:
    """A concatenation that copies its inputs reads them by poolings, in both forms of the graph."""
    b = Builder(np.random.default_rng(5))
    x = b.input(5, 7, 4)
    joined = b.concat(b.conv(x, 3, SAME), b.pool(x, "max", Window()))
    network = b.build(b.conv(joined, 3, SAME))
    for in_place in (False, True):
        shape = layer_shapes(network, in_place)["conv0"]
        assert bool(against_folding(shape, 3)) == in_place
    copied = layer_shapes(insert_copies(network, False))["conv0"]
    assert replace(copied, pooled=None) == layer_shapes(network, False)["conv0"]
    mapping = LayerMapping({"conv0": Choice(fold=3)}, concat_in_place=False)
    for overlay in OVERLAYS.values():
        assert padded(check(network, overlay, mapping, seeds=1))


def refusals() -> Iterator[tuple[Read, str]]:
    yield lambda b, x: x, "leaves the overlay in one piece"
    yield lambda b, x: b.conv(x, 3, Window((9, 11))), "takes all its rows as one"
    yield lambda b, x: b.conv(b.flatten(x), 3, Window()), "takes no gaps"
    yield lambda b, x: b.add(b.conv(x, 3, SAME), x), "takes no gaps"
    yield lambda b, x: b.combine(x, x, "maximum"), "takes no gaps"


@pytest.mark.parametrize(("read", "message"), list(refusals()))
def test_refusals(read: Read, message: str) -> None:
    """Also if another reader could; a factor that divides needs no gaps."""
    for width, factor in ((11, 4), (12, 4)):
        b = Builder(np.random.default_rng(5))
        first = b.conv(b.input(9, width, 4), 3, SAME)
        if width == 12 and message.startswith("takes all"):
            continue
        network = b.build(b.conv(first, 3, SAME), read(b, first))
        why = against_folding(layer_shapes(network)["conv0"], factor)
        assert (message in why) == (width == 11)
        if width == 12:
            check(network, ROOMY, LayerMapping({"conv0": Choice(fold=factor)}), seeds=1)


def test_walks_of_wider_rows() -> None:
    """A reader whose fields hold the image, but no gaps as long as its rows."""
    for height, legal in ((250, True), (300, False)):
        b = Builder(np.random.default_rng(0))
        first = b.conv(b.input(height, 301, 1), 100, Window())
        network = b.build(b.pool(b.conv(first, 1, Window()), "max", SAME))
        shape = layer_shapes(network)["conv0"]
        assert bool(against_folding(shape, 2)) == (not legal)


def test_crops_of_views() -> None:
    """Of views with other channels around them, and of single pixels and rows."""
    view = View("x", 4, 6, 3, 5, start=7, channel=1)
    cut = view.crop(3, 4)
    assert (cut.row_pitch, cut.row_bytes, cut.span(3)) == (30, 20, 16)
    assert cut.crop(2, 3) == view.crop(2, 3)
    assert not cut.whole and view.crop(1, 6).channel == 1
    one = view.crop(1, 1)
    assert (one.start, one.channel, one.pitch, one.gap, one.whole) == (8, 0, 3, 0, True)
    assert View("x", 4, 6, 3, 3).crop(1, 4).whole


@pytest.mark.parametrize(
    ("shape", "message"), [((4, 7, 3), "no such pixels"), ((4, 5, 2), "channels disagree")]
)
def test_impossible_crops(shape: tuple[int, int, int], message: str) -> None:
    known = Quantisation(1.0, 0)
    tensors = {"x": Tensor("x", 4, 6, 3, known), "y": Tensor("y", *shape, known)}
    with pytest.raises(NetworkError, match=message):
        Network("net", tensors, (Crop("crop", "x", "y"),), ("x",), ("y",))


def test_crops_lie_where_they_are_cut() -> None:
    network = net(lambda b, x: b.conv(x, 3, SAME))
    folded = fold(network, {"conv0": 4})
    (crop,) = (op for op in folded.operators if isinstance(op, Crop))
    layout = lay_out(folded)
    own, whole = layout.views[crop.output], layout.views[crop.input]
    assert own == replace(whole, width=11, gap=1)
    assert layout.buffers[own.buffer] == 9 * 12 * 3


def test_work_of_pixels_that_nobody_reads_does_not_count() -> None:
    network = net(lambda b, x: b.conv(x, 3, SAME))
    assert fold(network, {"conv0": 4}).macs() == network.macs()
    assert ConvShape(2, 3, 1, 1).macs == 6
