"""Quantisation of a float draft by onnxruntime.quantization, calibrated on images."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from dse.network import emit
from dse.network.draft import Draft
from dse.network.graph import NetworkError
from dse.network.source import IR_VERSION, first_line


class _Images(CalibrationDataReader):
    """One image after the other, as onnxruntime wants them."""

    def __init__(self, images: Iterator[Mapping[str, npt.NDArray]]) -> None:
        self._images = images

    def get_next(self) -> Mapping[str, npt.NDArray] | None:
        return next(self._images, None)


def quantise(
    draft: Draft, name: str, images: Iterator[Mapping[str, npt.NDArray[np.float32]]]
) -> onnx.ModelProto:
    """A QDQ model of the draft: int8 activations, int8 weights per output channel, float biases.

    ``images``: the draft's inputs by name, NCHW, one image at a time.
    """
    model = onnx.shape_inference.infer_shapes(emit.float_model(draft, name))
    add_pre_process_metadata(model)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", RuntimeWarning
        )  # not-a-numbers, which end in an error below
        path = Path(folder) / "quantised.onnx"
        try:
            _quantise(model, path, images)
        except Exception as error:  # onnxruntime raises AssertionError, its own Fail and others
            raise NetworkError(
                f"onnxruntime cannot quantise {name!r}: {first_line(error)};"
                " check that weights and calibration images are sound"
            ) from error
        quantised = onnx.load(path)
    quantised.ir_version = IR_VERSION
    return quantised


def _quantise(
    model: onnx.ModelProto, path: Path, images: Iterator[Mapping[str, npt.NDArray]]
) -> None:
    quantize_static(
        model,
        path,
        _Images(images),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        extra_options={"ForceQuantizeNoInputCheck": True, "QuantizeBias": False},
    )
