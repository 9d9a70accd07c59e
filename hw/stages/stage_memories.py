"""The memories of a stage that a clock reads: block RAM."""

from __future__ import annotations

from dataclasses import dataclass

from hw.isa.config import ceil_div
from hw.stages.result_beat import parameter_layout, result_layout
from hw.stages.shape import StageShape


@dataclass(frozen=True, kw_only=True)
class MemorySize:
    """So many equal memories, of ``depth`` rows of ``width`` bits each."""

    count: int
    width: int
    depth: int


def stage_memories(shape: StageShape) -> dict[str, MemorySize]:
    """The memories by the part of `LayerStage` that has them; a part without any is left out."""
    beat = shape.beat_channels * shape.bits
    record = parameter_layout(accumulator_bits=shape.accumulator_bits, scaled=shape.scaled)
    found = {
        "ring": MemorySize(
            count=shape.para_seg * shape.touched,
            width=shape.row_lanes * shape.bits,
            depth=max(2, shape.bank_depth),
        ),
        "weights": MemorySize(
            count=1,
            width=shape.para_in * shape.para_out * shape.bits,
            depth=max(2, shape.weight_depth),
        ),
        "results": MemorySize(
            count=shape.drain_segments,
            width=beat,
            depth=max(2, shape.step_slots * shape.step_words),
        )
        if shape.reorders
        else MemorySize(
            count=1,
            width=result_layout(shape.beat_channels, shape.bits).size,
            depth=shape.queue_depth,
        ),
        "drain": MemorySize(
            count=1,
            width=shape.drain_channels * record.size,
            depth=max(2, shape.parameter_rows),
        ),
    }
    if shape.pool is not None:
        found["pool"] = MemorySize(
            count=ceil_div(shape.pool.kernel, shape.pool.stride),
            width=beat,
            depth=max(2, shape.pool.size_out * shape.pixel_beats),
        )
    return found
