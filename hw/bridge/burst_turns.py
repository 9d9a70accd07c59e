"""Whose burst is next."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.bus.axi import ADDRESS, ID_BITS, check_data_bytes
from hw.lib.sizes import check_sizes


class BurstTurns(wiring.Component):
    """Takes one address of several masters at a time, that of the one behind the last if it asks.

    Parameters
    ----------
    size : bytes of the memory that the bursts go to, a power of two.
    data_bytes : width of a beat, and of a row.
    masters : how many.

    Members
    -------
    i : addresses of the masters.
    i_free : one may be taken.
    o_taken, o : one is: the row of its first beat, beats behind that, whether it lies beyond the
        memory, its id, and whose it is.
    """

    def __init__(self, *, size: int, data_bytes: int, masters: int) -> None:
        check_data_bytes(data_bytes)
        check_sizes(2 * data_bytes, power=True, size=size)
        check_sizes(1, masters=masters)
        self._size, self._bytes, self._masters = size, data_bytes, masters
        burst = {
            "row": range(size // data_bytes),
            "left": ADDRESS["len"].width,
            "failed": 1,
            "id": ID_BITS,
            "master": range(max(masters, 2)),
        }
        super().__init__(
            {
                "i": In(stream.Signature(ADDRESS)).array(masters),
                "i_free": In(1),
                "o_taken": Out(1),
                "o": Out(data.StructLayout(burst)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        top = (self._size - 1).bit_length()
        latest = Signal(range(max(self._masters, 2)))
        with m.Switch(latest):
            for last in range(self._masters):
                with m.Case(last):
                    self._take(m, [(last + step) % self._masters for step in self._order])
        with m.If(self.o_taken):
            m.d.sync += latest.eq(self.o.master)
        address = Signal(ADDRESS)
        for number, channel in enumerate(self.i):
            with m.If(self.o.master == number):
                m.d.comb += address.eq(channel.payload)
        m.d.comb += [
            self.o.row.eq(address.addr[(self._bytes - 1).bit_length() : top]),
            self.o.left.eq(address.len),
            self.o.id.eq(address.id),
            self.o.failed.eq(address.addr[top:].any()),
        ]
        return m

    @property
    def _order(self) -> range:
        return range(1, self._masters + 1)

    def _take(self, m: Module, order: list[int]) -> None:
        """The first that asks."""
        earlier: Value = Const(0)
        for number in order:
            channel = self.i[number]
            mine = self.i_free & ~earlier.any()
            m.d.comb += channel.ready.eq(mine)
            with m.If(mine & channel.valid):
                m.d.comb += [self.o_taken.eq(1), self.o.master.eq(number)]
            earlier = Cat(earlier, channel.valid)
