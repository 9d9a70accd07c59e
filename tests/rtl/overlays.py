"""The overlays of the system tests, and running networks on them against the golden model."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from benchmarks.choices import fallback
from dse.assembly.manifest import TensorPlace
from dse.assembly.program import Program
from dse.assembly.program_error import ProgramError
from dse.compile.compiler import compile_network
from dse.network.graph import Network
from dse.tiling.layer_mapping import Choice, LayerMapping
from hw.isa import Error
from hw.isa.config import OverlayConfig
from sim import golden
from sim.fast.simulated_run import IDEAL, Job, Run, Timing
from sim.fast_overlay import build_overlay
from sim.runner import FastSimulation
from sim.simulation import compare, make_job, output_tensors, tensors

Tensors = dict[str, np.ndarray]


def _winograd(lanes: int) -> OverlayConfig:
    """All transforms, with memories for whole layers."""
    return OverlayConfig(
        rows=3,
        columns=4,
        lanes=lanes,
        tensor_bytes=1 << 17 if lanes == 2 else 1 << 13,
        tensor_copies=lanes,
        accumulator_depth=256,
        weight_words=128,
        parameter_depth=64,
        axi_bytes=16,
        watchdog_cycles=5000,
        winograd="all",
        scratch_words=1024,
        normalisation=lanes - 1,
        pairs=lanes - 1,
        crossings=lanes - 1,
    )


# Both PE kinds, bus words narrower and wider than everything else, one to four weight ports, sides
# that share no factor.
# "strips" has next to no memory: tensors live in DRAM and every tile is as small as it gets.  Those
# with transforms have one, the other, or both; "3x4" is "winograd2" without them.  Some normalise,
# combine in any way, and have multipliers for depthwise convolutions.
# "5x3", "3x4" and "winograd2" have more than 64 KiB of tensor memory, so that an address has more
# than 16 bits, in two copies, and cross borders between dies.
OVERLAYS: dict[str, OverlayConfig] = {
    "2x2": OverlayConfig(
        rows=2,
        columns=2,
        lanes=1,
        tensor_bytes=1 << 13,
        accumulator_depth=8,
        weight_words=33,
        parameter_depth=64,
        axi_bytes=4,
        weight_ports=2,
        pool_lanes=3,
    ),
    "3x4": replace(_winograd(2), winograd="none", scratch_words=0),
    "5x3": OverlayConfig(
        rows=5,
        columns=3,
        lanes=1,
        tensor_bytes=1 << 17,
        tensor_copies=2,
        accumulator_depth=64,
        weight_words=200,
        parameter_depth=128,
        axi_bytes=32,
        accumulator_bits=27,
        normalisation=1,
        pairs=1,
        depthwise=3,
        crossings=2,
    ),
    "4x7": OverlayConfig(
        rows=4,
        columns=7,
        lanes=2,
        tensor_bytes=1 << 14,
        accumulator_depth=32,
        weight_words=100,
        parameter_depth=64,
        axi_bytes=64,
        depthwise=5,
    ),
    "strips": OverlayConfig(
        rows=3,
        columns=5,
        lanes=2,
        tensor_bytes=1 << 10,
        accumulator_depth=4,
        weight_words=10,
        parameter_depth=32,
        axi_bytes=8,
        weight_ports=4,
        normalisation=1,
        pairs=1,
        depthwise=2,
    ),
    "f2": OverlayConfig(
        rows=3,
        columns=5,
        lanes=2,
        tensor_bytes=1 << 14,
        accumulator_depth=64,
        weight_words=200,
        parameter_depth=128,
        axi_bytes=16,
        winograd="f2",
        scratch_words=64,
    ),
    "f4": OverlayConfig(
        rows=5,
        columns=3,
        lanes=1,
        tensor_bytes=1 << 14,
        tensor_copies=2,
        accumulator_depth=128,
        weight_words=300,
        parameter_depth=64,
        axi_bytes=8,
        weight_ports=2,
        winograd="f4",
        scratch_words=256,
    ),
    "winograd1": _winograd(1),
    "winograd2": _winograd(2),
}

SWEPT = ("2x2", "strips", "winograd2")
"""Overlays that every sweep runs: all lanes, ports, copies, and all transforms."""


def swept(names: Iterable[str]) -> list[Any]:
    """Parameters of a sweep: overlays beside `SWEPT` are left to the slow tests."""
    slow = pytest.mark.slow
    return [name if name in SWEPT else pytest.param(name, marks=slow) for name in names]


def by_size(quick: Any, whole: Any) -> list[Any]:
    """Parameters of a sweep: a quick one on each of `SWEPT`, and, slow, the whole on all."""
    slow = pytest.mark.slow
    return [
        *((name, quick) for name in SWEPT),
        *(pytest.param(name, whole, marks=slow) for name in OVERLAYS),
    ]


@functools.cache
def simulation(name: str) -> FastSimulation:
    """The overlay of that name, built."""
    return build_overlay(OVERLAYS[name])


@dataclass(frozen=True)
class Case:
    """A network and how it runs.

    Parameters
    ----------
    network : the network.
    choices : of its convolutions, in turn; im2col in the dataflow where one is not legal; None: the
        compiler's own.
    timing : of the memory.
    images : number of images.
    seed : of the images.
    """

    network: Network
    choices: tuple[Choice | None, ...] = (Choice(),)
    timing: Timing = IDEAL
    images: int = 1
    seed: int = 1

    def compile(self, config: OverlayConfig) -> Program:
        """The program for an overlay."""
        turns = zip(self.network.convolutions(), itertools.cycle(self.choices), strict=False)
        layers = {
            conv.name: fallback(self.network, conv, one, config)
            for conv, one in turns
            if one is not None
        }
        return compile_network(self.network, config, LayerMapping(layers))

    def entries(self) -> list[Tensors]:
        """The images, by input tensor."""
        rng = np.random.default_rng(self.seed)
        shapes = {name: self.network.tensors[name].shape for name in self.network.inputs}
        return [
            {name: rng.integers(-128, 128, shape, np.int8) for name, shape in shapes.items()}
            for _ in range(self.images)
        ]


MEMORIES = ("tensor_bytes", "accumulator_depth", "scratch_words")


def fits(name: str, case: Case) -> bool:
    """Whether an overlay's memories hold a case; a refusal for any other reason is a fault.

    The refusal must name the memories, and be gone once they are larger.  It is never about the
    tensor memory if that holds all tensors at once.
    """
    config = OVERLAYS[name]
    try:
        case.compile(config)
    except ProgramError as refusal:
        named = [memory for memory in MEMORIES if memory in str(refusal)]
        assert named, refusal
        if "tensor_bytes" in named:
            assert _bytes_of_all(case.network, config) > config.tensor_bytes
        case.compile(replace(config, **{memory: 8 * getattr(config, memory) for memory in named}))
        return False
    return True


def _bytes_of_all(network: Network, config: OverlayConfig) -> int:
    word = config.axi_bytes
    return sum(t.height * t.width * -(-t.channels // word) * word for t in network.tensors.values())


class Fitting:
    """Tells the cases that an overlay holds; most must be among them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._drawn = self._refused = 0

    def __call__(self, case: Case) -> bool:
        found = fits(self._name, case)
        self._drawn += 1
        self._refused += not found
        return found

    def check(self, share: float) -> None:
        """That at most this share was refused."""
        assert self._refused <= share * self._drawn


def job(case: Case, program: Program) -> Job:
    """The job that runs a case and observes all its tensors."""
    return make_job(program, case.entries(), observed=_observed(program), timing=case.timing)


def check(name: str, *cases: Case) -> list[Program]:
    """Runs cases one after the other on one overlay: every tensor equals the golden model's."""
    programs = [case.compile(OVERLAYS[name]) for case in cases]
    jobs = [job(case, program) for case, program in zip(cases, programs, strict=True)]
    runs = iter(simulation(name).run(*jobs))
    for case, program in zip(cases, programs, strict=True):
        verify(case, program, runs)
    assert next(runs, None) is None
    return programs


def verify(case: Case, program: Program, runs: Iterator[Run]) -> None:
    """Takes the next run of each image and compares everything that can be observed."""
    for entry in case.entries():
        run = next(runs)
        assert run.error is Error.NONE, f"{run.error.name} at tag {run.error_tag}"
        found = {**observations(run, program), **output_tensors(run, program)}
        expected = golden.run(case.network, entry)
        places = program.manifest.tensors
        wanted = [p.name for p in places if p.memory != "input" and p.name in expected]
        wrong = compare(expected, found, [*wanted, *case.network.outputs])
        assert not any(wrong.values()), f"bytes that differ, by tensor: {wrong}"


def observations(run: Run, program: Program) -> Tensors:
    """All tensors that a run left to be seen: on chip by its dumps, in DRAM in its output."""
    spilled = [place for place in program.manifest.tensors if place.memory == "output"]
    data = np.frombuffer(run.output, np.int8)
    found = {place.name: data[place.places].reshape(place.shape) for place in spilled}
    return found | tensors(run, _observed(program))


def _observed(program: Program) -> Sequence[TensorPlace]:
    return [place for place in program.manifest.tensors if place.memory == "tensor"]
