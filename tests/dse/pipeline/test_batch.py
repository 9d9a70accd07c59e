"""Fully connected layers as stages, and batches of images that share their weights."""

from __future__ import annotations

import numpy as np
import pytest

from dse.pipeline import (
    Budget,
    ChainError,
    Design,
    Method,
    batched,
    cost_model,
    load_device,
    load_network,
    resized,
    run,
)
from dse.pipeline.model.loads import parse_network
from dse.pipeline.stage_shapes import stage_shapes
from dse.pipeline.weight_image import arrival_order, weight_image
from hw.stages.map_link import MapLink
from hw.stages.weight_region import WeightBus, weight_regions
from sim.layer_golden import drawn_numbers
from sim.layer_job import map_beats
from tests.hw.stages.stage_bench import Numbers, draw_numbers, weight_beats
from tests.hw.stages.stage_drawing import draw_shape

SMALL = """{"layers": [
    {"name": "C", "n_in": 3, "n_out": 8, "size_in": 8, "size_out": 6, "size_ker": 3},
    {"name": "POOL", "n_in": 8, "n_out": 8, "size_in": 6, "size_out": 3, "size_ker": 2,
     "stride": 2},
    {"name": "F", "n_in": 72, "n_out": 40, "size_in": 1, "size_out": 1},
    {"name": "G", "n_in": 40, "n_out": 10, "size_in": 1, "size_out": 1}
]}"""


def found_design(images: int) -> Design:
    """A design of a small network whose last layers take a batch."""
    device = load_device("kcu1500")
    network = batched(parse_network("small", SMALL, dense=True), images)
    budget = Budget(dsp=30, ram=4320)
    return run(network, device, cost_model(device), budget, method=Method.EXACT).design


def test_dense_layers_are_left_out_unless_asked_for() -> None:
    names = [stage.name for stage in load_network("alexnet").stages]
    assert names == [f"CONV{number}" for number in range(1, 6)]
    whole = load_network("alexnet", dense=True)
    assert [stage.name for stage in whole.stages[5:]] == ["FC1", "FC2", "FC3"]
    assert [stage.kernel for stage in whole.stages[5:]] == [6, 1, 1]
    assert [stage.weights for stage in whole.stages[5:]] == [9216 * 4096, 4096**2, 4096 * 1000]


def test_the_images_of_a_batch_are_pixels() -> None:
    network = batched(load_network("alexnet", dense=True), 9)
    first = network.stages[5]
    assert (first.n_in, first.size_in, first.kernel, first.images) == (9216, 3, 1, 9)
    assert first.macs == 9216 * 4096  # of one image
    assert network.macs == load_network("alexnet", dense=True).macs
    assert network.stages[4].within == 256  # no beat has lanes without use
    assert network.batch == 9
    assert network.stages[:4] == load_network("alexnet").stages[:4]


def test_a_dense_layer_covers_a_map_of_another_size() -> None:
    network = resized(load_network("alexnet", dense=True), 99)
    assert [stage.kernel for stage in network.stages[5:]] == [2, 1, 1]
    assert network.stages[5].size_out == 1


@pytest.mark.parametrize(
    ("images", "dense", "said"),
    [(5, True, "no square"), (0, True, "no square"), (4, False, "not fully connected")],
)
def test_what_is_no_batch(images: int, dense: bool, said: str) -> None:
    with pytest.raises(ChainError, match=said):
        batched(load_network("alexnet", dense=dense), images)


def test_a_dense_layer_of_another_map_is_refused() -> None:
    layers = (
        '{"name": "C", "n_in": 2, "n_out": 3, "size_in": 4, "size_out": 4, "size_ker": 1},'
        '{"name": "F", "n_in": 47, "n_out": 5, "size_in": 1, "size_out": 1}'
    )
    text = f'{{"layers": [{layers}]}}'
    assert len(parse_network("small", text).stages) == 1
    with pytest.raises(ChainError, match="n_in is 47, but the layer receives 3 channels of 4 x 4"):
        parse_network("small", text, dense=True)


def test_a_batch_costs_fewer_readings() -> None:
    reads = [found_design(images).stages[-2].weight_words / (72 * 40) for images in (1, 4)]
    assert reads == [1, 0.25]


@pytest.mark.parametrize(("tile", "width"), [(6, 4), (4, 2), (3, 3), (4, 1)])
def test_a_map_in_the_order_of_its_arrival(tile: int, width: int) -> None:
    """The same order in which images are sent, which shares nothing with it."""
    link = MapLink(channels=6, size=3, tile=tile, width=width)
    values = np.arange(1, 55).reshape(3, 3, 6)
    order = arrival_order(link)
    sent = np.frombuffer(map_beats(values, link, 16), "<i2")
    assert np.where(order < 0, 0, values.ravel()[order]).tolist() == sent.tolist()
    assert link.flattened(2).beats == 4 * link.beats


@pytest.mark.parametrize("seed", range(12))
def test_weights_lie_in_the_order_of_waves(seed: int) -> None:
    """Words cut out of the stripes are those that plain loops make."""
    rng = np.random.default_rng(seed)
    shape = draw_shape(rng)
    loops: Numbers = draw_numbers(shape, rng)
    image = np.zeros((shape.size_in, shape.size_in, shape.source.channels), np.int64)
    (drawn,) = drawn_numbers([shape], image, rng)
    bus = WeightBus(ports=int(rng.choice([1, 2])), data_bytes=int(rng.choice([8, 32])))
    changed = type(drawn)(**{**vars(drawn), "weights": loops.weights})
    stripes = weight_image([shape], [changed], bus)
    (region,) = weight_regions([shape], bus)
    beats = [
        b"".join(stripe[at : at + bus.data_bytes] for stripe in stripes)
        for at in range(0, len(stripes[0]), bus.data_bytes)
    ][region.weight_start :]
    packing = region.weights
    size = packing.word_bits // 8
    words = []
    if packing.word_beats > 1:
        many = packing.word_beats
        words = [b"".join(beats[n : n + many])[:size] for n in range(0, packing.beats, many)]
    else:
        words = [
            beat[at : at + size]
            for beat in beats[: packing.beats]
            for at in range(0, packing.per_beat * size, size)
        ]
    found = [int.from_bytes(word, "little") for word in words[: packing.words]]
    once = weight_beats(shape, loops)[: packing.words]
    assert found == once


def test_stages_of_a_batch_take_the_map_before_as_it_comes() -> None:
    last, first, second = stage_shapes(found_design(4))
    assert first.flattens == last.target == first.arrives
    assert first.source.channels == last.target.channels * 9  # of a map of 3 x 3
    assert (first.images, first.pixels, first.kernel) == (4, 4, 1)
    assert second.flattens is None
    assert second.source == first.target
