"""From a model and images to the RTL's answers, compared with the golden model byte by byte."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from boards.runtime.regions import Tensors, input_region
from boards.runtime.regions import output_tensors as output_tensors
from boards.runtime.runtime import fault
from dse.assembly.manifest import TensorPlace
from dse.assembly.program import Program
from dse.compile.segmented import compile_segments
from dse.cycles.whole_program import program_cycles
from dse.files.arrays import write_arrays
from dse.files.writing import writing
from dse.network.batches import apart, groups, together
from dse.network.graph import Network
from dse.network.inputs import images, join
from dse.onnx.host import ImagePassage
from dse.onnx.importer import Imported
from dse.tiling.layer_mapping import LayerMapping
from hw.isa import Engine
from hw.isa.config import OverlayConfig, ceil_div
from sim import golden
from sim.fast.simulated_run import IDEAL, Dump, Job, Run, Timing
from sim.fast_overlay import build_overlay
from sim.layer_results import LayerResult, layer_results, utilisation
from sim.runner import FastSimulation, SimulationError

OUTPUTS_FILE, RESULT_FILE = "outputs.npz", "result.json"
RESULT_VERSION = 1

Arrays = Mapping[str, npt.NDArray]
Progress = Callable[[int, int], None]  # cycles done, cycles expected, over all images


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a simulation found out.

    Parameters
    ----------
    outputs : of the model, by ONNX name in its own types, batch axis first.
    images : number of images; ``batch``: of those in a run.
    cycles : of one run; the slowest, if stalls make them differ.
    cycles_per_image : of the run of each, its latency.
    cycles_per_segment : of the slowest run, of each of the overlay's segments.
    predicted_cycles : of one run, by the exact model; equal if the memory is ideal.
    mismatches : bytes in which the RTL differs from the golden model, over all outputs and all
        intermediate tensors of all images.
    mismatched_tensors : those bytes by tensor.
    compared_tensors : names of the tensors that were compared.
    utilisation : multiply-accumulates per cycle and multiplier of the array.
    layers : by execution order.
    counters : of the overlay, in the slowest run's last segment.
    """

    network: str
    config: OverlayConfig
    outputs: Arrays
    images: int
    batch: int
    cycles: int
    cycles_per_image: tuple[int, ...]
    cycles_per_segment: tuple[int, ...]
    predicted_cycles: int
    mismatches: int
    mismatched_tensors: Mapping[str, int]
    compared_tensors: tuple[str, ...]
    macs: int
    utilisation: float
    layers: tuple[LayerResult, ...]
    counters: Mapping[str, int]
    verilog_sha256: str

    @property
    def images_per_megacycle(self) -> float:
        """Images a second for each MHz of clock, if all runs are as the slowest."""
        return 1e6 * self.batch / self.cycles

    def to_json(self) -> dict[str, Any]:
        """Everything but the outputs, as plain data."""
        data = asdict(self)
        del data["outputs"]
        rate = {"images_per_megacycle": self.images_per_megacycle}
        return {"version": RESULT_VERSION, **data, **rate}

    def save(self, folder: Path, about: Mapping[str, Any] | None = None) -> None:
        """Writes ``outputs.npz`` and ``result.json``; the latter as an entry among ``about``."""
        with writing(folder) as files:
            with files.open(OUTPUTS_FILE) as stream:
                write_arrays(stream, self.outputs)
            data = {**self.to_json(), "outputs_sha256": files.sha256(OUTPUTS_FILE)}
            files.json(RESULT_FILE, data if about is None else {**about, "simulation": data})


def simulate(
    model: Imported,
    inputs: Arrays,
    config: OverlayConfig,
    *,
    mapping: LayerMapping | None = None,
    timing: Timing = IDEAL,
    batch: int = 1,
    waves: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Compiles the model, builds the overlay and runs every image in RTL.

    Parameters
    ----------
    model : from ``dse.onnx.importer.load``.
    inputs : images by ONNX input name in the model's own types, batch axis first.
    config : the overlay.
    mapping : choices forced for layers.
    timing : of the memory.
    batch : images of a run; the last run may have fewer, and then repeats its last one.
    waves : write ``waves.vcd`` to the current folder.
    progress : called now and then.
    """
    programs = compile_segments(model.network, config, mapping, batch)
    simulation = build_overlay(config, waves=waves)
    passages = [ImagePassage(model.host, image) for image in images(inputs)]
    expected = [_expected(program) for program in programs]
    wrong: dict[str, int] = {}
    runs = []
    for number, (network, program) in enumerate(zip(model.segments, programs, strict=True)):
        portion = _portion(progress, expected, number, ceil_div(len(passages), batch))
        runs.append(_segment(simulation, network, program, passages, wrong, timing, portion))
    cycles = [sum(run.cycles for run in turns) for turns in zip(*runs, strict=True)]
    slowest = [turns[cycles.index(max(cycles))] for turns in runs]
    foretold = [program_cycles(program, config, timing) for program in programs]
    macs = model.network.macs()
    return Result(
        network=model.network.name,
        config=config,
        outputs=join([passage.outputs() for passage in passages]),
        images=len(passages),
        batch=batch,
        cycles=max(cycles),
        cycles_per_image=tuple(cycles[number // batch] for number in range(len(passages))),
        cycles_per_segment=tuple(run.cycles for run in slowest),
        predicted_cycles=sum(one.total for one in foretold),
        mismatches=sum(wrong.values()),
        mismatched_tensors={name: count for name, count in wrong.items() if count},
        compared_tensors=tuple(wrong),
        macs=macs,
        utilisation=utilisation(batch * macs, max(cycles), config),
        layers=tuple(
            layer
            for run, cycles, program in zip(slowest, foretold, programs, strict=True)
            for layer in layer_results(run, cycles, program, config)
        ),
        counters=slowest[-1].registers,
        verilog_sha256=simulation.verilog.sha256,
    )


def _segment(
    simulation: FastSimulation,
    network: Network,
    program: Program,
    passages: Sequence[ImagePassage],
    wrong: dict[str, int],
    timing: Timing,
    progress: Progress | None,
) -> list[Run]:
    """The runs of one segment, of which each image takes what the overlay has made of it."""
    observed = [place for place in program.manifest.tensors if place.memory == "tensor"]
    entries = [passage.entries(network.inputs) for passage in passages]
    runs = run_program(
        simulation, program, entries, observed=observed, timing=timing, progress=progress
    )
    batch = program.manifest.images
    places = apart({place.name: place for place in observed}, batch)
    every = groups(list(zip(passages, entries, strict=True)), batch)
    for run, group in zip(runs, every, strict=True):
        made = apart({**tensors(run, observed), **output_tensors(run, program)}, batch)
        for (passage, entry), found, own in zip(group, made, places, strict=False):
            expected = golden.run(network, entry)
            wanted = [*(name for name in own if name in expected), *network.outputs]
            for name, count in compare(expected, found, wanted).items():
                wrong[name] = wrong.get(name, 0) + count
            passage.take(found)
    return runs


def _portion(
    progress: Progress | None, expected: Sequence[int], number: int, runs: int
) -> Progress | None:
    """The progress of a segment as one of the whole, by the cycles that each may take."""
    if progress is None:
        return None
    before, whole = runs * sum(expected[:number]), runs * sum(expected)
    return lambda done, _: progress(before + done, whole)


def run_program(
    simulation: FastSimulation,
    program: Program,
    entries: Sequence[Tensors],
    *,
    observed: Sequence[TensorPlace] = (),
    timing: Timing = IDEAL,
    progress: Progress | None = None,
) -> list[Run]:
    """A run for each image, or for as many as the program takes; SimulationError on any error.

    ``entries``: the network's inputs, of each image.
    """
    job = make_job(program, entries, observed=observed, timing=timing)
    expected = _expected(program)

    def report(run: int, cycle: int) -> None:
        if progress is not None:
            progress(run * expected + min(cycle, expected), len(job.inputs) * expected)

    runs = simulation.run(job, progress=report)
    if progress is not None:
        progress(len(job.inputs) * expected, len(job.inputs) * expected)
    for number, run in enumerate(runs):
        if found := fault(run.registers):
            error, tag = found
            names = {layer.tag: layer.name for layer in program.manifest.layers}
            raise SimulationError(
                f"run {number}: the overlay reports {error} at tag {tag} "
                f"(layer {names.get(tag, '?')})"
            )
    return runs


def _expected(program: Program) -> int:
    """About how many cycles a run takes, for the progress."""
    return max(1, sum(layer.cycles for layer in program.manifest.layers))


def make_job(
    program: Program,
    entries: Sequence[Tensors],
    *,
    observed: Sequence[TensorPlace] = (),
    timing: Timing = IDEAL,
) -> Job:
    """The job that runs a program on images given as the network's inputs."""
    manifest = program.manifest
    return Job(
        regions=program.regions,
        inputs=[
            input_region(manifest, together(group, manifest.images))
            for group in groups(entries, manifest.images)
        ],
        output_bytes=manifest.output_bytes,
        cycle_limit=manifest.cycle_limit,
        dumps=[_dump(program, place) for place in observed],
        timing=timing,
    )


def _dump(program: Program, place: TensorPlace) -> Dump:
    """The dump of a tensor, once the instructions that complete it have retired."""
    engines = [instruction.engine for instruction in program.instructions]
    retired: dict[Engine, int] = {}
    for number in place.complete_after:
        engine = engines[number]
        assert engine is not None
        retired[engine] = engines[: number + 1].count(engine)
    return Dump(
        retired=retired,
        address=place.address,
        pitch=place.pitch,
        channels=place.shape[2],
        pixels=place.pixels,
    )


def tensors(run: Run, observed: Sequence[TensorPlace]) -> dict[str, npt.NDArray[np.int8]]:
    """The observed tensors of a run by name, HWC; one that was never complete is missing."""
    return {
        place.name: dump.reshape(place.pixels, -1)[place.own].reshape(place.shape)
        for place, dump in zip(observed, run.dumps, strict=True)
        if dump is not None
    }


def compare(expected: Tensors, found: Tensors, wanted: Sequence[str]) -> dict[str, int]:
    """How many bytes of each wanted tensor differ: all of them, if it was not found."""
    return {
        name: int(np.count_nonzero(expected[name] != found[name]))
        if name in found
        else expected[name].size
        for name in wanted
    }
