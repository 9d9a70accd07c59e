"""Memory on chip behind AXI4, for masters that take turns."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, connect, flipped

from hw.bridge.burst_turns import BurstTurns
from hw.bus.axi import AXI4Read, AXI4Write, check_data_bytes
from hw.lib.sizes import check_sizes


class SharedMemory(wiring.Component):
    """Read and write bursts of several masters, of each kind one burst at a time.

    Of the masters that ask, the one behind the last one served comes first.  A read burst delivers
    its first beat two cycles after its address is taken, then a beat a cycle.  What lies beyond the
    memory reads as anything and is not written; the response says DECERR.

    Parameters
    ----------
    size : bytes, a power of two.
    data_bytes : width of a beat, and of the memory.
    readers, writers : masters that read and that write.

    Members
    -------
    i_read, i_write : of the masters.
    """

    def __init__(self, *, size: int, data_bytes: int, readers: int, writers: int) -> None:
        check_data_bytes(data_bytes)
        check_sizes(2 * data_bytes, power=True, size=size)
        check_sizes(1, readers=readers, writers=writers)
        self._size, self._bytes = size, data_bytes
        super().__init__(
            {
                "i_read": In(AXI4Read(data_bytes=data_bytes)).array(readers),
                "i_write": In(AXI4Write(data_bytes=data_bytes)).array(writers),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.storage = storage = Memory(
            shape=8 * self._bytes, depth=self._size // self._bytes, init=[]
        )
        self._read(m, storage.read_port())
        self._write(m, storage.write_port(granularity=8))
        return m

    def _turns(self, channels: list[Any], m: Module) -> BurstTurns:
        turns = BurstTurns(size=self._size, data_bytes=self._bytes, masters=len(channels))
        for channel, port in zip(channels, turns.i, strict=True):
            connect(m, flipped(channel), port)
        return turns

    def _read(self, m: Module, port: Any) -> None:
        m.submodules.read_turns = turns = self._turns([one.ar for one in self.i_read], m)
        burst = Signal.like(turns.o)
        reading, valid, last, advance = (
            Signal(name=name) for name in ("reading", "valid", "last", "advance")
        )
        m.d.comb += [
            turns.i_free.eq(~reading & ~valid),
            advance.eq(~valid),
            port.en.eq(advance),
            port.addr.eq(burst.row),
        ]
        with m.If(turns.o_taken):
            m.d.sync += [burst.eq(turns.o), reading.eq(1)]
        with m.If(advance):
            m.d.sync += [valid.eq(reading), last.eq(burst.left == 0)]
            with m.If(reading):
                m.d.sync += [burst.row.eq(burst.row + 1), burst.left.eq(burst.left - 1)]
                with m.If(burst.left == 0):
                    m.d.sync += reading.eq(0)
        for number, master in enumerate(self.i_read):
            mine = burst.master == number
            m.d.comb += [
                master.r.payload.data.eq(port.data),
                master.r.payload.id.eq(burst.id),
                master.r.payload.last.eq(last),
                master.r.payload.resp.eq(burst.failed.replicate(2)),
                master.r.valid.eq(valid & mine),
            ]
            with m.If(mine & master.r.ready):
                m.d.comb += advance.eq(1)

    def _write(self, m: Module, port: Any) -> None:
        m.submodules.write_turns = turns = self._turns([one.aw for one in self.i_write], m)
        burst = Signal.like(turns.o, name="write_burst")
        writing, answering = Signal(), Signal()
        m.d.comb += [turns.i_free.eq(~writing & ~answering), port.addr.eq(burst.row)]
        with m.If(turns.o_taken):
            m.d.sync += [burst.eq(turns.o), writing.eq(1)]
        for number, master in enumerate(self.i_write):
            mine = burst.master == number
            m.d.comb += [
                master.w.ready.eq(writing & mine),
                master.b.valid.eq(answering & mine),
                master.b.payload.id.eq(burst.id),
                master.b.payload.resp.eq(burst.failed.replicate(2)),
            ]
            with m.If(mine):
                m.d.comb += port.data.eq(master.w.payload.data)
            with m.If(writing & mine & master.w.valid):
                m.d.sync += burst.row.eq(burst.row + 1)
                with m.If(~burst.failed):
                    m.d.comb += port.en.eq(master.w.payload.strb)
                with m.If(master.w.payload.last):
                    m.d.sync += [writing.eq(0), answering.eq(1)]
            with m.If(answering & mine & master.b.ready):
                m.d.sync += answering.eq(0)
