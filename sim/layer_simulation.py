"""A layer pipeline in Verilator: images through all stages, with the cycles of each."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dse.pipeline.stage_numbers import Ints, StageNumbers
from hw.lib.emit import Verilog
from hw.stages.shape import StageShape
from sim.layer_job import (
    beat_bytes,
    map_beats,
    map_values,
    parameter_beats,
    weight_beats,
    weight_times,
)
from sim.runner import SimulationError
from sim.verilator import build

LAYERS_SOURCE = Path(__file__).parent / "layers" / "main.cpp"
SLACK = 8  # times the predicted cycles that a run may take
ALWAYS = 256


@dataclass(frozen=True, kw_only=True)
class StreamRates:
    """How often of 256 cycles input, weights and output are ready, at random."""

    input: int = ALWAYS
    weights: int = ALWAYS
    output: int = ALWAYS
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class PipelineRun:
    """What a run gave.

    Parameters
    ----------
    results : maps, one an image.
    cycles : of the whole run.
    busy : for each stage, the cycles in which it worked.
    ends : for each stage, the cycles in which it was done with an image.
    images : the cycles in which images were out, whole.
    """

    results: tuple[Ints, ...]
    cycles: int
    busy: tuple[int, ...]
    ends: tuple[tuple[int, ...], ...]
    images: tuple[int, ...]

    @property
    def period(self) -> int | None:
        """Cycles between the last two images' ends, at the stage that took longest."""
        gaps = [stage[-1] - stage[-2] for stage in self.ends if len(stage) > 1]
        return max(gaps, default=None)


class PipelineSimulation:
    """A layer pipeline built with its harness.

    Parameters
    ----------
    stages : of the pipeline.
    verilog : of `LayerPipeline`.
    hierarchical : build marked modules apart from the rest.
    """

    def __init__(
        self, stages: Sequence[StageShape], verilog: Verilog, *, hierarchical: bool = False
    ) -> None:
        self._stages = tuple(stages)
        self._executable = build(
            verilog,
            sources=[LAYERS_SOURCE],
            headers={"design.h": pipeline_header(stages, verilog)},
            hierarchical=hierarchical,
        )

    def run(
        self,
        numbers: Sequence[StageNumbers],
        images: Sequence[Ints],
        *,
        rates: StreamRates | None = None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> PipelineRun:
        """All images, one behind the other; ``progress`` hears of cycles.

        Raises
        ------
        SimulationError
            When not all results come in time.
        """
        first, last = self._stages[0], self._stages[-1]
        rates = rates or StreamRates()
        with tempfile.TemporaryDirectory(prefix="polymap-") as name:
            folder = Path(name)
            lines = [f"rates {rates.input} {rates.weights} {rates.output} {rates.seed}"]

            def file(stem: str, data: bytes) -> Path:
                path = folder / stem
                path.write_bytes(data)
                return path

            maps = b"".join(map_beats(one, first.source, first.bits) for one in images)
            lines.append(f"input {file('input', maps)}")
            for number, (shape, own) in enumerate(zip(self._stages, numbers, strict=True)):
                weights = file(f"weights{number}", weight_beats(shape, own))
                times = max(1, weight_times(shape) * len(images))
                lines.append(f"weights {number} {weights} {times}")
                records = file(f"parameters{number}", parameter_beats(shape, own))
                lines.append(f"parameters {number} {records}")
            beats = last.target.beats
            lines.append(f"run {beats * len(images)} {self._limit(len(images), rates)}")
            job = file("job", "\n".join([*lines, ""]).encode())
            results, record = folder / "results", folder / "record"
            self._execute([job, results, record], progress)
            told = json.loads(record.read_text())
            if not told["ended"]:
                raise SimulationError(
                    f"the pipeline gave {len(told['images'])} of {len(images)} images in "
                    f"{told['cycles']:,} cycles"
                )
            data = results.read_bytes()
        size = len(data) // len(images)
        maps_out = (data[n * size : (n + 1) * size] for n in range(len(images)))
        return PipelineRun(
            results=tuple(map_values(one, last.target, last.bits) for one in maps_out),
            cycles=told["cycles"],
            busy=tuple(told["busy"]),
            ends=tuple(map(tuple, told["ends"])),
            images=tuple(told["images"]),
        )

    def _limit(self, images: int, rates: StreamRates) -> int:
        slowest = max(max(s.cycles, s.source.beats, s.target.beats) for s in self._stages)
        loads = sum(s.weight_depth * s.weight_pieces + s.n_out for s in self._stages)
        rate = min(rates.input, rates.weights, rates.output)
        turns = images + len(self._stages) + 1
        return SLACK * ALWAYS // rate * (slowest * turns + loads + 1000)

    def _execute(self, files: Sequence[Path], progress: Callable[[int], None]) -> None:
        command = [str(self._executable), *map(str, files)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            try:
                for line in process.stdout:
                    progress(int(line.split()[1]))
                message = process.stderr.read().strip()
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise SimulationError(message or f"simulation ended with code {process.returncode}")


def pipeline_header(stages: Sequence[StageShape], verilog: Verilog) -> str:
    """The harness's view of the design."""
    widths = {port.name: port.width for port in verilog.ports}
    count = len(stages)
    sizes = {"INPUT_BYTES": "i_payload", "OUTPUT_BYTES": "o_payload"}
    for number in range(count):
        sizes[f"WEIGHT_BYTES_{number}"] = f"i_weights_{number}_payload"
        sizes[f"PARAMETER_BYTES_{number}"] = f"i_parameters_{number}_payload"
    lines = ["#pragma once", "#include <cstddef>"]
    for name, port in sizes.items():
        lines.append(f"constexpr size_t {name} = {beat_bytes(widths[port])};")
    lines += [
        f"constexpr size_t STAGES = {count};",
        f"constexpr size_t IMAGE_BEATS = {stages[-1].target.beats};",
        f"#define LAYERS_STAGES(X) {' '.join(f'X({number})' for number in range(count))}",
        "",
    ]
    return "\n".join(lines)
