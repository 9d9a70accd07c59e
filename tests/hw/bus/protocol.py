"""cocotb: what AXI obliges a master to, checked in every cycle, and memory that misbehaves."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from cocotb.triggers import FallingEdge
from cocotbext.axi import AxiBus, AxiRamRead, AxiRamWrite, AxiReadBus
from cocotbext.axi.sparse_memory import SparseMemory

SIZE = 1 << 48
PAGE = 4096


def stalls(rate: float, rng: random.Random) -> Iterator[bool]:
    """Pauses in a share ``rate`` of the cycles."""
    while True:
        yield rng.random() < rate


async def watch_channel(dut: Any, prefix: str, fields: tuple[str, ...]) -> None:
    """An offer stays as it is until it is accepted."""
    valid, ready = getattr(dut, f"{prefix}valid"), getattr(dut, f"{prefix}ready")
    values = [getattr(dut, prefix + field) for field in fields]
    waiting = None
    while True:
        await FallingEdge(dut.clk)
        if dut.rst.value:
            waiting = None
            continue
        now = [str(value.value) for value in values] if valid.value else None
        assert waiting is None or now == waiting, f"{prefix}: {waiting} became {now}"
        waiting = None if ready.value else now


class _FaultyRead(AxiRamRead):
    bad: set[int]
    reads: list[int]

    async def _read(self, address: int, length: int) -> Any:
        self.reads.append(address)
        if address // PAGE in self.bad:
            raise ValueError("told to fail")
        return await super()._read(address, length)


class _FaultyWrite(AxiRamWrite):
    bad: set[int]

    async def _write(self, address: int, data: bytes) -> None:
        if address // PAGE in self.bad:
            raise ValueError("told to fail")
        await super()._write(address, data)


class FaultyMemory:
    """Memory behind AXI masters, with random stalls, pages that fail, and a switch to hang.

    ``masters`` maps prefixes to whether the master also writes.  ``bad`` holds the numbers of the
    pages that fail, ``reads`` the addresses of all beats read.
    """

    def __init__(
        self, dut: Any, masters: dict[str, bool], *, rate: float, rng: random.Random
    ) -> None:
        self.memory = SparseMemory(SIZE)
        self.bad: set[int] = set()
        self.reads: list[int] = []
        self._rate = rate
        self._rng = rng
        self._slaves: list[Any] = []
        self.watches: list[Any] = []
        for prefix, writes in masters.items():
            bus = AxiBus if writes else AxiReadBus
            pins = bus.from_prefix(dut, prefix)
            common = (dut.clk, dut.rst)
            self._slaves.append(
                _FaultyRead(pins.read if writes else pins, *common, size=SIZE, mem=self.memory)
            )
            self.watches.append(watch_channel(dut, f"{prefix}_ar", ("addr", "len", "id")))
            if writes:
                self._slaves.append(_FaultyWrite(pins.write, *common, size=SIZE, mem=self.memory))
                self.watches.append(watch_channel(dut, f"{prefix}_aw", ("addr", "len", "id")))
                self.watches.append(watch_channel(dut, f"{prefix}_w", ("data", "strb", "last")))
        for slave in self._slaves:
            slave.bad, slave.reads = self.bad, self.reads
        self.resume()

    def _channels(self) -> Iterator[Any]:
        for slave in self._slaves:
            for name in ("ar_channel", "r_channel", "aw_channel", "w_channel", "b_channel"):
                if hasattr(slave, name):
                    yield getattr(slave, name)

    def hang(self) -> None:
        """Nothing moves any more."""
        for channel in self._channels():
            channel.clear_pause_generator()
            channel.pause = True

    def resume(self) -> None:
        """Moves again, with the random stalls."""
        for channel in self._channels():
            channel.pause = False
            if self._rate:
                channel.set_pause_generator(stalls(self._rate, self._rng))
