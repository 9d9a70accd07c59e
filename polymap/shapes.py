"""The workload that an exploration starts from: of a model, or of a benchmark by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dse.network import importer
from dse.network.importer import Imported
from dse.networks import BENCHMARKS, Workload, benchmark, from_network, from_onnx
from polymap.api import load
from polymap.errors import about


def subject(model: str | Path, calibration: str | Path | None = None) -> Workload | Imported:
    """What is explored: a model that can be compiled, if it is one, else its shapes."""
    if str(model) in BENCHMARKS and not Path(model).exists():
        return benchmark(str(model))
    with about(model):
        if calibration is not None or importer.check(model).kind == "quantised":
            return load(model, calibration)
        return replace(from_onnx(model), name=Path(model).stem)


def workload(model: str | Path, calibration: str | Path | None = None) -> Workload:
    """The shapes of an ONNX model, or of a benchmark network by name.

    Layers of a quantised model, or of one quantised with ``calibration``, are named as
    ``compile`` names them, so that their mapping can be compiled.
    """
    return shapes_of(subject(model, calibration))


def shapes_of(subject: Workload | Imported) -> Workload:
    """The shapes of what is explored."""
    return from_network(subject.network) if isinstance(subject, Imported) else subject
