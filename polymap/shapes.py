"""The workload that an exploration starts from: of a model, or of a benchmark by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx

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
        return replace(from_onnx(_single_image(model)), name=Path(model).stem)


def _single_image(model: str | Path) -> onnx.ModelProto:
    """The model with a batch of one, whatever it was exported with."""
    single = onnx.load(model, load_external_data=False)
    graph = single.graph
    constants = {tensor.name for tensor in graph.initializer}
    for value in graph.input:
        dims = value.type.tensor_type.shape.dim
        if value.name not in constants and dims:
            dims[0].dim_value = 1
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    del graph.value_info[:]
    return single
