"""Models and their calibration from files; what is refused names the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy.typing as npt

from dse.files.about import about
from dse.network.graph import Network, NetworkError
from dse.network.inputs import read_arrays
from dse.onnx import importer, shaping, source
from dse.onnx.findings import Report
from dse.onnx.importer import Imported
from dse.onnx.shaping import Shapes


def check(model: str | Path, *, shapes: Shapes | None = None, strict: bool = False) -> Report:
    """What of an ONNX model the overlay can execute, and what it lacks for the rest."""
    with about(model):
        return importer.check(model, shapes=shapes, strict=strict)


def load(
    model: str | Path,
    calibration: str | Path | Mapping[str, npt.NDArray] | None = None,
    *,
    shapes: Shapes | None = None,
    strict: bool = False,
) -> Imported:
    """An ONNX model as a quantised network and the host's share of it.

    ``calibration``: typical inputs, which a float model needs to be quantised: arrays by ONNX
    input name, or an ``.npz`` file of them.  ``shapes``: of inputs with free axes.
    ``strict``: refuse operators that the host would run between layers.
    """
    given = "calibration"  # as the importer calls it in its errors
    if isinstance(calibration, str | Path):
        given, calibration = str(calibration), read_arrays(calibration)
    try:
        return importer.load(model, calibration, shapes=shapes, strict=strict)
    except NetworkError as error:
        with about(given if str(error).startswith("calibration:") else model):
            raise


def fix(model: str | Path, shapes: Shapes, out: str | Path) -> Shapes:
    """Write a model whose inputs have these shapes, and one image where the batch is free."""
    with about(model):
        return shaping.fix(source.read_model(Path(model))[0], shapes, str(model), out)


def outline(model: str | Path, *, shapes: Shapes | None = None, strict: bool = False) -> Network:
    """The network of a model, with weights of zero if it is a float one."""
    with about(model):
        return importer.outline(model, shapes=shapes, strict=strict)
