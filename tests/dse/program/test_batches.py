"""Programs of several images: what they share, their order, and what the host is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dse.assembly.program import Program
from dse.compile.compiler import compile_network
from dse.network.batches import apart, groups, together
from dse.network.numbers import with_random_numbers
from dse.networks.catalogue import benchmark
from hw.isa import Base, Opcode
from hw.isa.config import OverlayConfig
from tests.sim.test_functional import SMALL, branchy

CONFIG = replace(
    SMALL, tensor_bytes=1 << 14, tensor_copies=2, accumulator_depth=64, parameter_depth=64
)


@pytest.fixture(scope="module")
def programs() -> dict[int, Program]:
    return {batch: compile_network(branchy(), CONFIG, batch=batch) for batch in (1, 3)}


def test_weights_and_records_lie_in_dram_once(programs: dict[int, Program]) -> None:
    alone, batch = programs[1].manifest, programs[3].manifest
    assert batch.weights_bytes == alone.weights_bytes
    assert batch.parameter_bytes == alone.parameter_bytes
    assert batch.input_bytes == 3 * alone.input_bytes


def test_images_that_take_turns_load_records_once(programs: dict[int, Program]) -> None:
    def loads(program: Program) -> int:
        return sum(
            one.opcode is Opcode.LOAD and one.field("base") == Base.PARAMETERS
            for one in program.instructions
        )

    assert loads(programs[3]) <= 2 * loads(programs[1])  # a pair, and one more


def test_two_images_take_turns(programs: dict[int, Program]) -> None:
    names = [layer.name for layer in programs[3].manifest.layers]
    assert names[:2] == ["0/conv0", "1/conv0"]
    alone = [layer.name for layer in programs[1].manifest.layers]
    assert sorted(names[:-1]) == sorted(
        f"{image}/{name}" for image in range(3) for name in alone[:-1]
    )


def test_a_fully_connected_layer_is_there_once(programs: dict[int, Program]) -> None:
    """Its weights are fetched once, and the images are its pixels."""
    alone, batch = (programs[size].manifest.layers[-1] for size in (1, 3))
    assert batch.name == f"all/{alone.name}"
    assert batch.weight_beats == alone.weight_beats
    assert batch.macs == 3 * alone.macs


def test_what_does_not_fit_together_goes_one_after_the_other() -> None:
    """Rather than through DRAM, and rather than without poolings beside the array."""
    network = with_random_numbers(benchmark("squeezenet"))
    config = OverlayConfig(
        rows=16, columns=32, tensor_copies=2, tensor_bytes=1 << 20, accumulator_depth=1024
    )
    for tensor_bytes, turns in ((1 << 22, True), (1 << 21, False)):
        one = replace(config, tensor_bytes=tensor_bytes)
        found = compile_network(network, one, batch=2).manifest
        assert {place.memory for place in found.tensors} == {"tensor"}
        first = {layer.name[0] for layer in found.layers[: len(found.layers) // 2]}
        assert (first == {"0", "1"}) == turns


def test_the_host_is_told(programs: dict[int, Program]) -> None:
    alone, batch = programs[1].manifest, programs[3].manifest
    assert (alone.images, batch.images) == (1, 3)
    assert [place.name for place in batch.entries] == [place.name for place in alone.inputs]
    assert [place.name for place in batch.inputs] == ["0/t0", "1/t0", "2/t0"]


def test_images_together_and_apart() -> None:
    images = [{"a/b": k, "c": -k} for k in range(5)]
    runs = groups(images, 3)
    assert [len(run) for run in runs] == [3, 2]
    for run in runs:
        assert apart(together(run, 3), 3)[: len(run)] == run
    assert apart(together(runs[1], 3), 3)[2] == images[4]  # filled with the last one
    assert together(images[:1], 1) == images[0]
