"""Tensor memory against a byte array: random ports, alignment, lanes and collisions."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from amaranth.sim import Simulator

from hw.isa.config import OverlayConfig
from hw.isa.timing import READ_LATENCY, WRITE_TO_READ
from hw.lib.banks import Block
from hw.lib.emit import emit
from hw.lib.pipelining import Rotate
from hw.lib.tensor_memory import TensorMemory


def small(tensor_bytes: int = 256, axi_bytes: int = 4) -> OverlayConfig:
    return OverlayConfig(
        rows=2,
        columns=2,
        lanes=1,
        tensor_bytes=tensor_bytes,
        axi_bytes=axi_bytes,
        weight_words=4,
        parameter_depth=4,
    )


def span(config: OverlayConfig, address: int) -> list[int]:
    return [(address + i) % config.tensor_bytes for i in range(config.tensor_word)]


Ports = tuple[tuple[int, ...], int]  # readers of each copy, writers


class Traffic:
    """Drives every port at random and checks answers, priorities and the snoop output."""

    def __init__(self, dut: TensorMemory, config: OverlayConfig, ports: Ports) -> None:
        self.dut, self.config = dut, config
        self.readers, self.writers = sum(ports[0]), ports[1]
        ends = list(itertools.accumulate(ports[0], initial=0))
        self.copies = [range(*pair) for pair in itertools.pairwise(ends)]
        self.bytes = [{0} for _ in range(config.tensor_bytes)]  # values that a read may return
        self.writes: list[tuple[int, list[tuple[int, int]]]] = []  # (cycle, [(address, byte)])
        self.reads: list[tuple[int, int, int, list[set[int]]]] = []  # cycle, copy, port, allowed

    def settled(self, cycle: int) -> None:
        """Applies the writes that every read of this cycle must see."""
        while self.writes and self.writes[0][0] <= cycle - WRITE_TO_READ:
            for address, byte in self.writes.pop(0)[1]:
                self.bytes[address] = {byte}

    def allowed(self, addresses: list[int]) -> list[set[int]]:
        pending: dict[int, set[int]] = {}
        for _, lanes in self.writes:
            for address, byte in lanes:
                pending.setdefault(address, set()).add(byte)
        return [self.bytes[a] | pending.get(a, set()) for a in addresses]

    async def run(self, ctx: Any, cycles: int, addresses: int, seed: int) -> None:
        rng = random.Random(seed)
        expected_snoop = None
        for cycle in range(cycles):
            self.check_answers(ctx, cycle)
            assert bool(ctx.get(self.dut.o_snoop_valid)) == (expected_snoop is not None)
            if expected_snoop is not None:
                assert expected_snoop == {k: ctx.get(self.dut.o_snoop[k]) for k in expected_snoop}
            draining = cycle > cycles - READ_LATENCY - 2
            self.drive(ctx, rng, addresses, 0 if draining else rng.choice((0.2, 0.9)))
            self.settled(cycle)
            expected_snoop = self.accept_write(ctx, cycle)
            self.accept_reads(ctx, cycle)
            await ctx.tick()
        assert not self.reads

    def drive(self, ctx: Any, rng: random.Random, addresses: int, busy: float) -> None:
        base = rng.choice((0, self.config.tensor_bytes - addresses // 2, 1 << 31))
        for k in range(self.readers):
            port = getattr(self.dut, f"i_read_{k}")
            ctx.set(port.valid, rng.random() < busy)
            ctx.set(port.payload.address, base + rng.randrange(addresses))
        for k in range(self.writers):
            port = getattr(self.dut, f"i_write_{k}")
            word = self.config.tensor_word
            ctx.set(port.valid, rng.random() < busy)
            ctx.set(port.payload.address, base + rng.randrange(addresses))
            ctx.set(port.payload.low, rng.choice((0, rng.randrange(word + 1))))
            ctx.set(port.payload.high, rng.choice((word, rng.randrange(word + 1))))
            ctx.set(port.payload.data, rng.getrandbits(8 * word))

    def granted(self, ctx: Any, ports: list[Any]) -> int | None:
        valid = [ctx.get(port.valid) for port in ports]
        for k, port in enumerate(ports):
            assert ctx.get(port.ready) == (not any(valid[:k]))
        return valid.index(1) if any(valid) else None

    def accept_write(self, ctx: Any, cycle: int) -> dict[str, int] | None:
        ports = [getattr(self.dut, f"i_write_{k}") for k in range(self.writers)]
        if (k := self.granted(ctx, ports)) is None:
            return None
        names = ("address", "low", "high", "data")
        request = {name: ctx.get(getattr(ports[k].payload, name)) for name in names}
        lanes = list(enumerate(span(self.config, request["address"])))
        lanes = lanes[request["low"] : request["high"]]
        word = request["data"].to_bytes(self.config.tensor_word, "little")
        self.writes.append((cycle, [(address, word[i]) for i, address in lanes]))
        return request

    def accept_reads(self, ctx: Any, cycle: int) -> None:
        for copy, readers in enumerate(self.copies):
            ports = [getattr(self.dut, f"i_read_{k}") for k in readers]
            if (index := self.granted(ctx, ports)) is None:
                continue
            addresses = span(self.config, ctx.get(ports[index].payload.address))
            self.reads.append((cycle, copy, readers[index], self.allowed(addresses)))

    def check_answers(self, ctx: Any, cycle: int) -> None:
        due = set()
        while self.reads and self.reads[0][0] == cycle - READ_LATENCY:
            _, copy, reader, allowed = self.reads.pop(0)
            data = ctx.get(getattr(self.dut, f"o_data_{copy}"))
            word = data.to_bytes(self.config.tensor_word, "little")
            assert all(byte in values for byte, values in zip(word, allowed, strict=True))
            due.add(reader)
        for k in range(self.readers):
            assert bool(ctx.get(getattr(self.dut, f"o_valid_{k}"))) == (k in due)


@pytest.mark.parametrize("cycles", [500, pytest.param(1500, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("config", "ports", "addresses"),
    [
        (small(), ((3,), 2), 24),  # many collisions, wrap-around
        (small(axi_bytes=16), ((1,), 1), 256),
        (small(), ((2, 1), 2), 24),  # two copies,
        (small(tensor_bytes=1 << 18), ((1, 1), 3), 1 << 18),  # two blocks a bank
    ],
)
def test_random_traffic(config: OverlayConfig, ports: Ports, addresses: int, cycles: int) -> None:
    dut = TensorMemory(config=config, readers=ports[0], writers=ports[1])
    traffic = Traffic(dut, config, ports)

    async def bench(ctx: Any) -> None:
        await traffic.run(ctx, cycles, addresses, seed=1)

    sim = Simulator(dut)
    sim.add_clock(1e-9)
    sim.add_testbench(bench)
    sim.run()


def test_read_sees_a_write_from_exactly_the_stated_cycle_on() -> None:
    dut = TensorMemory(config=small(), readers=(1,), writers=1)
    seen = {}

    async def bench(ctx: Any) -> None:
        for distance in range(WRITE_TO_READ + 2):
            address = 8 * distance + 1
            ctx.set(dut.i_write_0.payload, {"address": address, "low": 0, "high": 4, "data": -1})
            ctx.set(dut.i_read_0.payload.address, address)
            for cycle in range(distance + READ_LATENCY + 1):
                ctx.set(dut.i_write_0.valid, cycle == 0)
                ctx.set(dut.i_read_0.valid, cycle == distance)
                await ctx.tick()
                if ctx.get(dut.o_valid_0):
                    seen[distance] = ctx.get(dut.o_data_0)

    sim = Simulator(dut)
    sim.add_clock(1e-9)
    sim.add_testbench(bench)
    sim.run()
    assert seen == {d: 0xFFFFFFFF if d >= WRITE_TO_READ else 0 for d in range(WRITE_TO_READ + 2)}


def test_ram_style_reaches_the_memories() -> None:
    verilog = emit(
        TensorMemory(config=small(), readers=(1,), writers=1, ram_style="ultra"), "memory"
    )
    assert verilog.text.count('ram_style = "ultra"') == 1  # one module, instanced by both banks


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: TensorMemory(config=small(), readers=(2, 0), writers=1),
            r"be .* not \(2, 0\)",
        ),
        (lambda: TensorMemory(config=small(), readers=(1,), writers=0), "writers must be .* not 0"),
        (lambda: Rotate(lanes=6), "lanes must be .* not 6"),
        (lambda: Block(rows=3, lanes=4), "rows must be .* not 3"),
    ],
)
def test_refuses(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
