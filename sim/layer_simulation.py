"""A layer pipeline in Verilator: images through all stages, with the cycles of each."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dse.cycles.dram import FULL_RATE
from dse.pipeline.model.bus_period import bus_period
from dse.pipeline.stage_numbers import Ints, StageNumbers
from dse.pipeline.weight_image import weight_image
from hw.lib.emit import Verilog
from hw.stages.shape import StageShape
from hw.stages.weight_region import WeightBus
from sim.fast.simulated_run import IDEAL, Timing
from sim.layer_job import beat_bytes, map_beats, map_values
from sim.runner import MEMORY_BASE, PAGE, SimulationError, timing_words
from sim.verilator import build

LAYERS_SOURCE = Path(__file__).parent / "layers" / "main.cpp"
SLACK = 8  # times the predicted cycles that a run may take
ALWAYS = 256


@dataclass(frozen=True, kw_only=True)
class StreamRates:
    """How often of 256 cycles input and output are ready, at random."""

    input: int = ALWAYS
    output: int = ALWAYS
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class PipelineRun:
    """What a run gave.

    Parameters
    ----------
    results : maps, one an image.
    cycles : of the whole run.
    began : the cycle in which the first beat of an image went in.
    busy : for each stage, the cycles in which it worked.
    ends : for each stage, the cycles in which it was done with a map.
    maps : the cycles in which results were out, whole: of an image or of a batch.
    read : for each master, the beats that it read.
    images : for each stage, the images of a map.
    """

    results: tuple[Ints, ...]
    cycles: int
    began: int
    busy: tuple[int, ...]
    ends: tuple[tuple[int, ...], ...]
    maps: tuple[int, ...]
    read: tuple[int, ...]
    images: tuple[int, ...]

    @property
    def period(self) -> int | None:
        """Cycles of an image in the last batch, up to whole ones, where they are most."""
        batch = max(self.images)
        gaps = []
        for ends, images in zip(self.ends, self.images, strict=True):
            maps = batch // images
            if len(ends) > maps:
                gaps.append(-(-(ends[-1] - ends[-1 - maps]) // batch))
        return max(gaps, default=None)

    @property
    def latency(self) -> int:
        """Cycles from the first beat of the first image, or batch, to the last of its result."""
        return self.maps[0] - self.began


class PipelineSimulation:
    """A layer pipeline built with its harness.

    Parameters
    ----------
    stages : of the pipeline.
    bus : its masters.
    verilog : of `StreamedPipeline`.
    hierarchical : build marked modules apart from the rest.
    """

    def __init__(
        self,
        stages: Sequence[StageShape],
        bus: WeightBus,
        verilog: Verilog,
        *,
        hierarchical: bool = False,
    ) -> None:
        self._stages = tuple(stages)
        self._bus = bus
        self._executable = build(
            verilog,
            sources=[LAYERS_SOURCE],
            headers={"design.h": pipeline_header(stages, bus, verilog)},
            hierarchical=hierarchical,
        )

    def run(
        self,
        numbers: Sequence[StageNumbers],
        images: Sequence[Ints],
        *,
        rates: StreamRates | None = None,
        timing: Timing = IDEAL,
        progress: Callable[[int], None] = lambda _: None,
    ) -> PipelineRun:
        """All images, one behind the other; ``progress`` hears of cycles.

        Raises
        ------
        SimulationError
            When the images are no whole batches, or not all results come in time.
        """
        first, last = self._stages[0], self._stages[-1]
        rates = rates or StreamRates()
        batch = max(shape.images for shape in self._stages)
        if len(images) % batch:
            raise SimulationError(f"{len(images)} images are no whole batches of {batch}")
        with tempfile.TemporaryDirectory(prefix="polymap-") as name:
            folder = Path(name)
            lines = [f"rates {rates.input} {rates.output} {rates.seed}"]

            def file(stem: str, data: bytes) -> Path:
                path = folder / stem
                path.write_bytes(data)
                return path

            lines.append(f"timing {timing_words(timing)}")
            maps = b"".join(map_beats(one, first.source, first.bits) for one in images)
            lines.append(f"input {file('input', maps)}")
            stripes = weight_image(self._stages, numbers, self._bus)
            room = -(-len(stripes[0]) // PAGE) * PAGE + PAGE
            lines.append(f"memory {MEMORY_BASE} {room * len(stripes)} 1")
            for port, stripe in enumerate(stripes):
                address = MEMORY_BASE + port * room
                lines.append(f"stripe {port} {address} {file(f'stripe{port}', stripe)}")
            counts = [len(images) // shape.images for shape in self._stages]
            lines.append(f"maps {' '.join(map(str, counts))}")
            wanted = last.target.beats * counts[-1]
            beats = len(stripes[0]) // self._bus.data_bytes
            lines.append(f"run {wanted} {self._limit(len(images), beats, rates, timing)}")
            job = file("job", "\n".join([*lines, ""]).encode())
            results, record = folder / "results", folder / "record"
            self._execute([job, results, record], progress)
            told = json.loads(record.read_text())
            if not told["ended"]:
                raise SimulationError(
                    f"the pipeline gave {len(told['images'])} of {counts[-1]} results in "
                    f"{told['cycles']:,} cycles"
                )
            data = results.read_bytes()
        size = len(data) // counts[-1]
        found = [
            map_values(data[n * size : (n + 1) * size], last.target, last.bits)
            for n in range(counts[-1])
        ]
        return PipelineRun(
            results=tuple(result for one in found for result in _apart(one, last.images)),
            cycles=told["cycles"],
            began=told["began"],
            busy=tuple(told["busy"]),
            ends=tuple(map(tuple, told["ends"])),
            maps=tuple(told["images"]),
            read=tuple(told["read"]),
            images=tuple(shape.images for shape in self._stages),
        )

    def _limit(self, images: int, beats: int, rates: StreamRates, timing: Timing) -> int:
        slowest = bus_period(self._stages, self._bus).cycles
        rate = min(rates.input, rates.output) / ALWAYS
        rate *= timing.rate / FULL_RATE * (100 - timing.stall) / 100
        maps = images + sum(shape.images for shape in self._stages) + 1
        return int(SLACK / rate * (slowest * maps + 2 * beats + 1000 + timing.latency))

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


def _apart(values: Ints, images: int) -> list[Ints]:
    """The results of the images that lie in a map."""
    if images == 1:
        return [values]
    return [pixel.reshape(1, 1, -1) for pixel in values.reshape(images, -1)]


def pipeline_header(stages: Sequence[StageShape], bus: WeightBus, verilog: Verilog) -> str:
    """The harness's view of the design."""
    widths = {port.name: port.width for port in verilog.ports}
    lines = [
        "#pragma once",
        "#include <cstddef>",
        f"constexpr size_t INPUT_BYTES = {beat_bytes(widths['i_payload'])};",
        f"constexpr size_t OUTPUT_BYTES = {beat_bytes(widths['o_payload'])};",
        f"constexpr size_t STAGES = {len(stages)};",
        f"constexpr size_t RESULT_BEATS = {stages[-1].target.beats};",
        f"constexpr unsigned DATA_BYTES = {bus.data_bytes};",
        f"#define POLYMAP_READ_MASTERS(X) {' '.join(f'X({port})' for port in range(bus.ports))}",
    ]
    return "\n".join([*lines, ""])
