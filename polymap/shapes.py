"""The workload that an exploration starts from: of a model, or of a benchmark by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dse.network import importer
from dse.networks import BENCHMARKS, Workload, benchmark, from_network, from_onnx
from polymap.api import load
from polymap.errors import about


def workload(model: str | Path, calibration: str | Path | None = None) -> Workload:
    """The shapes of an ONNX model, or of a benchmark network by name.

    Layers of a quantised model, or of one quantised with ``calibration``, are named as
    ``compile`` names them, so that their mapping can be compiled.
    """
    if str(model) in BENCHMARKS and not Path(model).exists():
        return benchmark(str(model))
    with about(model):
        if calibration is not None or importer.check(model).kind == "quantised":
            return from_network(load(model, calibration).network)
        return replace(from_onnx(model), name=Path(model).stem)
