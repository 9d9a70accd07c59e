"""The whole overlay in both harnesses: every tensor, any memory timing, every error."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dse.assembly.program import Program
from dse.compile.compiler import compile_network
from dse.network.graph import Network, Window
from dse.tiling.layer_mapping import Choice, LayerMapping
from hw.isa import INSTRUCTION_BYTES, Dataflow, Error
from sim import golden
from sim.cocotb_runner import BenchRun, run_job
from sim.fast.simulated_run import DDR, IDEAL, Job, Run, Timing
from sim.fast_overlay import build_overlay, emit_overlay
from sim.simulation import compare, make_job, output_tensors, run_program, tensors
from tests.rtl.overlays import OVERLAYS
from tests.sim.test_functional import Builder

pytestmark = pytest.mark.rtl


CONFIG = OVERLAYS["2x2"]
IMAGES = 3
Image = dict[str, np.ndarray]


@functools.cache
def example() -> tuple[Network, list[Image]]:
    """Branches, a residual, a concatenation, both kinds of pooling, a fully connected layer."""
    b = Builder(np.random.default_rng(5))
    stem = b.conv(b.input(9, 8, 3), 7, Window((3, 3), padding=(1, 1, 1, 1)))
    pooled = b.pool(stem, "max", Window((3, 3), (2, 2), padding=(0, 0, 1, 1)))
    same = b.conv(pooled, 7, Window((3, 3), padding=(1, 1, 1, 1)))
    left = b.add(same, pooled)
    right = b.conv(pooled, 4, Window((1, 1)))
    joined = b.concat(left, right)
    average = b.pool(joined, "average", Window((2, 2), (2, 2)))
    x = b.tensors[average]
    network = b.build(b.conv(average, 6, Window((x.height, x.width))))
    random = np.random.default_rng(6)
    images = [
        {
            name: random.integers(-128, 128, network.tensors[name].shape).astype(np.int8)
            for name in network.inputs
        }
        for _ in range(IMAGES)
    ]
    return network, images


@functools.cache
def program(dataflow: Dataflow | None = None) -> Program:
    network, _ = example()
    names = [conv.name for conv in network.convolutions()]
    chosen = {name: Choice(dataflow=dataflow) for name in names} if dataflow is not None else {}
    return compile_network(network, CONFIG, LayerMapping(chosen))


def mismatches(compiled: Program, timing: Timing) -> int:
    network, images = example()
    observed = [place for place in compiled.manifest.tensors if place.memory == "tensor"]
    runs = run_program(build_overlay(CONFIG), compiled, images, observed=observed, timing=timing)
    wrong = 0
    for run, image in zip(runs, images, strict=True):
        expected = golden.run(network, image)
        found = {**tensors(run, observed), **output_tensors(run, compiled)}
        seen = {place.name for place in observed} | set(network.outputs)
        wanted = sorted(seen & set(expected))
        assert len(wanted) > 6
        wrong += sum(compare(expected, found, wanted).values())
    return wrong


@pytest.mark.parametrize("dataflow", [None, *Dataflow])
def test_every_tensor_is_the_golden_models(dataflow: Dataflow | None) -> None:
    assert mismatches(program(dataflow), IDEAL) == 0


@pytest.mark.parametrize(
    "timing",
    [
        DDR,
        Timing(latency=300, rate=100, outstanding=1),
        *(Timing(stall=stall, seed=seed) for stall in (20, 80) for seed in (1, 2, 3)),
    ],
)
def test_memory_timing_changes_no_result(timing: Timing) -> None:
    assert mismatches(program(), timing) == 0


@pytest.mark.slow
def test_cocotb_gives_the_same_outputs(tmp_path: Path) -> None:
    network, images = example()
    job = make_job(program(), images[:2], timing=Timing(stall=30, seed=4))
    runs = run_job(emit_overlay(CONFIG), job, folder=tmp_path)
    assert len(runs) == 2
    for run, image in zip(runs, images, strict=False):
        assert differing_outputs(run, golden.run(network, image)) == 0


def differing_outputs(run: Run | BenchRun, expected: Image) -> int:
    found = output_tensors(run, program())
    return sum(compare(expected, found, example()[0].outputs).values())


def test_a_wrong_weight_is_seen() -> None:
    compiled = program()
    wrong = bytes(byte ^ (index % 97 == 0) for index, byte in enumerate(compiled.weights))
    assert mismatches(replace(compiled, weights=wrong), IDEAL) > 0


def patched(words: bytes, position: int, value: int) -> bytes:
    """The program with one byte changed."""
    return words[:position] + bytes([value]) + words[position + 1 :]


def faults() -> dict[str, tuple[Job, Error]]:
    """A job for each fault, and the error that it must end with."""
    job = make_job(program(), example()[1][:1])
    words = job.regions["program"]
    middle = len(words) // INSTRUCTION_BYTES // 2 * INSTRUCTION_BYTES
    return {
        "illegal opcode": (
            job.with_program(patched(words, middle, 0xEE)),
            Error.ILLEGAL_OPCODE,
        ),
        "no program": (job.with_program(bytes(len(words))), Error.MISSING_BEGIN),
        "foreign ISA": (job.with_program(patched(words, 4, 99)), Error.ISA_VERSION),
        "foreign configuration": (
            job.with_program(patched(words, 8, words[8] ^ 1)),
            Error.CONFIGURATION,
        ),
        "bad program read": (replace(job, timing=Timing(error_read0=0)), Error.BUS_READ),
        "bad read": (replace(job, timing=Timing(error_read0=2)), Error.BUS_READ),
        "bad weights": (replace(job, timing=Timing(error_read1=1)), Error.BUS_READ),
        "bad write": (replace(job, timing=Timing(error_write=0)), Error.BUS_WRITE),
        "hung memory": (
            replace(job, timing=Timing(hang_at=300, hang_for=1 << 20), watchdog=500),
            Error.WATCHDOG,
        ),
    }


@pytest.mark.parametrize("name", faults())
def test_a_fault_has_its_error_and_the_next_run_is_right(name: str) -> None:
    job, error = faults()[name]
    network, images = example()
    good = make_job(program(), images[:1])
    bad_run, good_run = build_overlay(CONFIG).run(job, replace(good, watchdog=1 << 12))
    assert bad_run.error is error
    assert bad_run.registers["status"] >> 1 & 1
    assert good_run.error is Error.NONE
    assert differing_outputs(good_run, golden.run(network, images[0])) == 0


def test_an_error_names_the_layer_that_failed() -> None:
    words = program().words
    tags = [int.from_bytes(words[i + 2 : i + 4], "little") for i in range(0, len(words), 128)]
    position = max(i for i, tag in enumerate(tags) if tag == 2)
    job = make_job(program(), example()[1][:1])
    bad = job.with_program(patched(words, position * INSTRUCTION_BYTES, 0xEE))
    (run,) = build_overlay(CONFIG).run(bad)
    assert (run.error, run.error_tag) == (Error.ILLEGAL_OPCODE, 2)
