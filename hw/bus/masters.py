"""The overlay's AXI4 masters and who uses them."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.bus.arbiter import ReadArbiter
from hw.bus.axi import ADDRESS_BITS, AXI4, AXI4Read, burst_beats, check_data_bytes
from hw.bus.burst_reader import COMMAND, BurstReader
from hw.bus.burst_writer import BurstWriter, beat_layout
from hw.bus.stripes import StripedReader
from hw.isa.config import MAX_WEIGHT_PORTS
from hw.lib.sizes import check_sizes

READ_DEPTH = 512  # beats in flight: covers DRAM's latency, and is what a block RAM holds


class ReadClient(wiring.Signature):
    """A reader's user, from its own side.

    Parameters
    ----------
    data_bytes : width of a beat.

    Members
    -------
    command, beat : to and from the ``BurstReader``.
    error : the beat just transferred is a bus error.
    """

    def __init__(self, *, data_bytes: int) -> None:
        check_sizes(1, power=True, data_bytes=data_bytes)
        super().__init__(
            {
                "command": Out(stream.Signature(COMMAND)),
                "beat": In(stream.Signature(8 * data_bytes)),
                "error": In(1),
            }
        )


class WriteClient(wiring.Signature):
    """The writer's user, from its own side.

    Parameters
    ----------
    data_bytes : width of a beat.

    Members
    -------
    command, beat : to the ``BurstWriter``.
    idle : every byte is acknowledged.
    error : pulse, a bus error.
    """

    def __init__(self, *, data_bytes: int) -> None:
        check_data_bytes(data_bytes)
        super().__init__(
            {
                "command": Out(stream.Signature(COMMAND)),
                "beat": Out(stream.Signature(beat_layout(data_bytes))),
                "idle": In(1),
                "error": In(1),
            }
        )


class Masters(wiring.Component):
    """AXI4 masters: ``gmem0`` for program, LOAD and STORE, the others for WEIGHTS.

    Parameters
    ----------
    data_bytes : width of a master's beat.
    weight_ports : masters that the weights are striped over.

    Members
    -------
    gmem0, gmem_weights : the masters.
    i_weight_bases : of the weights' stripes.
    fetch, load, weights : users that read; the addresses of ``weights`` are relative to its bases,
        its beats those of all stripes.
    store : the user that writes.
    i_abort : drop everything; hold until ``o_quiet``.
    o_quiet : no transfer is under way.
    o_moved : an AXI handshake took place.
    """

    def __init__(self, *, data_bytes: int, weight_ports: int) -> None:
        check_data_bytes(data_bytes)
        check_sizes(1, MAX_WEIGHT_PORTS, weight_ports=weight_ports)
        self._bytes = data_bytes
        self._ports = weight_ports
        read = ReadClient(data_bytes=data_bytes)
        super().__init__(
            {
                "gmem0": Out(AXI4(data_bytes=data_bytes)),
                "gmem_weights": Out(AXI4Read(data_bytes=data_bytes)).array(weight_ports),
                "i_weight_bases": In(ADDRESS_BITS).array(weight_ports),
                "fetch": In(read),
                "load": In(read),
                "weights": In(ReadClient(data_bytes=weight_ports * data_bytes)),
                "store": In(WriteClient(data_bytes=data_bytes)),
                "i_abort": In(1),
                "o_quiet": Out(1),
                "o_moved": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        size = {"data_bytes": self._bytes}
        m.submodules.arbiter = arbiter = ReadArbiter(**size)
        m.submodules.fetch_reader = fetch = BurstReader(**size, depth=burst_beats(self._bytes))
        m.submodules.load_reader = load = BurstReader(**size, depth=READ_DEPTH)
        weights = StripedReader(ports=self._ports, **size, depth=READ_DEPTH)
        m.submodules.weight_reader = weights
        m.submodules.writer = writer = BurstWriter(**size)

        connect(m, fetch.axi, arbiter.i0)
        connect(m, load.axi, arbiter.i1)
        master = flipped(self.gmem0)
        for inner, names in ((arbiter.o, ("ar", "r")), (writer.axi, ("aw", "w", "b"))):
            for name in names:
                connect(m, getattr(inner, name), getattr(master, name))
        for port in range(self._ports):
            connect(m, weights.axi[port], flipped(self.gmem_weights[port]))
            m.d.comb += weights.i_bases[port].eq(self.i_weight_bases[port])

        for reader, client in ((fetch, self.fetch), (load, self.load), (weights, self.weights)):
            connect(m, flipped(client.command), reader.i)
            connect(m, reader.o, flipped(client.beat))
            m.d.comb += [client.error.eq(reader.o_error), reader.i_abort.eq(self.i_abort)]
        connect(m, flipped(self.store.command), writer.i)
        connect(m, flipped(self.store.beat), writer.i_data)
        channels = [
            *(getattr(self.gmem0, name) for name in ("aw", "w", "b", "ar", "r")),
            *(getattr(port, name) for port in self.gmem_weights for name in ("ar", "r")),
        ]
        m.d.comb += [
            self.store.idle.eq(writer.o_idle),
            self.store.error.eq(writer.o_error),
            writer.i_abort.eq(self.i_abort),
            self.o_quiet.eq(fetch.o_idle & load.o_idle & weights.o_idle & writer.o_idle),
            self.o_moved.eq(Cat(channel.valid & channel.ready for channel in channels).any()),
        ]
        return m
