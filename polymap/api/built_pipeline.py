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
from dse.pipeline.stage_numbers import Ints, StageNumbers
from dse.pipeline.stage_shapes import stage_shapes
from hw.lib.emit import Verilog
from hw.stages.segment import dot_module
from hw.stages.shape import StageShape
from sim import verilator
from sim.layer_build import PIPELINE_TOP, build_pipeline, emit_pipeline
from sim.layer_golden import drawn_numbers, pipeline_result

BUFFERS = {
    "ring": "input",
    "weights": "weight",
    "results": "output",
    "pool": "pool",
    "drain": "parameter",
}
"""What the search calls the memories of a stage's part."""

PIPELINE_VERILOG, PIPELINE_SIDE_CAR = f"{PIPELINE_TOP}.v", f"{PIPELINE_TOP}.json"


@dataclass(frozen=True, kw_only=True)
class BuiltPipeline:
    """A design's stages as hardware."""

    design: Design
    stages: tuple[StageShape, ...]
    verilog: Verilog

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
        ram = self.design.model.ram
        found = {shape.name: dict.fromkeys(BUFFERS.values(), 0) for shape in self.stages}
        for memory in self.verilog.memories:
            top, part = memory.path.split(".")[:2]
            if not memory.clocked:
                continue  # of a few rows: distributed RAM
            stage = self.stages[int(top.rpartition("_")[2])]
            size = {"lanes": np.array([-(-memory.width // 8)]), "depth": np.array([memory.depth])}
            found[stage.name][BUFFERS[part]] += int(ram.blocks(**size)[0])
        return found

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
            "period": self.design.cycles,
            "products": self.products,
            "multipliers": self.multipliers(),
            "memory": {"block": self.design.model.ram.name, "counted": self.blocks()},
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

    def save(self, folder: str | Path) -> None:
        """Writes the Verilog and the side-car."""
        with writing(folder) as files:
            files.text(PIPELINE_VERILOG, self.verilog.text)
            files.json(PIPELINE_SIDE_CAR, self.to_json())


@dataclass(frozen=True, kw_only=True)
class PipelineResult:
    """What the RTL of a pipeline did with images.

    Parameters
    ----------
    images, mismatches : images, and values that differ from the golden model.
    period, predicted : cycles between the last two images, and the search's period.
    cycles : of the run. fill : until the first image was out.
    busy : for each stage, the cycles in which it worked on an image.
    r1 : efficiency over the multipliers on the chip, from the measured period.
    """

    images: int
    mismatches: int
    period: int | None
    predicted: int
    cycles: int
    fill: int
    busy: dict[str, int]
    r1: float | None

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def build(design: Design) -> BuiltPipeline:
    """The Verilog of a design's stages."""
    stages = stage_shapes(design)
    return BuiltPipeline(design=design, stages=stages, verilog=emit_pipeline(stages))


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
    total = design.cycles * (len(images) + len(built.stages))
    simulation = build_pipeline(built.stages)
    run = simulation.run(numbers, images, progress=lambda cycle: progress(cycle, total))
    golden = (pipeline_result(built.stages, numbers, image) for image in images)
    wrong = sum(int((a != b).sum()) for a, b in zip(run.results, golden, strict=True))
    period = run.period
    multipliers = design.device.dsp * design.model.pairing.products
    return PipelineResult(
        images=len(images),
        mismatches=wrong,
        period=period,
        predicted=design.cycles,
        cycles=run.cycles,
        fill=run.images[0],
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
