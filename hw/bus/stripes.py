"""Reads a stream that is striped over several AXI4 masters."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.bus.axi import ADDRESS_BITS, AXI4Read, burst_beats, check_data_bytes
from hw.bus.burst_reader import COMMAND, BurstReader
from hw.isa.config import MAX_WEIGHT_PORTS
from hw.lib.sizes import check_sizes


class StripedReader(wiring.Component):
    """A ``BurstReader`` for each stripe; beat n of the stream is beat n of every stripe, in order.

    A command waits until all stripes take it, a beat until all have theirs; in between each runs
    ahead as far as its queue reaches.

    Parameters
    ----------
    ports : stripes, each with an AXI4 master of its own.
    data_bytes : width of a stripe's beat.
    depth : of each ``BurstReader``.

    Members
    -------
    i : commands: ``address``, relative to every stripe's base, and ``beats``.
    i_bases : of the stripes.
    o : beats of ``ports * data_bytes`` bytes, stripe 0 lowest.
    axi : the masters.
    i_abort, o_idle : as of ``BurstReader``, of all.
    o_error : the beat that ``o`` transfers came with a response other than OKAY in some stripe.
    """

    def __init__(self, *, ports: int, data_bytes: int, depth: int) -> None:
        check_sizes(1, MAX_WEIGHT_PORTS, ports=ports)
        check_data_bytes(data_bytes)
        check_sizes(burst_beats(data_bytes), depth=depth)
        self._ports = ports
        self._size = {"data_bytes": data_bytes, "depth": depth}
        super().__init__(
            {
                "i": In(stream.Signature(COMMAND)),
                "i_bases": In(ADDRESS_BITS).array(ports),
                "o": Out(stream.Signature(8 * ports * data_bytes)),
                "axi": Out(AXI4Read(data_bytes=data_bytes)).array(ports),
                "i_abort": In(1),
                "o_idle": Out(1),
                "o_error": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        readers = [BurstReader(**self._size) for _ in range(self._ports)]
        m.d.comb += [
            self.i.ready.eq(Cat(reader.i.ready for reader in readers).all()),
            self.o.valid.eq(Cat(reader.o.valid for reader in readers).all()),
            self.o.payload.eq(Cat(reader.o.payload for reader in readers)),
            self.o_idle.eq(Cat(reader.o_idle for reader in readers).all()),
            self.o_error.eq(Cat(reader.o_error for reader in readers).any()),
        ]
        for port, reader in enumerate(readers):
            m.submodules[f"stripe{port}"] = reader
            connect(m, reader.axi, flipped(self.axi[port]))
            m.d.comb += [
                reader.i.payload.address.eq(self.i_bases[port] + self.i.payload.address),
                reader.i.payload.beats.eq(self.i.payload.beats),
                reader.i.valid.eq(self.i.valid & self.i.ready),
                reader.o.ready.eq(self.o.valid & self.o.ready),
                reader.i_abort.eq(self.i_abort),
            ]
        return m
