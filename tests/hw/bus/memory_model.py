"""AXI memory for Amaranth's simulator: fixed latency, random stalls, and a record of all bursts."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from hw.bus.axi import MAX_BURST, PAGE_BYTES

Beat = tuple[int, int, bool, int]  # when, address, whether the last, id


def content(address: int, data_bytes: int) -> int:
    """What memory holds: a beat that tells its address."""
    return (address * 0x9E3779B97F4A7C15 + 1) & ((1 << 8 * data_bytes) - 1)


def check_burst(address: int, beats: int, data_bytes: int) -> None:
    """AXI's rules for a burst, and ours."""
    assert address % data_bytes == 0
    assert beats <= MAX_BURST
    assert address // PAGE_BYTES == (address + beats * data_bytes - 1) // PAGE_BYTES


class Offers:
    """An offer stays as it is until it is accepted."""

    def __init__(self) -> None:
        self._waiting: tuple[int, ...] | None = None

    def check(self, valid: int, ready: bool, *payload: int) -> None:
        assert self._waiting is None or (valid and payload == self._waiting)
        self._waiting = payload if valid and not ready else None


@dataclass
class ReadMemory:
    """Serves the read channels of ``axi``; call ``serve`` as a process.

    ``fail`` gives the numbers of beats that come with an error; with ``interleave`` beats of
    different ids come in any order.
    """

    axi: Any
    data_bytes: int
    latency: int = 5
    stall: float = 0.0
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    fail: set[int] = field(default_factory=set)
    bursts: list[tuple[int, int]] = field(default_factory=list)
    interleave: bool = False
    hung: bool = False
    beats: int = 0
    outstanding: int = 0

    async def serve(self, ctx: Any) -> None:
        ar, r = self.axi.ar, self.axi.r
        due: list[Beat] = []
        now: Beat = (0, 0, False, 0)
        addresses = Offers()
        cycle = 0
        offered = False
        while True:
            ready = not self.hung and self.rng.random() >= self.stall
            ctx.set(ar.ready, ready)
            if not offered and due and due[0][0] <= cycle and not self.hung:
                offered = self.rng.random() >= self.stall
                now = self._next(due, cycle)
                _, address, last, number = now
                ctx.set(r.payload.data, content(address, self.data_bytes))
                ctx.set(r.payload.last, last)
                ctx.set(r.payload.id, number)
                ctx.set(r.payload.resp, 2 if self.beats in self.fail else 0)
            ctx.set(r.valid, offered)
            _, _, asked, address, length, number, taken = await ctx.tick().sample(
                ar.valid, ar.payload.addr, ar.payload.len, ar.payload.id, r.ready
            )
            cycle += 1
            addresses.check(asked, ready, address, length, number)
            if asked and ready:
                beats = length + 1
                check_burst(address, beats, self.data_bytes)
                self.bursts.append((address, beats))
                self.outstanding += beats
                due += [
                    (cycle + self.latency, address + n * self.data_bytes, n == beats - 1, number)
                    for n in range(beats)
                ]
            if offered:
                assert taken, "the R channel must not wait"
                due.remove(now)
                self.beats += 1
                self.outstanding -= 1
                offered = False

    def _next(self, due: list[Beat], cycle: int) -> Beat:
        """The oldest beat of some id."""
        firsts = {beat[3]: beat for beat in reversed(due) if beat[0] <= cycle}
        return self.rng.choice(list(firsts.values())) if self.interleave else due[0]


@dataclass
class WriteMemory:
    """Serves the write channels of ``axi``, as ``ReadMemory`` does.

    ``data`` collects (address, data, strobe) of every beat; ``fail`` numbers the bursts that fail.
    """

    axi: Any
    data_bytes: int
    latency: int = 5
    stall: float = 0.0
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    fail: set[int] = field(default_factory=set)
    bursts: list[tuple[int, int]] = field(default_factory=list)
    data: list[tuple[int, int, int]] = field(default_factory=list)
    answered: int = 0
    hung: bool = False

    async def serve(self, ctx: Any) -> None:
        aw, w, b = self.axi.aw, self.axi.w, self.axi.b
        due: list[int] = []
        addresses, values = Offers(), Offers()
        waiting: list[tuple[int, bool]] = []
        beats: list[tuple[int, int, bool]] = []
        cycle = 0
        offered = False
        while True:
            aw_ready, w_ready = (
                not self.hung and self.rng.random() >= self.stall for _ in range(2)
            )
            ctx.set(aw.ready, aw_ready)
            ctx.set(w.ready, w_ready)
            if not offered and due and due[0] <= cycle and not self.hung:
                offered = self.rng.random() >= self.stall
                ctx.set(b.payload.resp, 2 if self.answered in self.fail else 0)
            ctx.set(b.valid, offered)
            (
                _,
                _,
                asked,
                address,
                length,
                valid,
                value,
                strobe,
                last,
                taken,
            ) = await ctx.tick().sample(
                aw.valid,
                aw.payload.addr,
                aw.payload.len,
                w.valid,
                w.payload.data,
                w.payload.strb,
                w.payload.last,
                b.ready,
            )
            cycle += 1
            addresses.check(asked, aw_ready, address, length)
            values.check(valid, w_ready, value, strobe, last)
            if asked and aw_ready:
                check_burst(address, length + 1, self.data_bytes)
                self.bursts.append((address, length + 1))
                waiting += [(address + n * self.data_bytes, n == length) for n in range(length + 1)]
            if valid and w_ready:
                beats.append((value, strobe, bool(last)))
            while waiting and beats:
                (at, end), (value, strobe, last) = waiting.pop(0), beats.pop(0)
                assert end == last
                self.data.append((at, value, strobe))
                if end:
                    due.append(cycle + self.latency)
            if offered:
                assert taken
                due.pop(0)
                self.answered += 1
                offered = False
