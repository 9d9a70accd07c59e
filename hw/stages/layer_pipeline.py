"""A whole layer pipeline: its stages, one behind the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.stages.layer_stage import LayerStage
from hw.stages.ring_write import beat_layout
from hw.stages.shape import StageShape
from hw.stages.stage_parameters import parameter_bits


def image_ports(stages: Sequence[StageShape]) -> dict[str, Any]:
    """The members of a pipeline that images pass, and what it tells of them: `LayerPipeline`."""
    first, last = stages[0], stages[-1]
    return {
        "i": In(stream.Signature(beat_layout(first.source.width, first.bits))),
        "o": Out(stream.Signature(beat_layout(last.out_width, last.bits))),
        "o_busy": Out(len(stages)),
        "o_ends": Out(len(stages)),
        "o_there": Out(len(stages)),
    }


class LayerPipeline(wiring.Component):
    """Images in, feature maps out; every stage works on another image.

    Parameters
    ----------
    stages : each takes what the one before gives.

    Members
    -------
    i : stream of beats, as the first stage's ``source`` says.
    o : stream of beats, as the last stage's ``target`` says.
    i_weights_K, i_parameters_K : streams of stage K.
    o_busy : Out. For each stage: it issues a wave. o_ends : Out. It issues an image's last.
    o_there : Out. For each stage: it has all that it waits for before the first image.
    """

    def __init__(self, *, stages: Sequence[StageShape]) -> None:
        if not stages:
            raise ValueError("stages must hold one at least, not ()")
        for before, after in pairwise(stages):
            if before.target != after.arrives:
                raise ValueError(f"stages must fit: {before.target!r} meets {after.arrives!r}")
        self._stages = tuple(stages)
        ports = image_ports(stages)
        for number, shape in enumerate(stages):
            weights = data.ArrayLayout(shape.bits, shape.weight_beat)
            ports[f"i_weights_{number}"] = In(stream.Signature(weights))
            ports[f"i_parameters_{number}"] = In(stream.Signature(parameter_bits(shape)))
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        arriving: Any = wiring.flipped(self.i)
        for number, shape in enumerate(self._stages):
            stage = LayerStage(shape=shape)
            m.submodules[f"stage_{number}"] = stage
            wiring.connect(m, arriving, stage.i)
            for name in ("i_weights", "i_parameters"):
                port = getattr(self, f"{name}_{number}")
                wiring.connect(m, wiring.flipped(port), getattr(stage, name))
            m.d.comb += [
                self.o_busy[number].eq(stage.o_busy),
                self.o_ends[number].eq(stage.o_ends),
                self.o_there[number].eq(stage.o_there),
            ]
            arriving = stage.o
        wiring.connect(m, arriving, wiring.flipped(self.o))
        return m
