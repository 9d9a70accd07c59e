"""Single words of memory and registers."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.bridge.protocol import ADDRESS_BITS, MAGIC, WORD_BYTES, AddressSpace, Fact
from hw.bus.axi import AXI4, OKAY, AXI4Lite, check_data_bytes
from hw.isa.register_map import MAP_ADDRESS_BITS
from hw.lib.sizes import check_sizes

WORD_BITS = 8 * WORD_BYTES
ACCESS = data.StructLayout({"write": 1, "address": ADDRESS_BITS, "data": WORD_BITS})
ANSWER = data.StructLayout({"data": WORD_BITS, "failed": 1})


class WordAccess(wiring.Component):
    """Carries out one access at a time, in the space that its address names, and answers each.

    Parameters
    ----------
    data_bytes : width of the memory's beats, at least a word's.
    memory_bytes, clock_hz : what the bridge tells of itself, see `Fact`.

    Members
    -------
    i : accesses.
    o : their answers; ``failed``: a bus says so, or nothing is there.
    memory : master of the memory, of bursts of one beat.
    control : master of the overlay's registers.
    """

    def __init__(self, *, data_bytes: int, memory_bytes: int, clock_hz: int) -> None:
        check_data_bytes(data_bytes)
        check_sizes(WORD_BYTES, data_bytes=data_bytes)
        check_sizes(1, (1 << WORD_BITS) - 1, memory_bytes=memory_bytes, clock_hz=clock_hz)
        self._bytes = data_bytes
        self._facts = {
            Fact.MAGIC: MAGIC,
            Fact.MEMORY_BYTES: memory_bytes,
            Fact.CLOCK_HZ: clock_hz,
        }
        super().__init__(
            {
                "i": In(stream.Signature(ACCESS)),
                "o": Out(stream.Signature(ANSWER)),
                "memory": Out(AXI4(data_bytes=data_bytes)),
                "control": Out(AXI4Lite(address_bits=MAP_ADDRESS_BITS)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        access = Signal(ACCESS)
        busy = Signal()
        space = access.address[-2:]
        m.d.comb += self.i.ready.eq(~busy & ~self.o.valid)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [access.eq(self.i.payload), busy.eq(1)]
        in_memory, in_overlay = (Signal(name=name) for name in ("in_memory", "in_overlay"))
        m.d.comb += [
            in_memory.eq(busy & (space == AddressSpace.MEMORY)),
            in_overlay.eq(busy & (space == AddressSpace.OVERLAY)),
        ]
        self._facing(m, access, busy, space)
        self._over(m, self.memory, access, in_memory, busy)
        self._over(m, self.control, access, in_overlay, busy)
        m.d.comb += self.memory.w.payload.last.eq(1)
        with m.If(in_memory & self.memory.r.valid):
            beat, lanes = self.memory.r.payload.data, self._bytes // WORD_BYTES
            words = Array(beat.word_select(lane, WORD_BITS) for lane in range(lanes))
            m.d.sync += self.o.payload.data.eq(words[access.address[2:][: lanes.bit_length() - 1]])
        with m.If(in_overlay & self.control.r.valid):
            m.d.sync += self.o.payload.data.eq(self.control.r.payload.data)
        return m

    def _facing(self, m: Module, access: Any, busy: Signal, space: Value) -> None:
        """Accesses of the bridge itself, or of nothing, are answered at once."""
        with m.If(busy & (space != AddressSpace.MEMORY) & (space != AddressSpace.OVERLAY)):
            m.d.sync += [busy.eq(0), self.o.valid.eq(1), self.o.payload.failed.eq(1)]
            with m.If((space == AddressSpace.BRIDGE) & ~access.write):
                with m.Switch(access.address[2:-2]):
                    for fact, value in self._facts.items():
                        with m.Case(fact):
                            m.d.sync += [
                                self.o.payload.data.eq(value),
                                self.o.payload.failed.eq(0),
                            ]

    def _over(self, m: Module, bus: Any, access: Any, mine: Signal, busy: Signal) -> None:
        """An access over a bus, whose address and data may be taken apart from each other."""
        asked, given = Signal(), Signal()
        lanes = len(bus.w.payload.strb) // WORD_BYTES
        place = access.address[2 : 2 + (lanes - 1).bit_length()]
        strobes = Cat((place == lane).replicate(WORD_BYTES) for lane in range(lanes))
        m.d.comb += [
            bus.aw.payload.addr.eq(access.address[:-2]),
            bus.ar.payload.addr.eq(access.address[:-2]),
            bus.w.payload.data.eq(access.data.replicate(lanes)),
            bus.w.payload.strb.eq(strobes if lanes > 1 else -1),
            bus.aw.valid.eq(mine & access.write & ~asked),
            bus.w.valid.eq(mine & access.write & ~given),
            bus.ar.valid.eq(mine & ~access.write & ~asked),
            bus.b.ready.eq(mine),
            bus.r.ready.eq(mine),
        ]
        with m.If(Mux(access.write, bus.aw.ready, bus.ar.ready) & mine):
            m.d.sync += asked.eq(1)
        with m.If(bus.w.valid & bus.w.ready):
            m.d.sync += given.eq(1)
        response = Mux(access.write, bus.b.payload.resp, bus.r.payload.resp)
        with m.If(mine & (bus.b.valid | bus.r.valid)):
            m.d.sync += [
                *(asked.eq(0), given.eq(0), busy.eq(0)),
                *(self.o.valid.eq(1), self.o.payload.failed.eq(response != OKAY)),
            ]
