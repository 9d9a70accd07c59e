"""Pooling engine with the tensor memory against numpy: any window, random stalls, exact cycles."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import connect
from amaranth.sim import Simulator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dse.network.rounding import Factor, factor, requantise
from hw.isa import Combination
from hw.isa.config import PARAMETER_BYTES, TABLE_RECORDS, OverlayConfig
from hw.isa.timing import WRITE_TO_READ
from hw.lib.tensor_memory import TensorMemory
from hw.pool.cycles import pool_cost
from hw.pool.engine import PoolEngine

RECORDS = 1 << 16
Stall = tuple[float, float]  # probabilities that a read, a write is refused


GAINS = random.Random(7).randbytes(256)  # those of all normalisations, in table 2


def small(
    columns: int = 3,
    pool_lanes: int = 0,
    axi_bytes: int = 8,
    normalisation: int = 0,
    pairs: int = 0,
) -> OverlayConfig:
    return OverlayConfig(
        rows=2,
        columns=columns,
        lanes=1,
        tensor_bytes=1 << 12,
        axi_bytes=axi_bytes,
        pool_lanes=pool_lanes,
        weight_words=64,
        parameter_depth=64,
        normalisation=normalisation,
        pairs=pairs,
    )


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


@dataclass(kw_only=True)
class Bench:
    """A memory full of random bytes, its image in numpy, and instructions to run on it."""

    config: OverlayConfig
    rng: random.Random
    cursor: int = 0
    tasks: list[tuple[Layer, dict[str, int]]] = field(default_factory=list)
    records: dict[int, dict[str, int]] = field(default_factory=dict)
    log: list[tuple[int, int, int]] = field(default_factory=list)  # tag, cycles, reads

    def __post_init__(self) -> None:
        size = self.config.tensor_bytes
        self.initial = np.frombuffer(self.rng.randbytes(size), dtype=np.int8).copy()
        self.seen = np.zeros(size, dtype=np.int8)  # what the writes made of it
        self.expected = self.initial.copy()
        self.record_address = 0

    def add(self, layer: Layer) -> None:
        """Places the layer's tensors one behind the other, modulo the memory's size."""
        size = self.config.tensor_bytes
        out_pitch = layer.channels + self.rng.randint(0, 3)
        fields = layer.fields(
            address=self.cursor,
            out_address=(self.cursor + layer.bytes) % size,
            out_pitch=out_pitch,
            tag=len(self.tasks) + 1,
        )
        assert layer.bytes + fields["pixels"] * out_pitch <= size
        records = layer.records(fields["parameters"])
        if clash := self.records.keys() & records.keys():
            raise AssertionError(f"records used twice: {clash}")
        self.records |= records
        self.tasks.append((layer, fields))
        span = (self.cursor + np.arange(layer.bytes)) % size
        image = self.expected[span].reshape(*layer.size, layer.pitch)
        out = layer.run(image.astype(np.int64))
        for pixel, values in enumerate(out.reshape(-1, layer.channels)):
            base = fields["out_address"] + pixel * out_pitch + np.arange(layer.channels)
            self.expected[base % size] = values
        self.cursor = (fields["out_address"] + fields["pixels"] * out_pitch) % size

    def harness(self) -> tuple[Module, TensorMemory, PoolEngine]:
        """The engine on the second ports of a memory whose first ports make it wait."""
        m = Module()
        m.submodules.memory = memory = TensorMemory(config=self.config, readers=(2,), writers=2)
        m.submodules.engine = engine = PoolEngine(config=self.config)
        connect(m, engine.o_read, memory.i_read_1)
        connect(m, engine.o_write, memory.i_write_1)
        m.d.comb += engine.i_data.eq(memory.o_data_0)
        return m, memory, engine

    def run(self, stall: Stall) -> None:
        m, memory, engine = self.harness()

        async def bench(ctx: Any) -> None:
            word = self.config.tensor_word
            for address in range(0, self.config.tensor_bytes, word):
                data = int.from_bytes(self.initial[address : address + word].tobytes(), "little")
                request = {"address": address, "low": 0, "high": word, "data": data}
                ctx.set(memory.i_write_0.payload, request)
                ctx.set(memory.i_write_0.valid, 1)
                await self.tick(ctx, memory, engine)
            ctx.set(memory.i_write_0.payload, {"address": 5, "low": 0, "high": 0, "data": -1})
            ctx.set(memory.i_write_0.valid, 0)
            await self.load_behind(ctx, memory, engine)
            for _, fields in self.tasks:
                ctx.set(engine.i.payload, fields)
                await self.execute(ctx, memory, engine, stall)
                for _ in range(WRITE_TO_READ):
                    await self.tick(ctx, memory, engine)

        sim = Simulator(m)
        sim.add_clock(1e-9)
        sim.add_testbench(bench)
        sim.run()
        assert [tag for tag, _, _ in self.log] == [fields["tag"] for _, fields in self.tasks]
        assert self.seen.tolist() == self.expected.tolist()

    async def load_behind(self, ctx: Any, memory: Any, engine: Any) -> None:
        """Writes the second table, and what the layers need."""
        found = {
            TABLE_RECORDS + record: GAINS[record * PARAMETER_BYTES :][:PARAMETER_BYTES]
            for record in range(TABLE_RECORDS)
        }
        for layer, fields in self.tasks:
            own = layer.behind(self.config, fields)
            assert not found.keys() & own.keys()
            found |= own
        for record, entries in found.items():
            write = {"valid": 1, "record": record, "entries": int.from_bytes(entries, "little")}
            ctx.set(engine.i_table, write)
            await self.tick(ctx, memory, engine)
        ctx.set(engine.i_table, {})

    async def execute(self, ctx: Any, memory: Any, engine: Any, stall: Stall) -> None:
        ctx.set(engine.i.valid, 1)
        assert ctx.get(engine.i.ready)
        cycles = reads = 0
        while not ctx.get(engine.o_done):
            ctx.set(memory.i_read_0.valid, self.rng.random() < stall[0])
            ctx.set(memory.i_write_0.valid, self.rng.random() < stall[1])
            reads += ctx.get(engine.o_read.valid) and ctx.get(engine.o_read.ready)
            await self.tick(ctx, memory, engine)
            ctx.set(engine.i.valid, 0)
            cycles += 1
            assert cycles < 20000
        self.log.append((ctx.get(engine.o_tag), cycles, reads))
        ctx.set(memory.i_read_0.valid, 0)
        ctx.set(memory.i_write_0.valid, 0)
        await self.tick(ctx, memory, engine)

    async def tick(self, ctx: Any, memory: Any, engine: Any) -> None:
        """A cycle, with the parameter memory and the trace of writes."""
        address = ctx.get(engine.o_record_address)
        await ctx.tick()
        ctx.set(engine.i_record, self.records.get(self.record_address, {}))
        self.record_address = address
        if ctx.get(memory.o_snoop_valid):
            write = ctx.get(memory.o_snoop)
            lanes = np.arange(write.low, write.high)
            data = np.frombuffer(
                int(write.data).to_bytes(self.config.tensor_word, "little"), dtype=np.int8
            )
            self.seen[(write.address + lanes) % self.config.tensor_bytes] = data[lanes]


def check(
    config: OverlayConfig, layers: list[Layer], *, stall: Stall = (0.0, 0.0), seed: int = 0
) -> None:
    bench = Bench(config=config, rng=random.Random(seed), cursor=seed % config.tensor_bytes)
    for layer in layers:
        bench.add(layer)
    bench.run(stall)
    for (_, fields), (_, cycles, reads) in zip(bench.tasks, bench.log, strict=True):
        cost = pool_cost(config, fields)
        assert reads == cost.reads
        assert cycles == cost.cycles if stall == (0.0, 0.0) else cycles >= cost.cycles


EVERY_KIND = [
    Layer(before=(1, 1), after=(1, 1)),
    Layer(kernel=(2, 2), stride=(2, 2), channels=7),
    Layer(kernel=(3, 3), stride=(2, 2), size=(7, 8), ceil=True, slack=(2, 1)),
    Layer(average=True, before=(1, 1), after=(1, 1), zero_point=-7),
    Layer(average=True, before=(1, 1), after=(1, 1), include_padding=True, zero_point=9),
    Layer(
        average=True,
        kernel=(3, 3),
        stride=(2, 2),
        size=(7, 8),
        before=(1, 0),
        after=(0, 1),
        ceil=True,
        include_padding=True,
        zero_point=-128,
    ),
    Layer(average=True, kernel=(6, 6), channels=9, zero_point=127),
    Layer(kernel=(1, 1), channels=1),
    Layer(kernel=(1, 1), stride=(2, 3), channels=3),
    Layer(kernel=(1, 4), size=(3, 9), channels=2, zero_point=3),
    Layer(kernel=(4, 1), size=(6, 3), channels=4),
    Layer(kernel=(2, 3), dilation=(2, 2), size=(6, 9), stride=(1, 2)),
    Layer(kernel=(2, 2), dilation=(1, 3), size=(4, 9), stride=(1, 2)),
    Layer(average=True, kernel=(1, 35), size=(2, 40), channels=1, zero_point=-1),
    Layer(average=True, kernel=(1, 32), size=(2, 40), channels=4, zero_point=-1),
]


@pytest.mark.parametrize("stall", [(0.0, 0.0), (0.4, 0.4), (0.0, 0.8)])
def test_every_kind_of_window(stall: Stall) -> None:
    check(small(), [replace(x, seed=i) for i, x in enumerate(EVERY_KIND)], stall=stall, seed=5)


def product(channels: int, size: tuple[int, int], **kinds: Any) -> Pair:
    slack = 1, channels + 1
    return Pair(kernel=(1, 1), channels=channels, size=size, slack=slack, **kinds)


PRODUCTS = [
    product(channels, size, shared=shared, zero_point=zero_point, other_zero_point=127 - number)
    for number, (channels, size, zero_point) in enumerate(
        [(1, (1, 1), -128), (4, (3, 5), 127), (5, (1, 9), 0), (3, (6, 1), -7), (9, (2, 4), 40)]
    )
    for shared in (False, True)
]


@pytest.mark.parametrize("stall", [(0.0, 0.0), (0.4, 0.4), (0.0, 0.8)])
def test_products_between_poolings(stall: Stall) -> None:
    kinds = [PRODUCTS[0], EVERY_KIND[0], *PRODUCTS[1:], EVERY_KIND[3]]
    check(small(), [replace(x, seed=i) for i, x in enumerate(kinds)], stall=stall, seed=5)


NORMALISED = [
    Normalised(kernel=(1, 1), channels=3, size=(4, 60), zero_point=-128),
    Normalised(kernel=(3, 3), stride=(2, 2), size=(7, 8), channels=3, beside=(2, 1), zero_point=5),
    Normalised(kernel=(2, 3), before=(1, 2), after=(1, 0), channels=4, beside=(1, 2), reach=1),
    Normalised(kernel=(1, 1), channels=1, zero_point=127, slack=(3, 4), beside=(2, 2)),
    Normalised(kernel=(2, 2), dilation=(2, 1), channels=2, reach=0, zero_point=-3),
]


@pytest.mark.parametrize("stall", [(0.0, 0.0), (0.4, 0.4), (0.0, 0.8)])
def test_normalisations_between_others(stall: Stall) -> None:
    kinds = [
        EVERY_KIND[0],
        *NORMALISED[:2],
        PRODUCTS[5],
        *NORMALISED[2:],
        EVERY_KIND[3],
        PRODUCTS[4],
    ]
    config = small(columns=4, normalisation=1)
    check(config, [replace(x, seed=i) for i, x in enumerate(kinds)], stall=stall, seed=5)


COMBINED = [
    product(
        5,
        size,
        combination=combination,
        factors=factors,
        shared=shared,
        spread=spread,
        zero_point=zero_point,
        other_zero_point=-zero_point - 1,
    )
    for number, combination in enumerate(Combination)
    for shared, spread in ((False, False), (True, False), (False, True), (True, True))
    for size, factors, zero_point in [
        [((2, 3), (131071, -131071), -128), ((1, 7), (-70000, 5), 127), ((3, 2), (1, 99999), 9)][
            (number + shared + 2 * spread) % 3
        ]
    ]
]


@pytest.mark.parametrize("stall", [(0.0, 0.0), (0.4, 0.4), (0.0, 0.8)])
def test_combinations_between_others(stall: Stall) -> None:
    kinds = [COMBINED[0], EVERY_KIND[0], *COMBINED[1:], NORMALISED[0], *COMBINED[:2]]
    config = small(normalisation=1, pairs=1)
    check(config, [replace(x, seed=i) for i, x in enumerate(kinds)], stall=stall, seed=5)


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    def pair(low: int, high: int) -> tuple[int, int]:
        return draw(st.integers(low, high)), draw(st.integers(low, high))

    kernel, dilation = pair(1, 4), pair(1, 2)
    span = [dilation[i] * (kernel[i] - 1) for i in range(2)]
    before = tuple(draw(st.integers(0, span[i])) for i in range(2))
    after = tuple(draw(st.integers(0, span[i])) for i in range(2))
    need = [max(1, span[i] + 1 - before[i] - after[i]) for i in range(2)]
    return Layer(
        average=draw(st.booleans()),
        size=(need[0] + draw(st.integers(0, 5)), need[1] + draw(st.integers(0, 5))),
        channels=draw(st.integers(1, 7)),
        kernel=kernel,
        stride=pair(1, 3),
        dilation=dilation,
        before=(before[0], before[1]),
        after=(after[0], after[1]),
        ceil=draw(st.booleans()),
        include_padding=draw(st.booleans()),
        slack=pair(0, 2),
        zero_point=draw(st.integers(-128, 127)),
    )


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(layers(), min_size=3, max_size=6),
    st.builds(small, columns=st.integers(2, 5), pool_lanes=st.integers(0, 9)),
    st.sampled_from([(0.0, 0.0), (0.3, 0.3), (0.8, 0.0), (0.0, 0.9)]),
    st.integers(0, 2**16),
)
def test_any_window(drawn: list[Layer], config: OverlayConfig, stall: Stall, seed: int) -> None:
    check(config, [replace(layer, seed=i) for i, layer in enumerate(drawn)], stall=stall, seed=seed)
