"""LOAD: from DRAM to the tensor memory, the parameter memory or the tables."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from hw.bus.axi import check_data_bytes
from hw.conv.array.parameter_chain import parameter_write
from hw.isa import LOAD, PARAMETER, MemorySpace
from hw.isa.config import PARAMETER_BYTES, OverlayConfig
from hw.lib.queue import Queue
from hw.lib.table_lanes import table_write
from hw.lib.tensor_memory import write_request
from hw.move.transfer import Transfer, connect_transfer, job_layout, transfer_ports

AHEAD = 4  # loads whose reads may be under way at once


class Load(wiring.Component):
    """Executes LOAD instructions in order, reading ahead for those that follow.

    A beat per cycle to the tensor memory, a record per cycle (or per ``PARAMETER_BYTES`` of beats)
    to the parameter memory or, from ``parameter_depth`` on, to the tables.  The rotation to the
    tensor memory's words is the memory's: a beat is written at the address of its lane 0,
    restricted to the lanes that count.

    Parameters
    ----------
    config : the overlay's.

    Members
    -------
    i : instructions.
    i_bases, i_sizes : of the regions in DRAM, by ``hw.isa.Base``, constant during a run.
    o_command, i_beat : to and from a ``BurstReader``.
    o_write : tensor memory writes.
    o_parameter, o_parameter_valid : parameter memory writes.
    o_table : writes of the tables, see ``table_write``.
    o_retire : pulse, the oldest instruction is done: the cycle after its last write's acceptance.
    o_failed : ``o_failure`` has code and tag; stays until reset.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        super().__init__(
            {
                **transfer_ports(LOAD),
                "i_beat": In(stream.Signature(8 * config.axi_bytes)),
                "o_write": Out(stream.Signature(write_request(config))),
                "o_parameter": Out(parameter_write(config)),
                "o_parameter_valid": Out(1),
                "o_table": Out(table_write(config)),
                "o_retire": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        width = self._config.axi_bytes
        m.submodules.transfer = transfer = Transfer(config=self._config, layout=LOAD)
        m.submodules.records = records = Records(data_bytes=width)
        m.submodules.jobs = jobs = Queue(shape=job_layout(width), depth=AHEAD)
        connect(m, flipped(self.i), transfer.i)
        connect(m, flipped(self.o_command), transfer.o_command)
        connect(m, transfer.o, jobs.i)
        connect_transfer(m, self, transfer)

        job = Signal(job_layout(width))
        high = Signal(range(width + 1))
        last, taken = Signal(), Signal()
        m.d.comb += [
            last.eq(job.lanes <= width),
            high.eq(Mux(last, job.lanes, width)),
            taken.eq(self.i_beat.valid & self.i_beat.ready),
        ]
        with m.If(taken):
            m.d.sync += [job.lanes.eq(job.lanes - width), job.skew.eq(0)]
        m.d.sync += self.o_retire.eq(0)
        self._records(m, job, records)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += jobs.o.ready.eq(1)
                m.d.sync += job.eq(jobs.o.payload)
                with m.If(jobs.o.valid):
                    m.d.sync += self.o_retire.eq(jobs.o.payload.lanes == 0)
                    with m.If(jobs.o.payload.lanes != 0):
                        m.next = "MOVE"
            with m.State("MOVE"):
                with m.If(job.space == MemorySpace.TENSOR):
                    self._to_tensor(m, job, high)
                with m.Else():
                    self._to_parameters(m, job, high, records)
                with m.If(taken & last):
                    m.d.sync += self.o_retire.eq(1)
                    m.next = "IDLE"
        return m

    def _records(self, m: Module, job: Any, records: Records) -> None:
        """What is cut from the beats is offered to the memory in which the job stands."""
        depth = self._config.parameter_depth
        behind = job.local[exact_log2(depth) :].any()
        m.d.comb += [
            records.i.payload.data.eq(self.i_beat.payload),
            self.o_parameter.address.eq(job.local),
            self.o_parameter.record.eq(records.o.payload[: PARAMETER.size]),
            self.o_parameter_valid.eq(records.o.valid & ~behind),
            self.o_table.record.eq(job.local - depth),
            self.o_table.entries.eq(records.o.payload),
            self.o_table.valid.eq(records.o.valid & behind),
        ]

    def _to_tensor(self, m: Module, job: Any, high: Any) -> None:
        """The lanes [skew, ``high``) of the beat go to the tensor memory, where the job stands."""
        m.d.comb += [
            self.o_write.valid.eq(self.i_beat.valid),
            self.o_write.payload.address.eq(job.local),
            self.o_write.payload.low.eq(job.skew),
            self.o_write.payload.high.eq(high),
            self.o_write.payload.data.eq(self.i_beat.payload),
            self.i_beat.ready.eq(self.o_write.ready),
        ]
        with m.If(self.o_write.valid & self.o_write.ready):
            m.d.sync += job.local.eq(job.local + self._config.axi_bytes)

    def _to_parameters(self, m: Module, job: Any, high: Any, records: Records) -> None:
        """The lanes [skew, ``high``) of the beat go to the parameter memory, record by record."""
        m.d.comb += [
            records.i.valid.eq(self.i_beat.valid),
            records.i.payload.low.eq(job.skew),
            records.i.payload.high.eq(high),
            self.i_beat.ready.eq(records.i.ready),
        ]
        with m.If(records.o.valid):
            m.d.sync += job.local.eq(job.local + 1)


class Records(wiring.Component):
    """Cuts beats into parameter records, one per cycle; records never straddle longer beats.

    No latency; the last beat of a record that takes several completes it.

    Parameters
    ----------
    data_bytes : width of a beat.

    Members
    -------
    i : beats with the lanes [``low``, ``high``) that count, multiples of a record or all.
    o : records.
    """

    def __init__(self, *, data_bytes: int) -> None:
        check_data_bytes(data_bytes)
        self._bytes = data_bytes
        beat = data.StructLayout(
            {
                "data": unsigned(8 * data_bytes),
                "low": range(data_bytes),
                "high": range(data_bytes + 1),
            }
        )
        super().__init__(
            {
                "i": In(stream.Signature(beat)),
                "o": Out(stream.Signature(8 * PARAMETER_BYTES, always_ready=True)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        if self._bytes >= PARAMETER_BYTES:
            slots = self._bytes // PARAMETER_BYTES
            step = Signal(range(slots + 1))
            slot = Signal(range(slots + 1))
            m.d.comb += [
                slot.eq(self.i.payload.low // PARAMETER_BYTES + step),
                self.o.valid.eq(self.i.valid),
                self.i.ready.eq((slot + 1) * PARAMETER_BYTES >= self.i.payload.high),
            ]
            with m.Switch(slot):
                for number in range(slots):
                    with m.Case(number):
                        start = 8 * PARAMETER_BYTES * number
                        record = self.i.payload.data[start : start + 8 * PARAMETER_BYTES]
                        m.d.comb += self.o.payload.eq(record)
            with m.If(self.i.valid):
                m.d.sync += step.eq(Mux(self.i.ready, 0, step + 1))
        else:
            beats = PARAMETER_BYTES // self._bytes
            earlier = Signal(8 * (PARAMETER_BYTES - self._bytes))
            number = Signal(range(beats))
            m.d.comb += [
                self.o.payload.eq(Cat(earlier, self.i.payload.data)),
                self.o.valid.eq(self.i.valid & (number == beats - 1)),
                self.i.ready.eq(1),
            ]
            with m.If(self.i.valid):
                m.d.sync += [
                    earlier.eq(Cat(earlier, self.i.payload.data)[8 * self._bytes :]),
                    number.eq(number + 1),
                ]
        return m
