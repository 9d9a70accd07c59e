"""A layer pipeline's Verilog and its build with the harness, each made once."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Sequence
from pathlib import Path

from hw.lib.emit import Verilog, emit
from hw.stages.shape import StageShape
from hw.stages.streamed_pipeline import StreamedPipeline
from hw.stages.weight_region import WeightBus
from sim.cache import Cache
from sim.fast_overlay import VERILOG, hardware_hash
from sim.layer_simulation import PipelineSimulation
from sim.verilator import build_folder

PIPELINE_TOP = "polymap_pipeline"
HIERARCHICAL_PRODUCTS = 256  # from so many on, building the segments apart pays


def emit_pipeline(stages: Sequence[StageShape], bus: WeightBus) -> Verilog:
    """The pipeline's Verilog, with the masters that it reads weights through."""

    def make(parts: Path) -> None:
        verilog = emit(StreamedPipeline(stages=stages, bus=bus), PIPELINE_TOP)
        (parts / VERILOG).write_bytes(pickle.dumps(verilog))

    told = hashlib.sha256(repr((tuple(stages), bus)).encode()).hexdigest()[:16]
    name = f"{PIPELINE_TOP}-{told}-{hardware_hash()}"
    cache = Cache(build_folder())
    entry = cache.find(name) or cache.keep(name, make)
    verilog: Verilog = pickle.loads((entry / VERILOG).read_bytes())
    return verilog


def build_pipeline(stages: Sequence[StageShape], bus: WeightBus) -> PipelineSimulation:
    """The pipeline with its harness, ready to run."""
    products = sum(s.para_in * s.para_out * s.para_seg for s in stages)
    return PipelineSimulation(
        stages,
        bus,
        emit_pipeline(stages, bus),
        hierarchical=products >= HIERARCHICAL_PRODUCTS,
    )
