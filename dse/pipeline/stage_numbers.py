"""What the stages of a layer pipeline compute with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class StageNumbers:
    """What a stage computes with.

    Parameters
    ----------
    weights : [n_out, kernel, kernel, n_in].
    bias, mantissa, shift : of each output channel; a mantissa of 1 where stages only shift.
    zero_in, zero_out : what stands for zero in the input and in the result.
    low, high : bounds of the result.
    """

    weights: Ints
    bias: Ints
    mantissa: Ints
    shift: Ints
    zero_in: int
    zero_out: int
    low: int
    high: int
