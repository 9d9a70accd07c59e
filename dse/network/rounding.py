"""Requantisation constants: a positive real factor as a mantissa and a shift.

The overlay computes ``y = clip(round_half_even(acc * mantissa / 2**shift) + zero_point)`` with a
17-bit mantissa (bit 16 set), so the factor's relative error is at most 2**-18 ... 2**-17.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MANTISSA_BITS = 17
MAX_SHIFT = 63


@dataclass(frozen=True)
class Factor:
    """``mantissa / 2**shift``, mantissa in [2**16, 2**17), shift in [0, 63]."""

    mantissa: int
    shift: int

    @property
    def value(self) -> float:
        return self.mantissa / 2.0**self.shift


def factor(real: float) -> Factor:
    """The nearest representable factor; ValueError outside (2**-47, 2**17).

    Too small a factor cannot be represented with a 17-bit mantissa; it would round every
    accumulator of 32 bits to zero anyway.
    """
    if not (math.isfinite(real) and real > 0):
        raise ValueError(f"a requantisation factor must be positive and finite, not {real!r}")
    fraction, exponent = math.frexp(real)  # real = fraction * 2**exponent, fraction in [0.5, 1)
    mantissa = round(fraction * 2**MANTISSA_BITS)
    if mantissa == 2**MANTISSA_BITS:
        mantissa, exponent = mantissa // 2, exponent + 1
    shift = MANTISSA_BITS - exponent
    if not 0 <= shift <= MAX_SHIFT:
        raise ValueError(f"requantisation factor {real!r} lies outside (2**-47, 2**17)")
    return Factor(mantissa, shift)


def factor_pair(real_a: float, real_b: float) -> tuple[int, int, int]:
    """(mantissa_a, mantissa_b, shift) of two factors with a common shift, for additions.

    The larger factor has the full 17 bits; the smaller is rounded to the same unit.
    """
    shift = factor(max(real_a, real_b)).shift
    a, b = (round(real * 2.0**shift) for real in (real_a, real_b))
    if max(a, b) < 2**MANTISSA_BITS:
        return a, b, shift
    return round(real_a * 2.0 ** (shift - 1)), round(real_b * 2.0 ** (shift - 1)), shift - 1


def round_half_even_shift(
    value: npt.NDArray[np.int64], shift: npt.NDArray[np.int64] | int
) -> npt.NDArray[np.int64]:
    """``round_half_even(value / 2**shift)``, exact in int64; shift in [0, 63], broadcast."""
    shift = np.asarray(shift, dtype=np.int64)
    floor = value >> shift
    rest = value - (floor << shift)
    half = np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), np.int64(0))
    up = (shift > 0) & ((rest > half) | ((rest == half) & ((floor & 1) == 1)))
    return floor + up


def requantise(
    acc: npt.NDArray[np.int64],
    mantissa: npt.NDArray[np.int64] | int,
    shift: npt.NDArray[np.int64] | int,
    zero_point: npt.NDArray[np.int64] | int,
    low: npt.NDArray[np.int8] | int,
    high: npt.NDArray[np.int8] | int,
) -> npt.NDArray[np.int8]:
    """The overlay's requantisation of integers ``acc``; all else broadcasts against it."""
    return rescaled(acc, mantissa, shift, zero_point, low, high).astype(np.int8)


def rescaled(
    acc: npt.NDArray[np.int64],
    mantissa: npt.NDArray[np.int64] | int,
    shift: npt.NDArray[np.int64] | int,
    zero_point: npt.NDArray[np.int64] | int,
    low: npt.NDArray[np.int8] | int,
    high: npt.NDArray[np.int8] | int,
) -> npt.NDArray[np.int64]:
    """The same for results of any width."""
    scaled = round_half_even_shift(acc.astype(np.int64) * np.asarray(mantissa), shift)
    return np.asarray(np.clip(scaled + zero_point, low, high))
