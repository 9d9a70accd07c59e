"""Activation tables: any function of one int8 value, entry by entry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dse.network.tensor import NetworkError, Quantisation
from hw.isa.config import TABLE_ENTRIES

Int8s = npt.NDArray[np.int8]


@dataclass(frozen=True)
class ActivationTable:
    """The int8 that becomes of each int8.

    ``quantisation``: what the values mean that it is applied to.  ``entries``: one byte for each of
    them, by their bit pattern: 0 to 127, then -128 to -1.  An outline's table has neither.
    """

    quantisation: Quantisation | None = None
    entries: bytes = b""

    def __post_init__(self) -> None:
        if len(self.entries) != (TABLE_ENTRIES if self.quantisation else 0):
            raise NetworkError(f"a table has {TABLE_ENTRIES} entries, not {len(self.entries)}")

    @classmethod
    def of(cls, quantisation: Quantisation, values: Iterable[int]) -> ActivationTable:
        """The table whose ``values`` are those of -128 and on."""
        ascending = np.fromiter(values, np.int8)
        return cls(quantisation, np.roll(ascending, -(len(ascending) // 2)).tobytes())

    def __call__(self, values: Int8s) -> Int8s:
        """The entries of some values."""
        return np.frombuffer(self.entries, np.int8)[np.ascontiguousarray(values).view(np.uint8)]
