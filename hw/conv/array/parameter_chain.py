"""Channel parameters: their memory, and the port that feeds the array's parameter chain."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.isa import PARAMETER
from hw.isa.config import OverlayConfig
from hw.isa.timing import PARAMETER_LATENCY


def parameter_write(config: OverlayConfig) -> data.StructLayout:
    """A record's write: address and `PARAMETER`."""
    return data.StructLayout({"address": record_address(config), "record": PARAMETER})


def record_address(config: OverlayConfig) -> Any:
    """Shape of a record's address."""
    return unsigned((config.parameter_depth - 1).bit_length())


class ParameterMemory(wiring.Component):
    """Records of `PARAMETER`; one write port, two read ports (array, pooling) of fixed latency.

    Members
    -------
    i_write, i_write_valid : a record to write.
    i_address_N, o_record_N : read port N; the record comes PARAMETER_LATENCY later.
    """

    READERS = 2

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        ports: dict[str, Any] = {"i_write": In(parameter_write(config)), "i_write_valid": In(1)}
        for n in range(self.READERS):
            ports[f"i_address_{n}"] = In(record_address(config))
            ports[f"o_record_{n}"] = Out(PARAMETER)
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for n in range(self.READERS):  # a copy each: block RAM has one read port beside the write
            memory = Memory(shape=PARAMETER, depth=self._config.parameter_depth, init=[])
            m.submodules[f"copy_{n}"] = memory
            read, write = memory.read_port(domain="sync"), memory.write_port()
            m.d.comb += [
                write.addr.eq(self.i_write.address),
                write.data.eq(self.i_write.record),
                write.en.eq(self.i_write_valid),
                read.addr.eq(getattr(self, f"i_address_{n}")),
                read.en.eq(1),
            ]
            m.d.sync += getattr(self, f"o_record_{n}").eq(read.data)
        return m


class ParameterPort(wiring.Component):
    """Reads records for the parameter chain: a tile's C records in a burst, or one a wave.

    A burst reads the records of channels C - 1 down to 0 of a tile, so that all of them stand at
    their columns in one cycle, when ``o_latch`` keeps them.  While no burst runs, the record at
    ``i_wave_record`` is read every cycle.

    Members
    -------
    i_load, i_first : start a burst; the record of the tile's first channel.
    i_wave_record : IS, the record of the wave that arrives at column 0 PARAMETER_LATENCY later.
    o_address : to the memory; its record goes to column 0's chain input.
    o_latch : with the last record of a burst at column 0's chain input.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._columns = config.columns
        address = record_address(config)
        super().__init__(
            {
                "i_load": In(1),
                "i_first": In(address),
                "i_wave_record": In(address),
                "o_address": Out(address),
                "o_latch": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        left = Signal(range(self._columns + 1))
        address = Signal.like(self.o_address)
        latch = Signal(PARAMETER_LATENCY)
        m.d.comb += [self.o_address.eq(self.i_wave_record), self.o_latch.eq(latch[-1])]
        m.d.sync += latch.eq(latch << 1)
        with m.If(self.i_load):
            m.d.sync += [left.eq(self._columns), address.eq(self.i_first + self._columns - 1)]
        with m.Elif(left != 0):
            m.d.comb += self.o_address.eq(address)
            m.d.sync += [left.eq(left - 1), address.eq(address - 1)]
            m.d.sync += latch[0].eq(left == 1)
        return m
