"""A small kernel with the overlay's ports: XORs two regions of memory, beat by beat."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.bus.arbiter import ReadArbiter
from hw.bus.axi import AXI4, AXI4Lite, AXI4Read, connect_flat, flat_members
from hw.bus.burst_reader import BurstReader
from hw.bus.burst_writer import BurstWriter
from hw.bus.registers import ControlSlave
from hw.isa import Engine, Error
from hw.isa.register_map import MAP_ADDRESS_BITS
from hw.lib.emit import Verilog, emit
from sim.fast.simulated_run import Dump, Job

TAG = 0x1234
BEATS = 150
HASTY = 31


class CopyKernel(wiring.Component):
    """output[i] = input[i] ^ weights[i] for as many beats as the program's first word says.

    With the word's bit ``HASTY`` it is done, and idle, before its writes have been answered.

    Input and program share gmem0 with the output, the weights come from gmem1.  Each beat is traced
    as a tensor memory write, one byte further than the output; STORE retires with ``TAG``.

    Parameters
    ----------
    data_bytes : width of a beat.
    """

    def __init__(self, *, data_bytes: int) -> None:
        self._bytes = data_bytes
        self._ports = {
            "m_axi_gmem0": Out(AXI4(data_bytes=data_bytes)),
            "m_axi_gmem1": Out(AXI4Read(data_bytes=data_bytes)),
            "s_axi_control": In(AXI4Lite(address_bits=MAP_ADDRESS_BITS)),
        }
        members = {}
        for name, member in self._ports.items():
            members |= flat_members(name, member)
        lanes = (2 * data_bytes).bit_length()
        super().__init__(
            {
                **members,
                "interrupt": Out(1),
                "trace_write_valid": Out(1),
                "trace_write_address": Out(32),
                "trace_write_low": Out(lanes),
                "trace_write_high": Out(lanes),
                "trace_write_data": Out(16 * data_bytes),
                "trace_start": Out(4),
                "trace_start_tag": Out(64),
                "trace_retire": Out(4),
                "trace_retire_tag": Out(64),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        size = self._bytes
        m.submodules.control = control = ControlSlave(watchdog_cycles=1000)
        m.submodules.program = program = BurstReader(data_bytes=size)
        m.submodules.input = images = BurstReader(data_bytes=size)
        m.submodules.weights = weights = BurstReader(data_bytes=size)
        m.submodules.output = output = BurstWriter(data_bytes=size)
        m.submodules.arbiter = arbiter = ReadArbiter(data_bytes=size)
        gmem0 = AXI4(data_bytes=size).create()
        for channel in ("ar", "r"):
            wiring.connect(m, wiring.flipped(getattr(gmem0, channel)), getattr(arbiter.o, channel))
        for channel in ("aw", "w", "b"):
            wiring.connect(m, wiring.flipped(getattr(gmem0, channel)), getattr(output.axi, channel))
        wiring.connect(m, program.axi, arbiter.i0)
        wiring.connect(m, images.axi, arbiter.i1)
        connect_flat(m, self, "m_axi_gmem0", gmem0)
        connect_flat(m, self, "m_axi_gmem1", weights.axi)
        connect_flat(m, self, "s_axi_control", control.bus)

        beats, left, cycles, error = Signal(32), Signal(32), Signal(64), Signal(32)
        parts = (images, weights, output)
        settings = control.o_settings
        m.d.comb += [
            control.i_values.cycles.eq(cycles),
            control.i_values.error.eq(error),
            self.interrupt.eq(control.o_interrupt),
            program.i.p.address.eq(settings.program),
            program.i.p.beats.eq(1),
            images.i.p.address.eq(settings.input),
            weights.i.p.address.eq(settings.weights0),
            output.i.p.address.eq(settings.output),
            *(part.i.p.beats.eq(beats) for part in parts),
        ]
        asked = Signal(len(parts))
        hasty = Signal()
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [control.i_idle.eq(1), control.i_accept.eq(control.o_start)]
                m.d.comb += program.i.valid.eq(control.o_start)
                with m.If(control.o_start):
                    m.d.comb += self.trace_start.eq(1 << Engine.LOAD)
                    m.d.sync += [cycles.eq(0), error.eq(0)]
                    m.next = "PROGRAM"
            with m.State("PROGRAM"):
                m.d.comb += program.o.ready.eq(1)
                with m.If(program.o.valid):
                    count = program.o.payload[:HASTY]
                    m.d.sync += [beats.eq(count), left.eq(count), asked.eq(0)]
                    m.d.sync += hasty.eq(program.o.payload[HASTY])
                    m.next = "COPY"
            with m.State("COPY"):
                for bit, part in enumerate(parts):
                    m.d.comb += part.i.valid.eq(~asked[bit])
                    with m.If(part.i.valid & part.i.ready):
                        m.d.sync += asked[bit].eq(1)
                m.d.comb += [
                    output.i_data.valid.eq(images.o.valid & weights.o.valid),
                    images.o.ready.eq(output.i_data.ready & weights.o.valid),
                    weights.o.ready.eq(output.i_data.ready & images.o.valid),
                ]
                with m.If(output.i_data.valid & output.i_data.ready):
                    m.d.comb += self.trace_write_valid.eq(1)
                    m.d.sync += left.eq(left - 1)
                with m.If((left == 0) & asked.all() & (output.o_idle | hasty)):
                    m.d.comb += [control.i_done.eq(1), self.trace_retire.eq(1 << Engine.STORE)]
                    m.next = "IDLE"
        m.d.comb += control.i_running.eq(~control.i_idle)
        with m.If(control.i_running):
            m.d.sync += cycles.eq(cycles + 1)
        for part, code in ((images, Error.BUS_READ), (weights, Error.BUS_READ), (output, 5)):
            with m.If(part.o_error):
                m.d.sync += error.eq(code)
        data = images.o.payload ^ weights.o.payload
        m.d.comb += [
            output.i_data.p.data.eq(data),
            output.i_data.p.strobe.eq(Const(-1, size)),
            self.trace_write_address.eq((beats - left) * size - size + 1),
            self.trace_write_low.eq(size),
            self.trace_write_high.eq(2 * size),
            self.trace_write_data.eq(Cat(Const(0, 8 * size), data)),
            self.trace_retire_tag.eq(TAG << 16 * Engine.STORE),
        ]
        return m


@functools.cache
def kernel(data_bytes: int) -> Verilog:
    """The emitted kernel."""
    component = CopyKernel(data_bytes=data_bytes)
    return emit(component, "copy_kernel", clock="ap_clk", reset="ap_rst_n")


def xor_job(data_bytes: int, **options: Any) -> tuple[Job, list[bytes]]:
    """A job of three runs, and their outputs."""
    random = np.random.default_rng(1)
    weights, *inputs = (random.bytes(BEATS * data_bytes) for _ in range(4))
    expected = [bytes(a ^ b for a, b in zip(image, weights, strict=True)) for image in inputs]
    dump = Dump(
        retired={Engine.STORE: 1},
        address=1 + data_bytes,
        pitch=2 * data_bytes,
        channels=data_bytes,
        pixels=BEATS // 2 - 1,
    )
    made = Job(
        regions={"program": BEATS.to_bytes(data_bytes, "little"), "weights0": weights},
        inputs=inputs,
        output_bytes=BEATS * data_bytes,
        dumps=[dump],
        **options,
    )
    return made, expected
