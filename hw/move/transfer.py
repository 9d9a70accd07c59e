"""Addresses of LOAD and STORE: one bus command and one job for the data's side each."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hw.bus.axi import ADDRESS_BITS
from hw.bus.burst_reader import COMMAND
from hw.control.field_check import FAILURE
from hw.isa import Base, Error, MemorySpace
from hw.isa.config import PARAMETER_BYTES, OverlayConfig


def job_layout(data_bytes: int) -> data.StructLayout:
    """What the data's side of a transfer has to do, see ``Transfer``."""
    return data.StructLayout(
        {
            "space": MemorySpace,
            "skew": exact_log2(data_bytes),
            "local": unsigned(32),
            "lanes": unsigned(33),
        }
    )


def transfer_ports(layout: data.StructLayout) -> dict[str, wiring.Member]:
    """What `Transfer` and the engine around it have in common."""
    return {
        "i": In(stream.Signature(layout)),
        "i_bases": In(ADDRESS_BITS).array(len(Base)),
        "i_sizes": In(ADDRESS_BITS).array(len(Base)),
        "o_command": Out(stream.Signature(COMMAND)),
        "o_failed": Out(1),
        "o_failure": Out(FAILURE),
    }


class Transfer(wiring.Component):
    """Turns the operands of LOAD or STORE into a bus command and a job.

    Both are offered three cycles after the instruction; one instruction every four cycles.  An
    instruction that would leave its region of DRAM or the overlay's memory fails instead.

    Parameters
    ----------
    config : the overlay's.
    layout : of the instruction, LOAD or STORE.

    Members
    -------
    i : instructions.
    i_bases, i_sizes : of the regions in DRAM, by ``hw.isa.Base``, constant during a run.
    o_command : to a ``BurstReader`` or ``BurstWriter``; no beats if the instruction has no bytes.
    o : job: ``space``, ``skew`` (lane of the first byte in the first beat), ``local`` (tensor
        memory address of lane 0 of the first beat, which may wrap below zero; or the first
        record) and ``lanes`` (skew + bytes; 0 if there are no bytes).
    o_failed : ``o_failure`` has code and tag; stays until reset.
    """

    def __init__(self, *, config: OverlayConfig, layout: data.StructLayout) -> None:
        self._bytes = data_bytes = config.axi_bytes
        self._capacities = {
            MemorySpace.TENSOR: config.tensor_bytes,
            MemorySpace.PARAMETER: config.records,
        }
        job = job_layout(data_bytes)
        super().__init__({**transfer_ports(layout), "o": Out(stream.Signature(job))})
        self._address = Signal(ADDRESS_BITS)
        self._local, self._count = Signal(32), Signal(32)
        self._space = Signal()
        self._size, self._end = Signal(ADDRESS_BITS), Signal(41)  # in DRAM
        self._extent = Signal(33)  # in the overlay's memory

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        capacity = Array(self._capacities[kind] for kind in MemorySpace)[self._space]
        lanes, skew = Signal(33), self._address[: exact_log2(self._bytes)]
        m.d.comb += lanes.eq(Mux(self._count == 0, 0, skew + self._count))
        with m.If(self.o_command.ready):
            m.d.sync += self.o_command.valid.eq(0)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                self._accept(m)
                with m.If(self.i.valid):
                    m.next = "ADD"
            with m.State("ADD"):
                self._add(m, lanes)
                with m.If(self._end > self._size):
                    m.d.sync += self.o_failure.code.eq(Error.REGION)
                    m.next = "FAILED"
                with m.Elif(self._extent > capacity):
                    m.d.sync += self.o_failure.code.eq(Error.FIELD)
                    m.next = "FAILED"
                with m.Else():
                    m.d.sync += [self.o_command.valid.eq(1), self.o.valid.eq(1)]
                    m.next = "SEND"
            with m.State("SEND"):
                with m.If(~self.o_command.valid & ~self.o.valid):
                    m.next = "IDLE"
            with m.State("FAILED"):
                m.d.comb += self.o_failed.eq(1)
        return m

    def _accept(self, m: Module) -> None:
        """Takes the instruction at ``i``: its addresses, and where it ends on both sides."""
        code = self.i.payload
        records = code.bytes // PARAMETER_BYTES
        units = Mux(code.space == MemorySpace.TENSOR, code.bytes, records)
        m.d.comb += self.i.ready.eq(1)
        m.d.sync += [
            self._address.eq(Array(self.i_bases)[code.base] + code.offset),
            self._local.eq(code.local),
            self._count.eq(code.bytes),
            self._space.eq(code.space),
            self._size.eq(Array(self.i_sizes)[code.base]),
            self._end.eq(code.offset + code.bytes),
            self._extent.eq(code.local + units),
            self.o_failure.tag.eq(code.tag),
        ]

    def _add(self, m: Module, lanes: Signal) -> None:
        """Prepares command and job; whether they are offered is the caller's decision."""
        shift = exact_log2(self._bytes)
        skew = self._address[:shift]
        tensor = self._space == MemorySpace.TENSOR
        m.d.sync += [
            self.o_command.payload.address.eq(self._address),
            self.o_command.payload.beats.eq((lanes + self._bytes - 1) >> shift),
            self.o.payload.space.eq(self._space),
            self.o.payload.skew.eq(skew),
            self.o.payload.local.eq(Mux(tensor, self._local - skew, self._local)),
            self.o.payload.lanes.eq(lanes),
        ]


def connect_transfer(m: Module, engine: Any, transfer: Transfer) -> None:
    """An engine's regions reach its transfer, and the transfer's failure is the engine's."""
    m.d.comb += [
        *(inner.eq(outer) for inner, outer in zip(transfer.i_bases, engine.i_bases, strict=True)),
        *(inner.eq(outer) for inner, outer in zip(transfer.i_sizes, engine.i_sizes, strict=True)),
        engine.o_failed.eq(transfer.o_failed),
        engine.o_failure.eq(transfer.o_failure),
    ]
