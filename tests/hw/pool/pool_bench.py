"""The pooling engine with its memory: layers one after the other, with random stalls."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from amaranth.hdl import Module
from amaranth.lib.wiring import connect
from amaranth.sim import Simulator

from hw.isa.config import PARAMETER_BYTES, TABLE_RECORDS, OverlayConfig
from hw.isa.timing import WRITE_TO_READ
from hw.lib.tensor_memory import TensorMemory
from hw.pool.cycles import pool_cost
from hw.pool.engine import PoolEngine
from tests.hw.pool.pool_layers import GAINS, Layer

Stall = tuple[float, float]  # probabilities that a read, a write is refused


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
            ctx.set(memory.i_write_0.valid, 1)
            for address in range(0, self.config.tensor_bytes, word):
                data = int.from_bytes(self.initial[address : address + word].tobytes(), "little")
                request = {"address": address, "low": 0, "high": word, "data": data}
                ctx.set(memory.i_write_0.payload, request)
                await ctx.tick()
            ctx.set(memory.i_write_0.payload, {"address": 5, "low": 0, "high": 0, "data": -1})
            ctx.set(memory.i_write_0.valid, 0)
            await self.load_behind(ctx, engine)
            for _, fields in self.tasks:
                ctx.set(engine.i.payload, fields)
                await self.execute(ctx, memory, engine, stall)
                await ctx.tick().repeat(WRITE_TO_READ)

        sim = Simulator(m)
        sim.add_clock(1e-9)
        sim.add_process(partial(self.serve_records, engine=engine))
        sim.add_process(partial(self.trace_writes, memory=memory))
        sim.add_testbench(bench)
        sim.run()
        assert [tag for tag, _, _ in self.log] == [fields["tag"] for _, fields in self.tasks]
        assert self.seen.tolist() == self.expected.tolist()

    async def load_behind(self, ctx: Any, engine: Any) -> None:
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
            await ctx.tick()
        ctx.set(engine.i_table, {})

    async def execute(self, ctx: Any, memory: Any, engine: Any, stall: Stall) -> None:
        ctx.set(engine.i.valid, 1)
        assert ctx.get(engine.i.ready)
        cycles = reads = 0
        ports = memory.i_read_0.valid, memory.i_write_0.valid
        stalled = [False, False]
        reading = engine.o_read.valid & engine.o_read.ready
        done = False
        while not done:
            for kind, port in enumerate(ports):
                wait = self.rng.random() < stall[kind]
                if wait != stalled[kind]:  # what is set again costs time, too
                    ctx.set(port, wait)
                    stalled[kind] = wait
            _, _, read = await ctx.tick().sample(reading)
            reads += read
            if not cycles:
                ctx.set(engine.i.valid, 0)
            cycles += 1
            assert cycles < 20000
            done = ctx.get(engine.o_done)
        self.log.append((ctx.get(engine.o_tag), cycles, reads))
        for port in ports:
            ctx.set(port, 0)
        await ctx.tick()

    async def serve_records(self, ctx: Any, engine: Any) -> None:
        """The parameter memory."""
        now: dict[str, int] = {}
        before = 0
        async for _, _, address in ctx.tick().sample(engine.o_record_address):
            record = self.records.get(before, {})
            if record != now:
                ctx.set(engine.i_record, record)
            now, before = record, address

    async def trace_writes(self, ctx: Any, memory: Any) -> None:
        """What the writes make of the memory."""
        snoop = memory.o_snoop
        async for _, _, valid, write in ctx.tick().sample(memory.o_snoop_valid, snoop):
            if valid:
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
