"""Local response normalisation: a value times a gain that the squares around it decide."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from dse.network.activation_table import ActivationTable
from dse.network.tensor import NetworkError, Quantisation
from hw.isa.squares import CODES, REACH, least_sum

Int64s = npt.NDArray[np.int64]

_GAIN_MAX = 255
_STARTS = np.array([least_sum(code) for code in range(CODES)])


@dataclass(frozen=True)
class Normalisation:
    """Each value, relative to its zero point, times the gain of a sum of squares.

    Parameters
    ----------
    before, after : how many channels on either side of a value are summed with its own.
    gains : a byte without sign for each code of a sum (``hw.isa.squares``), and what the values
        mean whose squares are summed.  An outline's has neither.
    unit : what a gain of 1 stands for.
    """

    before: int
    after: int
    gains: ActivationTable = ActivationTable()
    unit: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= min(self.before, self.after) <= max(self.before, self.after) <= REACH:
            raise NetworkError(
                f"a normalisation over {self.before} and {self.after} channels beside a value: at"
                f" most {REACH} are possible"
            )

    @property
    def outline(self) -> Normalisation:
        """The same without numbers."""
        return Normalisation(self.before, self.after)

    @classmethod
    def of(cls, reach: tuple[int, int], values: Quantisation, gain: Gain) -> Normalisation:
        """With the gains of a response."""
        ends = np.array([least_sum(code + 1) for code in range(CODES)])
        real = gain((_STARTS + ends - 1) / 2 * values.scale**2)
        unit = float(real.max()) / _GAIN_MAX
        bytes_ = np.rint(real / unit).astype(np.uint8).tobytes()
        return cls(*reach, ActivationTable(values, bytes_), unit)

    def __call__(self, centred: Int64s) -> Int64s:
        """The products of values [height, width, channels] and their gains, in ``unit``."""
        sums = sum(self._shifted(centred**2, by) for by in range(-self.before, self.after + 1))
        return centred * self._bytes[np.searchsorted(_STARTS, sums, side="right") - 1]

    @cached_property
    def _bytes(self) -> Int64s:
        return np.frombuffer(self.gains.entries, np.uint8).astype(np.int64)

    @staticmethod
    def _shifted(squares: Int64s, by: int) -> Int64s:
        """Of each channel, the one that lies ``by`` behind it; beyond the ends, zero."""
        channels = squares.shape[2]
        padded = np.pad(squares, ((0, 0), (0, 0), (REACH, REACH)))
        return padded[:, :, REACH + by : REACH + by + channels]


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
