"""An overlay with all that it needs on one device: memory, and a serial line to its host."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from hw.bridge.bridge import Bridge
from hw.bridge.serial import SerialReceiver, SerialTransmitter
from hw.bridge.shared_memory import SharedMemory
from hw.bridge.word_access import WordAccess
from hw.bus.axi import connect_flat
from hw.isa.config import OverlayConfig
from hw.lib.sizes import check_sizes
from hw.overlay import Overlay

PATIENCE_BITS = 22
"""A request is forgotten after so many cycles of silence, as a power of two: longer than a host's
driver rests between two transfers."""


class Standalone(wiring.Component):
    """The overlay, its memory on chip, and the bridge by which a host reaches both.

    Parameters
    ----------
    config : the overlay's.
    overlay : the gateware of that configuration.
    memory_bytes : of the memory, a power of two.
    divisor : cycles of a bit of the serial line.
    clock_hz : rate of the clock, which the bridge tells the host.

    Members
    -------
    i_line, o_line : the serial line, from and to the host.
    o_interrupt : of the overlay.
    """

    def __init__(
        self,
        *,
        config: OverlayConfig,
        overlay: Overlay,
        memory_bytes: int,
        divisor: int,
        clock_hz: int,
    ) -> None:
        check_sizes(1, clock_hz=clock_hz)
        check_sizes(4, divisor=divisor)
        check_sizes(2 * config.axi_bytes, power=True, memory_bytes=memory_bytes)
        self._config, self._overlay = config, overlay
        self._memory_bytes, self._divisor, self._clock_hz = memory_bytes, divisor, clock_hz
        super().__init__({"i_line": In(1, init=1), "o_line": Out(1, init=1), "o_interrupt": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        width, weight_ports = self._config.axi_bytes, self._config.weight_ports
        m.submodules.overlay = overlay = self._overlay
        m.submodules.memory = memory = SharedMemory(
            size=self._memory_bytes, data_bytes=width, readers=2 + weight_ports, writers=2
        )
        m.submodules.access = access = WordAccess(
            data_bytes=width, memory_bytes=self._memory_bytes, clock_hz=self._clock_hz
        )
        m.submodules.bridge = bridge = Bridge(patience=1 << PATIENCE_BITS)
        m.submodules.receiver = receiver = SerialReceiver(divisor=self._divisor)
        m.submodules.transmitter = transmitter = SerialTransmitter(divisor=self._divisor)
        m.d.comb += [
            receiver.i_line.eq(self.i_line),
            self.o_line.eq(transmitter.o_line),
            self.o_interrupt.eq(overlay.interrupt),
        ]
        connect(m, receiver.o, bridge.i)
        connect(m, bridge.o, transmitter.i)
        connect(m, bridge.o_access, access.i)
        connect(m, access.o, bridge.i_answer)

        host_reads, overlay_reads, *weights = memory.i_read
        host_writes, overlay_writes = memory.i_write
        for channel in ("ar", "r"):
            connect(m, getattr(access.memory, channel), getattr(host_reads, channel))
        for channel in ("aw", "w", "b"):
            connect(m, getattr(access.memory, channel), getattr(host_writes, channel))
        connect_flat(m, overlay, "m_axi_gmem0", overlay_reads)
        connect_flat(m, overlay, "m_axi_gmem0", overlay_writes)
        for port, reads in enumerate(weights, 1):
            connect_flat(m, overlay, f"m_axi_gmem{port}", reads)
        connect_flat(m, overlay, "s_axi_control", access.control)
        return m
