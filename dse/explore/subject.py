"""What an exploration starts from: a model, or a benchmark by name."""

from __future__ import annotations

import os
from pathlib import Path

from dse.network.graph import Network
from dse.network.numbers import without_numbers
from dse.networks.catalogue import BENCHMARKS, benchmark
from dse.onnx.importer import Imported
from dse.onnx.reading import load, outline
from dse.onnx.shaping import Shapes
from hw.isa.errors import InputError

Subject = Network | Imported


def subject(
    model: str | Path,
    calibration: str | Path | None = None,
    *,
    shapes: Shapes | None = None,
    strict: bool = False,
) -> Subject:
    """What is explored: a model as ``check`` accepts it, or a benchmark.

    A benchmark is an outline, and a float model without calibration.
    """
    if not os.path.exists(model):
        if str(model) not in BENCHMARKS:
            known = ", ".join(sorted(BENCHMARKS))
            raise InputError(f"{model}: neither a file nor a benchmark; benchmarks are {known}")
        if shapes:
            raise InputError(f"--shape is for models; the benchmark {model} has fixed shapes")
        return benchmark(str(model))
    if calibration is None:
        return outline(model, shapes=shapes, strict=strict)
    return load(model, calibration, shapes=shapes, strict=strict)


def workload(model: str | Path, calibration: str | Path | None = None) -> Network:
    """The outline of an ONNX model, or of a benchmark network by name.

    Layers are named as ``compile`` names them, so that their mapping can be compiled.
    """
    return shapes_of(subject(model, calibration))


def shapes_of(subject: Subject) -> Network:
    """The outline of what is explored."""
    return without_numbers(subject.network if isinstance(subject, Imported) else subject)
