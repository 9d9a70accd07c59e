"""Layers of the pooling engine, and what numpy makes of them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np

from dse.network.rounding import Factor, factor, requantise
from hw.isa import Combination
from hw.isa.config import OverlayConfig

RECORDS = 1 << 16


GAINS = random.Random(7).randbytes(256)  # those of all normalisations, in table 2


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A pooling operator on a channel slice of an NHWC tensor; rows first in every pair."""

    average: bool = False
    size: tuple[int, int] = (6, 6)
    channels: int = 5
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    before: tuple[int, int] = (0, 0)
    after: tuple[int, int] = (0, 0)
    ceil: bool = False
    include_padding: bool = False
    slack: tuple[int, int] = (0, 0)  # channels before and behind the slice
    zero_point: int = 0
    halves: bool = False  # two pixels fill the engine's lanes
    seed: int = 0

    def out_size(self) -> tuple[int, int]:
        out = []
        for axis in range(2):
            span = self.dilation[axis] * (self.kernel[axis] - 1) + 1
            free = self.size[axis] + self.before[axis] + self.after[axis] - span
            step = self.stride[axis]
            count = (free + (step - 1) * self.ceil) // step + 1
            if (count - 1) * step >= self.size[axis] + self.before[axis]:
                count -= 1  # no window starts behind the image
            out.append(count)
        return out[0], out[1]

    @property
    def pitch(self) -> int:
        return self.slack[0] + self.channels + self.slack[1]

    @property
    def bytes(self) -> int:
        return self.size[0] * self.size[1] * self.pitch

    def fields(self, *, address: int, out_address: int, out_pitch: int, tag: int) -> dict[str, int]:
        (height, width), pitch = self.size, self.pitch
        (out_height, out_width), row_pitch = self.out_size(), width * pitch
        counted = [self.size[i] + self.after[i] * self.include_padding for i in range(2)]
        return {
            "tag": tag,
            "address": address - self.before[0] * row_pitch,
            "row_pitch": row_pitch,
            "height": height,
            "row0": -self.before[0],
            "position0": -self.before[1] * pitch + self.slack[0],
            "row_step": self.stride[0],
            "row_step_bytes": self.stride[0] * row_pitch,
            "column_step": self.stride[1] * pitch,
            "tap_rows": self.kernel[0],
            "tap_row_step": self.dilation[0],
            "tap_row_bytes": self.dilation[0] * row_pitch,
            "tap_columns": self.kernel[1],
            "tap_column_step": self.dilation[1] * pitch,
            "zero_point": self.zero_point,
            "out_width": out_width,
            "pixels": out_height * out_width,
            "out_address": out_address,
            "out_pitch": out_pitch,
            "parameters": random.Random(self.seed).randrange(RECORDS),
            "average": int(self.average),
            "include_padding": int(self.include_padding),
            "counted_height": counted[0],
            "counted_bytes": counted[1] * pitch,
            "channels": self.channels,
            "halves": int(self.halves),
        }

    def record(self, count: int) -> dict[str, int]:
        rng = random.Random(1000 * self.seed + count)
        scale = factor(rng.uniform(0.5, 2) / max(count, 1))
        zero_point = rng.randint(-20, 20)
        return {
            "bias": -self.zero_point * (count if self.average else 1),
            "mantissa": scale.mantissa,
            "shift": scale.shift,
            "zero_point": zero_point,
            "low": rng.choice((-128, zero_point)),
            "high": rng.choice((127, 60)),
        }

    def records(self, parameters: int) -> dict[int, dict[str, int]]:
        counts = range(self.kernel[0] * self.kernel[1] + 1) if self.average else (0,)
        return {(parameters + count) % RECORDS: self.record(count) for count in counts}

    def behind(self, config: OverlayConfig, fields: dict[str, int]) -> dict[int, bytes]:
        """What it needs in the memories whose records come behind the channels'."""
        return {}

    def run(self, image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The operator itself on (height, width, pitch) integers."""
        image = image[:, :, self.slack[0] : self.slack[0] + self.channels]
        out = np.zeros((*self.out_size(), self.channels), dtype=np.int64)
        for oy, ox in np.ndindex(*self.out_size()):
            values = []
            for ky, kx in np.ndindex(*self.kernel):
                y = oy * self.stride[0] + ky * self.dilation[0] - self.before[0]
                x = ox * self.stride[1] + kx * self.dilation[1] - self.before[1]
                padded = y < self.size[0] + self.after[0] and x < self.size[1] + self.after[1]
                if 0 <= y < self.size[0] and 0 <= x < self.size[1]:
                    values.append(image[y, x])
                elif self.include_padding and padded:
                    values.append(np.full(self.channels, self.zero_point))
            nothing = np.full(self.channels, 0 if self.average else -128)
            taps = np.array([nothing, *values], dtype=np.int64)
            record = self.record(len(values) if self.average else 0)
            total = (taps.sum(axis=0) if self.average else taps.max(axis=0)) + record.pop("bias")
            out[oy, ox] = requantise(total, **record)
        return out


@dataclass(frozen=True, kw_only=True)
class Pair(Layer):
    """What becomes of two channel slices, or of one with a pixel of the other, behind it.

    ``spread``: the other one has one channel.
    """

    shared: bool = False
    other_zero_point: int = 0
    combination: Combination = Combination.PRODUCT
    factors: tuple[int, int] = (1, 1)
    spread: bool = False

    def fields(self, *, address: int, out_address: int, out_pitch: int, tag: int) -> dict[str, int]:
        fields = super().fields(
            address=address, out_address=out_address, out_pitch=out_pitch, tag=tag
        )
        step = self.pitch if self.shared else 0
        return fields | {
            "position0": fields["position0"] - step,
            "tap_columns": 2,
            "tap_column_step": step,
            "product": 1,
            "operand_address": address + self.slack[0] + self.channels,
            "operand_pitch": self.pitch * (not self.shared),
            "operand_zero_point": self.other_zero_point,
            "combination": self.combination,
            "factor": self.factors[0],
            "operand_factor": self.factors[1],
            "spread": int(self.spread),
        }

    def record(self, count: int) -> dict[str, int]:
        scale = factor(1 / 100) if self.combination == Combination.PRODUCT else Factor(1, 17)
        return super().record(count) | {"bias": 0, "mantissa": scale.mantissa, "shift": scale.shift}

    def run(self, image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        out = np.zeros((*self.size, self.channels), dtype=np.int64)
        for y, x, c in np.ndindex(*out.shape):
            own = int(image[y, x, self.slack[0] + c])
            pixel = image[0, 0] if self.shared else image[y, x]
            other = int(pixel[self.slack[0] + self.channels + (0 if self.spread else c)])
            a, b = own - self.zero_point, other - self.other_zero_point
            scaled = a * self.factors[0], b * self.factors[1]
            whole = {
                Combination.PRODUCT: a * b,
                Combination.SUM: sum(scaled),
                Combination.MAXIMUM: max(scaled),
                Combination.MINIMUM: min(scaled),
            }
            record = self.record(0)
            record.pop("bias")
            out[y, x, c] = requantise(np.int64(whole[self.combination]), **record)
        return out


@dataclass(frozen=True, kw_only=True)
class Normalised(Layer):
    """The maximum of values times their gains, on some channels of a tensor.

    ``reach``: channels on either side of a value that count; ``beside``: channels of the tensor
    there, of which the slack has two at least.
    """

    reach: int = 2
    beside: tuple[int, int] = (0, 0)
    slack: tuple[int, int] = (2, 2)

    def fields(self, *, address: int, out_address: int, out_pitch: int, tag: int) -> dict[str, int]:
        fields = super().fields(
            address=address, out_address=out_address, out_pitch=out_pitch, tag=tag
        )
        return fields | {
            "address": fields["address"] - 2,
            "normalise": 1,
            "table": 2,
            "reach": self.reach,
            "channels_before": self.beside[0],
            "channels_after": self.beside[1],
        }

    def record(self, count: int) -> dict[str, int]:
        scale = factor(1 / 300)
        return super().record(count) | {"bias": 0, "mantissa": scale.mantissa, "shift": scale.shift}

    def run(self, image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        first, last = self.slack[0], self.slack[0] + self.channels
        products = np.zeros((*self.size, self.channels), dtype=np.int64)
        for y, x, c in np.ndindex(*products.shape):
            at = range(first + c - self.reach, first + c + self.reach + 1)
            known = range(first - self.beside[0], last + self.beside[1])
            pixel = [int(v) - self.zero_point for v in image[y, x]]
            total = sum(pixel[k] ** 2 for k in at if k in known) // 128
            shift = max(0, total.bit_length() - 6)
            code = total if total < 32 else 32 * shift + (total >> shift)
            products[y, x, c] = pixel[first + c] * GAINS[code]
        wide = np.pad(
            products,
            [(b, a) for b, a in zip(self.before, self.after, strict=True)] + [(0, 0)],
            constant_values=-(10**9),
        )
        out = np.zeros((*self.out_size(), self.channels), dtype=np.int64)
        record = self.record(0)
        record.pop("bias")
        for oy, ox in np.ndindex(*self.out_size()):
            y, x = oy * self.stride[0], ox * self.stride[1]
            rows = slice(y, y + self.dilation[0] * (self.kernel[0] - 1) + 1, self.dilation[0])
            columns = slice(x, x + self.dilation[1] * (self.kernel[1] - 1) + 1, self.dilation[1])
            out[oy, ox] = requantise(wide[rows, columns].max(axis=(0, 1)), **record)
        return out
