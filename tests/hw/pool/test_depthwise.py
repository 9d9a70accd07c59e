"""Depthwise convolutions on the pooling engine against numpy: any window, stalls, exact cycles."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.network.rounding import factor, requantise
from hw.isa.config import DEPTHWISE_ROWS, TABLE_RECORDS, OverlayConfig
from hw.lib.emit import emit
from hw.pool.lane_memory import LaneMemory
from sim.verilator import lint
from tests.hw.pool.pool_bench import Stall, check
from tests.hw.pool.pool_layers import GAINS, Layer
from tests.hw.pool.test_pool import AVERAGE, EVERY_KIND, MAXIMUM, SLOW, STALLS, drawn, layers

RING = 32


def small(columns: int = 3, depthwise: int = 3, **others: int) -> OverlayConfig:
    return OverlayConfig(
        rows=2,
        columns=columns,
        lanes=1,
        tensor_bytes=1 << 12,
        axi_bytes=8,
        weight_words=64,
        parameter_depth=64,
        depthwise=depthwise,
        **others,
    )


@dataclass(frozen=True, kw_only=True)
class Depthwise(Layer):
    """A depthwise convolution of a channel slice.

    ``row``, ``block``: its first row of weights and its first block of records. ``constant``: all
    of its weights. ``wanted``: whether windows slide if they can. ``looked_up``: the results are.
    """

    row: int = 0
    block: int = 0
    constant: int | None = None
    multipliers: int = 3
    wanted: bool = True
    looked_up: bool = False

    @property
    def weights(self) -> np.ndarray[Any, Any]:
        """[row, column, channel]."""
        if self.constant is not None:
            return np.full((*self.kernel, self.channels), self.constant)
        rng = np.random.default_rng(self.seed)
        return rng.integers(-128, 128, (*self.kernel, self.channels))

    @property
    def passes(self) -> int:
        return -(-self.kernel[1] // self.multipliers)

    @property
    def slides(self) -> bool:
        """Whether windows share columns of taps that the ring has room for."""
        if not self.wanted or self.kernel[1] * self.passes > RING or self.out_size()[1] == 1:
            return False
        fresh, rest = divmod(self.stride[1], self.dilation[1])
        return not rest and fresh < self.kernel[1]

    @property
    def block_rows(self) -> int:
        return self.kernel[0] * (self.passes if self.slides else self.kernel[1])

    def fields(self, *, address: int, out_address: int, out_pitch: int, tag: int) -> dict[str, int]:
        fields = super().fields(
            address=address, out_address=out_address, out_pitch=out_pitch, tag=tag
        )
        return fields | {
            "depthwise": 1,
            "table": 2 * self.looked_up,
            "parameters": self.block,
            "weights": self.row,
            "passes": self.passes,
            "window_groups": self.kernel[1] * self.passes * self.slides,
        }

    def records(self, parameters: int) -> dict[int, dict[str, int]]:
        return {}

    def lane_record(self, channel: int) -> dict[str, int]:
        rng = random.Random(1000 * self.seed + channel)
        scale = factor(rng.uniform(0.5, 2) / 4000)
        zero_point = rng.randint(-20, 20)
        return {
            "bias": rng.randint(-(1 << 18), 1 << 18),
            "mantissa": scale.mantissa,
            "shift": scale.shift,
            "zero_point": zero_point,
            "low": rng.choice((-128, zero_point)),
            "high": rng.choice((127, 60)),
        }

    def behind(self, config: OverlayConfig, fields: dict[str, int]) -> dict[int, bytes]:
        lanes = config.pool_channels
        size = 1 << (config.depthwise - 1).bit_length()
        per_record = 16 // size
        row_records = 1 << (-(-lanes // per_record) - 1).bit_length()
        block_records = 1 << (lanes - 1).bit_length()
        tables = TABLE_RECORDS * config.tables
        records = tables + DEPTHWISE_ROWS * row_records
        found: dict[int, bytearray] = {}
        row = self.row
        for number, first in enumerate(range(0, self.channels, lanes)):
            channels = range(first, min(first + lanes, self.channels))
            for lane, channel in enumerate(channels):
                place = records + (self.block + number) * block_records + lane
                found[place] = bytearray(self._packed(channel))
            for taps in self._rows(config.depthwise):
                for lane, channel in enumerate(channels):
                    place = tables + row * row_records + lane // per_record
                    entries = found.setdefault(place, bytearray(16))
                    for k, (y, x) in enumerate(taps):
                        at = lane % per_record * size + k
                        entries[at] = int(self.weights[y, x, channel]) & 0xFF
                row += 1
        return {place: bytes(entries) for place, entries in found.items()}

    def _rows(self, multipliers: int) -> list[list[tuple[int, int]]]:
        """The taps of the kernel in each row of weights."""
        rows, columns = (range(n) for n in self.kernel)
        if not self.slides:
            return [[(y, x)] for x in columns for y in rows]
        parts = [columns[k : k + multipliers] for k in range(0, len(columns), multipliers)]
        return [[(y, x) for x in part] for part in parts for y in rows]

    def _packed(self, channel: int) -> bytes:
        record = self.lane_record(channel)
        word = record["bias"] & 0xFFFFFFFF
        word |= record["mantissa"] << 32 | record["shift"] << 49
        for k, name in enumerate(("zero_point", "low", "high")):
            word |= (record[name] & 0xFF) << 64 + 8 * k
        return word.to_bytes(16, "little")

    def run(self, image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        image = image[:, :, self.slack[0] : self.slack[0] + self.channels]
        out = np.zeros((*self.out_size(), self.channels), dtype=np.int64)
        for oy, ox, c in np.ndindex(*out.shape):
            record = self.lane_record(c)
            total = record.pop("bias")
            for ky, kx in np.ndindex(*self.kernel):
                y = oy * self.stride[0] + ky * self.dilation[0] - self.before[0]
                x = ox * self.stride[1] + kx * self.dilation[1] - self.before[1]
                inside = 0 <= y < self.size[0] and 0 <= x < self.size[1]
                value = int(image[y, x, c]) if inside else self.zero_point
                total += value * int(self.weights[ky, kx, c])
            result = int(requantise(np.int64(total), **record))
            if self.looked_up:
                result = (GAINS[result & 0xFF] ^ 0x80) - 0x80
            out[oy, ox, c] = result
        return out


def placed(found: list[Layer], config: OverlayConfig) -> list[Layer]:
    """The layers with seeds, and rows and blocks one behind the other."""
    row, block, done = 500, 60, []
    for seed, layer in enumerate(found):
        layer = replace(layer, seed=seed)
        if isinstance(layer, Depthwise):
            layer = replace(layer, multipliers=config.depthwise)
            blocks = -(-layer.channels // config.pool_channels)
            if row + blocks * layer.block_rows > 512:
                row = 0
            if block + blocks > 64:
                block = 0
            layer = replace(layer, row=row, block=block)
            row, block = row + blocks * layer.block_rows, block + blocks
        done.append(layer)
    return done


KINDS: list[Layer] = [
    Depthwise(before=(1, 1), after=(1, 1), zero_point=-7),
    Depthwise(stride=(2, 2), size=(7, 9), channels=7, before=(1, 0), after=(0, 1), zero_point=9),
    Depthwise(kernel=(5, 5), before=(2, 2), after=(2, 2), channels=7, zero_point=-128),
    Depthwise(kernel=(5, 5), stride=(2, 2), size=(7, 8), before=(2, 2), after=(2, 2)),
    Depthwise(kernel=(3, 3), dilation=(2, 2), size=(7, 9), zero_point=3, looked_up=True),
    Depthwise(kernel=(3, 3), dilation=(2, 2), stride=(2, 2), size=(9, 9), slack=(2, 1)),
    Depthwise(kernel=(2, 3), dilation=(1, 3), stride=(1, 2), size=(4, 11)),
    Depthwise(kernel=(3, 3), stride=(3, 3), size=(6, 9), looked_up=True),
    Depthwise(kernel=(3, 3), wanted=False, channels=4),
    Depthwise(kernel=(6, 6), channels=9, zero_point=127),
    Depthwise(kernel=(1, 1), channels=5),
    Depthwise(kernel=(1, 8), size=(2, 12), channels=4),
    Depthwise(kernel=(1, 10), size=(2, 12), channels=1),
    Depthwise(kernel=(4, 1), size=(6, 3), channels=1),
    Depthwise(kernel=(7, 7), size=(8, 9), before=(3, 3), after=(3, 3), channels=2),
]
FEWER = {0: (4, 5), 2: (3, 3), 3: (5, 6), 14: (3, 4)}
"""Sizes of the kinds of the most products, in the quick tests."""
QUICK = [replace(kind, size=FEWER.get(k, kind.size)) for k, kind in enumerate(KINDS)]


@pytest.mark.parametrize(
    ("depthwise", "stall", "own"),
    [
        (1, (0.0, 0.8), QUICK[::4]),
        (3, (0.4, 0.4), [kind for k, kind in enumerate(QUICK) if k % 4]),
        pytest.param(3, (0.4, 0.4), KINDS, marks=SLOW),
        pytest.param(1, (0.0, 0.8), KINDS, marks=SLOW),
        pytest.param(3, (0.0, 0.0), KINDS, marks=SLOW),
        pytest.param(5, (0.0, 0.0), KINDS, marks=SLOW),
    ],
)
def test_every_kind_of_window(depthwise: int, stall: Stall, own: list[Layer]) -> None:
    """A quarter of the kinds and the others, with fewer windows; all of them in the slow ones."""
    config = small(depthwise=depthwise)
    kinds = [MAXIMUM, *own[:4], AVERAGE, *own[4:], EVERY_KIND[5]]
    check(config, placed(kinds, config), stall=stall, seed=5)


@pytest.mark.parametrize("constant", [-128, 127])
def test_the_largest_products(constant: int) -> None:
    """Of as many taps as sums have room for: 511."""
    config = small(columns=2)
    most = Depthwise(size=(7, 73), kernel=(7, 73), channels=2, constant=constant, zero_point=-128)
    padded = replace(most, size=(4, 4), kernel=(3, 3), before=(2, 2), after=(2, 2))
    for one in (most, padded):
        check(config, [one])


@st.composite
def convolutions(draw: st.DrawFn) -> Layer:
    layer = draw(layers())
    own = {name: getattr(layer, name) for name in ("size", "channels", "kernel", "stride")}
    own |= {name: getattr(layer, name) for name in ("dilation", "before", "after", "slack")}
    if not draw(st.integers(0, 3)):
        return layer
    return Depthwise(
        **own,
        zero_point=layer.zero_point,
        wanted=draw(st.integers(0, 3)) > 0,
        looked_up=draw(st.booleans()),
        constant=draw(st.sampled_from([None, None, -128, 127])),
    )


@pytest.mark.parametrize("lanes", [pytest.param(9, marks=SLOW), 16, 17])
def test_one_multiplier_for_many_lanes(lanes: int) -> None:
    """Rows of weights take fewer records than those of the channels, which begin behind them."""
    config = small(columns=2, depthwise=1, pool_lanes=lanes)
    check(config, placed([QUICK[0], QUICK[11]], config))


@pytest.mark.parametrize("examples", [2, pytest.param(40, marks=SLOW)])
def test_any_window(examples: int) -> None:
    @drawn(examples)
    @given(
        st.lists(convolutions(), min_size=3, max_size=6),
        st.builds(
            small,
            columns=st.integers(2, 5),
            depthwise=st.integers(1, 8),
            pool_lanes=st.integers(0, 9),
        ),
        st.sampled_from(STALLS),
        st.integers(0, 2**16),
    )
    def any_window(found: list[Layer], config: OverlayConfig, stall: Stall, seed: int) -> None:
        check(config, placed(found, config), stall=stall, seed=seed)

    any_window()


def test_without_tables_it_builds(tmp_path: Path) -> None:
    """Records of weights then begin at 0: no comparison with that is left for the lint to find."""
    memory = LaneMemory(config=small(tables=0))
    lint(emit(memory, "memory"), folder=tmp_path)
