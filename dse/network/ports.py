"""The inputs and outputs of a model, as its user sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ModelPort:
    """An input or output of the ONNX model; ``shape`` is that of one image, batch axis first."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
