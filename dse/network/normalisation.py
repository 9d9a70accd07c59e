"""Local response normalisation: a value times a gain that the squares around it decide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dse.network.tensor import NetworkError, Quantisation
from hw.isa.squares import CODES, REACH, least_sum

Int64s = npt.NDArray[np.int64]

_GAIN_MAX = 255
_STARTS = np.array([least_sum(code) for code in range(CODES + 1)])


@dataclass(frozen=True)
class Gain:
    """``(bias + alpha * sum) ** -beta`` of a real sum of squares."""

    alpha: float
    beta: float
    bias: float

    def __call__(self, sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The gains of some sums."""
        return (self.bias + self.alpha * sums) ** -self.beta

    @property
    def largest(self) -> float:
        """Of no squares at all."""
        return self.bias**-self.beta


@dataclass(frozen=True)
class Normalisation:
    """Each value, relative to its zero point, times the gain of the squares around it.

    Parameters
    ----------
    reach : how many channels on either side of a value are summed with its own.
    gain : of a sum.
    """

    reach: int
    gain: Gain

    def __post_init__(self) -> None:
        if not 0 <= self.reach <= REACH:
            raise NetworkError(
                f"a normalisation over {self.reach} channels on either side: at most {REACH} are"
                " possible"
            )

    def gains(self, values: Quantisation) -> Gains:
        """The gains of integers of a quantisation: each code's is that of its middle sum."""
        middles = (_STARTS[:-1] + _STARTS[1:] - 1) / 2
        real = self.gain(middles * values.scale**2)
        unit = float(real.max()) / _GAIN_MAX
        return Gains(self.reach, np.rint(real / unit).astype(np.uint8).tobytes(), unit)


@dataclass(frozen=True)
class Gains:
    """A normalisation in integers.

    ``entries``: a byte without sign for each code of a sum (``hw.isa.squares``), in units of
    ``unit``.
    """

    reach: int
    entries: bytes
    unit: float

    def __call__(self, centred: Int64s) -> Int64s:
        """The products of values [height, width, channels] and their gains."""
        squares = np.pad(centred**2, ((0, 0), (0, 0), (self.reach, self.reach)))
        near = np.lib.stride_tricks.sliding_window_view(squares, 2 * self.reach + 1, axis=2)
        code = np.searchsorted(_STARTS, near.sum(axis=-1), side="right") - 1
        return centred * np.frombuffer(self.entries, np.uint8).astype(np.int64)[code]
