"""The AXI4-Lite slave with the host's registers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.bus.axi import ADDRESS_BITS, AXI4Lite
from hw.isa import register_map as registers
from hw.isa.register_map import MAP_ADDRESS_BITS, REGIONS, REGISTERS, Access, Control
from hw.lib.sizes import check_sizes


class ControlSlave(wiring.Component):
    """Registers of ``hw.isa.register_map`` behind AXI4-Lite, with XRT's start and done protocol.

    Reads and writes answer after one cycle, one each per cycle.  Addresses that the map does not
    have read as zero and ignore writes.  A start that is written while nothing runs is kept until
    ``i_accept``; one that is written during a run is ignored, for its start bit is still set.  A
    start clears done: what is read after it is of the new run.

    Parameters
    ----------
    watchdog_cycles : reset value of the watchdog register.
    address_bits : of the regions' addresses and sizes; those above read as zero and are not there.

    Members
    -------
    bus : AXI4-Lite.
    i_values : what the read-only registers read.
    o_settings : what the host wrote to the read-write registers.
    o_start : a run is asked for.
    i_accept : pulse, the run begins.
    o_abort : the host wants the run to end; held until ``i_done``.
    i_running : a run is under way.
    i_done : pulse, it has ended.
    i_idle : nothing runs and the overlay can start at once.
    o_interrupt : to the host.
    """

    def __init__(self, *, watchdog_cycles: int, address_bits: int = ADDRESS_BITS) -> None:
        check_sizes(0, (1 << 32) - 1, watchdog_cycles=watchdog_cycles)
        check_sizes(1, ADDRESS_BITS, address_bits=address_bits)
        self._bits = dict(registers.layout(Access.READ_WRITE).members)
        self._bits |= dict.fromkeys(REGIONS, address_bits)
        self._init = {
            name: REGISTERS[name].reset & (1 << bits) - 1 for name, bits in self._bits.items()
        } | {"watchdog": watchdog_cycles}
        super().__init__(
            {
                "bus": In(AXI4Lite(address_bits=MAP_ADDRESS_BITS)),
                "i_values": In(registers.layout(Access.READ_ONLY)),
                "o_settings": Out(registers.layout(Access.READ_WRITE), init=self._init),
                "o_start": Out(1),
                "i_accept": In(1),
                "o_abort": Out(1),
                "i_running": In(1),
                "i_done": In(1),
                "i_idle": In(1),
                "o_interrupt": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bus = self.bus
        writing, reading = Signal(), Signal()
        ended = Signal()
        pending = Signal(2)
        m.d.comb += [
            writing.eq(bus.aw.valid & bus.w.valid & (~bus.b.valid | bus.b.ready)),
            bus.aw.ready.eq(writing),
            bus.w.ready.eq(writing),
            bus.ar.ready.eq(~bus.r.valid | bus.r.ready),
            reading.eq(bus.ar.valid & bus.ar.ready),
            self.o_interrupt.eq(self.o_settings.global_interrupt_enable[0] & pending.any()),
        ]
        m.d.sync += [
            bus.b.valid.eq(writing | (bus.b.valid & ~bus.b.ready)),
            bus.r.valid.eq(reading | (bus.r.valid & ~bus.r.ready)),
        ]

        with m.If(self.i_accept):
            m.d.sync += self.o_start.eq(0)
        with m.If(writing):
            mask = Cat(bit.replicate(8) for bit in bus.w.payload.strb)
            with m.Switch(bus.aw.payload.addr[2:]):
                for word, target in self._writable():
                    with m.Case(word):
                        _write(m, target, bus.w.payload)
                with m.Case(REGISTERS["control"].offset >> 2):
                    self._control(m, bus.w.payload, ended)
                with m.Case(REGISTERS["interrupt_status"].offset >> 2):
                    m.d.sync += pending.eq(pending ^ (bus.w.payload.data & mask)[:2])
        with m.If(self.i_done):
            m.d.sync += pending.eq(pending | self.o_settings.interrupt_enable[:2])

        with m.If(reading):
            m.d.sync += bus.r.payload.data.eq(0)
            with m.Switch(bus.ar.payload.addr[2:]):
                for word, source in (*self._writable(), *self._readable()):
                    with m.Case(word):
                        m.d.sync += bus.r.payload.data.eq(source)
                with m.Case(REGISTERS["interrupt_status"].offset >> 2):
                    m.d.sync += bus.r.payload.data.eq(pending)
                with m.Case(REGISTERS["control"].offset >> 2):
                    asked = self.o_start | self.i_running
                    idle = self.i_idle & ~asked
                    m.d.sync += [bus.r.payload.data.eq(Cat(asked, ended, idle, ended)), ended.eq(0)]
        with m.If(self.i_done):
            m.d.sync += [ended.eq(1), self.o_abort.eq(0)]
        return m

    def _control(self, m: Module, write: Any, ended: Signal) -> None:
        """A write to the control register."""
        asked = self.o_start | self.i_running
        with m.If(write.strb[0] & write.data[Control.ABORT]):
            m.d.sync += self.o_abort.eq(asked)
        with m.If(write.strb[0] & write.data[Control.START] & ~self.i_running & ~self.i_accept):
            m.d.sync += [self.o_start.eq(1), ended.eq(0)]

    def _writable(self) -> list[tuple[int, Any]]:
        return _words(self.o_settings, self._bits)

    def _readable(self) -> list[tuple[int, Any]]:
        return _words(self.i_values, registers.layout(Access.READ_ONLY).members)


def _write(m: Module, target: Any, write: Any) -> None:
    """Those bytes of a word whose strobes are set: they enable, so that no bit has a choice."""
    for first in range(0, len(target), 8):
        byte = target[first : first + 8]
        with m.If(write.strb[first // 8]):
            m.d.sync += byte.eq(write.data[first : first + len(byte)])


def _words(values: Any, bits: Mapping[str, Any]) -> list[tuple[int, Any]]:
    """Number and value of every word of some registers, as far as there are bits of it."""
    return [
        ((REGISTERS[name].offset >> 2) + first // 32, values[name][first : min(first + 32, width)])
        for name, width in bits.items()
        for first in range(0, width, 32)
    ]
