"""A layer pipeline that a search has found, as hardware: Verilog, and runs of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dse.files.writing import writing
from dse.pipeline.design import Design
from dse.pipeline.efficiency import pipeline_efficiency
from dse.pipeline.model.bus_period import BusPeriod, bus_period
from dse.pipeline.model.first_image import first_image
from dse.pipeline.recount import BUFFERS
from dse.pipeline.stage_numbers import Ints, StageNumbers
from dse.pipeline.stage_shapes import stage_shapes
from dse.pipeline.weight_image import weight_image
from hw.lib.emit import EmittedMemory, Verilog
from hw.stages.segment import dot_module
from hw.stages.shape import StageShape
from hw.stages.weight_region import WeightBus, weight_regions
from sim import verilator
from sim.layer_build import PIPELINE_TOP, build_pipeline, emit_pipeline
from sim.layer_golden import drawn_numbers, pipeline_result

STAGES, FETCH = "stages", "fetch"  # parts of the top
PIPELINE_VERILOG, PIPELINE_SIDE_CAR = f"{PIPELINE_TOP}.v", f"{PIPELINE_TOP}.json"


@dataclass(frozen=True, kw_only=True)
class BuiltPipeline:
    """A design's stages as hardware, with the masters that they read weights through."""

    design: Design
    stages: tuple[StageShape, ...]
    bus: WeightBus
    verilog: Verilog

    @property
    def period(self) -> BusPeriod:
        """Cycles of an image, of stages and bus."""
        return bus_period(self.stages, self.bus)

    def lint(self) -> str:
        """ "clean", or why the Verilog was not checked; ToolError if it has a fault."""
        try:
            verilator.verilator()
        except verilator.ToolError as error:
            return f"not checked: {error}"
        verilator.lint(self.verilog)
        return "clean"

    def blocks(self) -> dict[str, dict[str, int]]:
        """For each stage and buffer the memory blocks, counted from the elaborated memories."""
        found = {shape.name: dict.fromkeys(BUFFERS.values(), 0) for shape in self.stages}
        for memory in self._block_memories(STAGES):
            _, stage, part = memory.path.split(".")[:3]
            name = self.stages[int(stage.rpartition("_")[2])].name
            found[name][BUFFERS[part]] += self._blocks(memory)
        return found

    def bus_blocks(self) -> int:
        """Memory blocks of what reads parameters and weights, counted likewise."""
        return sum(map(self._blocks, self._block_memories(FETCH)))

    def _block_memories(self, part: str) -> list[EmittedMemory]:
        """Memories of a part that a clock reads; others have a few rows: distributed RAM."""
        memories = (one for one in self.verilog.memories if one.path.startswith(f"{part}."))
        return [memory for memory in memories if memory.clocked]

    def _blocks(self, memory: EmittedMemory) -> int:
        lanes, depth = np.array([-(-memory.width // 8)]), np.array([memory.depth])
        return int(self.design.model.ram.blocks(lanes=lanes, depth=depth)[0])

    @property
    def products(self) -> int:
        """Products of a cycle."""
        return sum(shape.para_in * shape.para_out * shape.para_seg for shape in self.stages)

    def multipliers(self) -> int:
        """Multipliers, of one product or two, counted from the elaborated cascades."""
        inputs = {dot_module(shape): shape.para_in for shape in self.stages}
        return sum(inputs.get(name, 0) * count for name, count in self.verilog.instances)

    def to_json(self) -> dict[str, Any]:
        """The side-car: what a build or a host needs to know of the design."""
        return {
            "top": self.verilog.top,
            "network": self.design.network.name,
            "device": self.design.device.name,
            "verilog_sha256": self.verilog.sha256,
            "modules": list(self.verilog.modules),
            "period": self.period.cycles,
            "weight_cycles": float(self.period.weights),
            "products": self.products,
            "multipliers": self.multipliers(),
            "memory": {
                "block": self.design.model.ram.name,
                "counted": self.blocks(),
                "bus": self.bus_blocks(),
            },
            "bus": asdict(self.bus),
            "regions": [asdict(region) for region in weight_regions(self.stages, self.bus)],
            "stages": [_stage(shape) for shape in self.stages],
            "ports": [
                {
                    "name": port.name,
                    "direction": "output" if port.output else "input",
                    "width": port.width,
                }
                for port in self.verilog.ports
            ],
        }

    def save(self, folder: str | Path, numbers: Sequence[StageNumbers] | None = None) -> None:
        """Writes the Verilog and the side-car; of numbers, what the memory must hold."""
        with writing(folder) as files:
            files.text(PIPELINE_VERILOG, self.verilog.text)
            files.json(PIPELINE_SIDE_CAR, self.to_json())
            if numbers is not None:
                for port, stripe in enumerate(weight_image(self.stages, numbers, self.bus)):
                    files.bytes(f"{PIPELINE_TOP}_gmem{port}.bin", stripe)


@dataclass(frozen=True, kw_only=True)
class PipelineResult:
    """What the RTL of a pipeline did with images.

    Parameters
    ----------
    images, mismatches : images, and values that differ from the golden model.
    period, predicted : cycles of an image in the last batch, and those of the model.
    cycles : of the run.
    latency, predicted_latency : from the first beat of the first image, or batch, to its result.
    read : beats that each master read.
    busy : for each stage, the cycles in which it worked on an image.
    r1 : efficiency over the multipliers on the chip, from the measured period.
    """

    images: int
    mismatches: int
    period: int | None
    predicted: int
    cycles: int
    latency: int
    predicted_latency: int
    read: tuple[int, ...]
    busy: dict[str, int]
    r1: float | None

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def build(design: Design, bus: WeightBus) -> BuiltPipeline:
    """The Verilog of a design's stages, with their masters."""
    stages = stage_shapes(design)
    verilog = emit_pipeline(stages, bus)
    return BuiltPipeline(design=design, stages=stages, bus=bus, verilog=verilog)


def run_images(
    built: BuiltPipeline,
    count: int,
    numbers: Sequence[StageNumbers] | None = None,
    *,
    seed: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PipelineResult:
    """Drawn images in RTL and in the golden model, through drawn weights if there are none."""
    first = built.stages[0]
    rng = np.random.default_rng(seed)
    size = (first.size_in, first.size_in, first.source.channels)
    top = 1 << (first.bits - 1)
    images = [rng.integers(0 if numbers is None else -top, top, size) for _ in range(count)]
    if numbers is None:
        numbers = drawn_numbers(built.stages, images[0], rng)
    return _run(built, numbers, images, progress)


def _run(
    built: BuiltPipeline,
    numbers: Sequence[StageNumbers],
    images: Sequence[Ints],
    progress: Callable[[int, int], None],
) -> PipelineResult:
    design = built.design
    predicted = built.period.cycles
    total = predicted * (len(images) + sum(shape.images for shape in built.stages))
    simulation = build_pipeline(built.stages, built.bus)
    run = simulation.run(numbers, images, progress=lambda cycle: progress(cycle, total))
    golden = (pipeline_result(built.stages, numbers, image) for image in images)
    wrong = sum(int((a != b).sum()) for a, b in zip(run.results, golden, strict=True))
    period = run.period
    multipliers = design.device.dsp * design.model.pairing.products
    return PipelineResult(
        images=len(images),
        mismatches=wrong,
        period=period,
        predicted=predicted,
        cycles=run.cycles,
        latency=run.latency,
        predicted_latency=first_image(built.stages),
        read=run.read,
        busy={
            shape.name: busy // len(images)
            for shape, busy in zip(built.stages, run.busy, strict=True)
        },
        r1=None
        if period is None
        else pipeline_efficiency(macs=design.network.macs, cycles=period, multipliers=multipliers),
    )


def _stage(shape: StageShape) -> dict[str, Any]:
    """What a host needs to know of a stage: loops, links and the streams that it takes."""
    fields = asdict(shape)
    fields["scheme"] = shape.scheme.value
    return {
        **fields,
        "target": asdict(shape.target),
        "tiles": shape.tiles,
        "passes": shape.passes,
        "steps": shape.steps,
        "cycles": shape.cycles,
        "weight_beat": shape.weight_beat,
        "weight_pieces": shape.weight_pieces,
        "accumulator_bits": shape.accumulator_bits,
    }
