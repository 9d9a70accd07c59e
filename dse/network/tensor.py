"""Activation tensors: extents, and what their int8 values mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hw.isa.errors import PolymapError

INT8_MIN, INT8_MAX = -128, 127

Shape = tuple[int, int, int]
"""(height, width, channels) of one image's tensor."""


class NetworkError(PolymapError, ValueError):
    """A network is inconsistent; the message says which operator, what and what to do."""


@dataclass(frozen=True)
class Quantisation:
    """``real = scale * (q - zero_point)``, q in int8."""

    scale: float
    zero_point: int

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise NetworkError(f"scale must be a positive finite number, not {self.scale!r}")
        if not INT8_MIN <= self.zero_point <= INT8_MAX:
            raise NetworkError(f"zero point must be an int8, not {self.zero_point!r}")


@dataclass(frozen=True)
class Tensor:
    """One activation tensor, ``height x width x channels`` int8 values.

    ``quantisation`` is None in an outline.  ``parts``: (channels, quantisation) of each range of
    channels where they differ, as in the result of merged convolutions; ``quantisation`` is then
    the first one.
    """

    name: str
    height: int
    width: int
    channels: int
    quantisation: Quantisation | None = None
    parts: tuple[tuple[int, Quantisation], ...] = ()

    def __post_init__(self) -> None:
        if min(self.shape) < 1:
            raise NetworkError(f"tensor {self.name!r}: shape must be positive, not {self.shape}")
        if self.parts and sum(channels for channels, _ in self.parts) != self.channels:
            raise NetworkError(f"tensor {self.name!r}: its parts are not all of its channels")

    @property
    def scale(self) -> float:
        """Of the quantisation."""
        return self._known.scale

    @property
    def zero_point(self) -> int:
        """Of the quantisation."""
        return self._known.zero_point

    @property
    def _known(self) -> Quantisation:
        if self.quantisation is None:
            raise NetworkError(
                f"tensor {self.name!r} has no quantisation: it is part of an outline; import the"
                " model with calibration images"
            )
        return self.quantisation

    @property
    def scales(self) -> npt.NDArray[np.float64]:
        """Scale of each channel."""
        return np.repeat([q.scale for _, q in self.ranges], self._widths)

    @property
    def zero_points(self) -> npt.NDArray[np.int64]:
        """Zero point of each channel."""
        return np.repeat([q.zero_point for _, q in self.ranges], self._widths)

    @property
    def ranges(self) -> tuple[tuple[int, Quantisation], ...]:
        """``parts``, or all channels as one."""
        return self.parts or ((self.channels, self._known),)

    @property
    def _widths(self) -> list[int]:
        return [channels for channels, _ in self.ranges]

    def meaning(self, values: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """[2, n]: scale and zero point of some values, counted from the first of a pixel."""
        channels = values % self.channels
        return np.stack([self.scales[channels], self.zero_points[channels]])

    @property
    def shape(self) -> Shape:
        """(height, width, channels)."""
        return self.height, self.width, self.channels

    @property
    def size(self) -> int:
        """Bytes of the tensor in plain NHWC."""
        return self.height * self.width * self.channels
