"""Addresses of LOAD and STORE: one bus command and one job for the data's side each."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hw.bus.axi import ADDRESS_BITS
from hw.bus.reader import COMMAND
from hw.isa import Base, Space


def job_layout(data_bytes: int) -> data.StructLayout:
    """What the data's side of a transfer has to do, see ``Transfer``."""
    return data.StructLayout(
        {
            "space": unsigned(1),
            "skew": exact_log2(data_bytes),
            "local": unsigned(32),
            "lanes": unsigned(33),
        }
    )


class Transfer(wiring.Component):
    """Turns the operands of LOAD or STORE into a bus command and a job.

    Both are offered three cycles after the instruction; one instruction every four cycles.

    Parameters
    ----------
    data_bytes : width of a beat.
    layout : of the instruction, LOAD or STORE.

    Members
    -------
    i : instructions.
    bases : base addresses, by ``hw.isa.Base``, constant during a run.
    command : to a ``BurstReader`` or ``BurstWriter``; no beats if the instruction has no bytes.
    o : job: ``space``, ``skew`` (lane of the first byte in the first beat), ``local`` (tensor
        memory address of lane 0 of the first beat, which may wrap below zero; or the first
        record) and ``lanes`` (skew + bytes; 0 if there are no bytes).
    """

    def __init__(self, *, data_bytes: int, layout: data.StructLayout) -> None:
        self._bytes = data_bytes
        super().__init__(
            {
                "i": In(stream.Signature(layout)),
                "bases": In(ADDRESS_BITS).array(len(Base)),
                "command": Out(stream.Signature(COMMAND)),
                "o": Out(stream.Signature(job_layout(data_bytes))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shift = exact_log2(self._bytes)
        address = Signal(ADDRESS_BITS)
        local = Signal(32)
        count = Signal(32)
        space = Signal()
        skew = address[:shift]
        lanes = Signal(33)
        m.d.comb += lanes.eq(Mux(count == 0, 0, skew + count))

        with m.If(self.command.ready):
            m.d.sync += self.command.valid.eq(0)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [
                    address.eq(Array(self.bases)[self.i.p.base] + self.i.p.offset),
                    local.eq(self.i.p.local),
                    count.eq(self.i.p.bytes),
                    space.eq(self.i.p.space),
                ]
                with m.If(self.i.valid):
                    m.next = "ADD"
            with m.State("ADD"):
                m.d.sync += [
                    self.command.p.address.eq(address),
                    self.command.p.beats.eq((lanes + self._bytes - 1) >> shift),
                    self.command.valid.eq(1),
                    self.o.p.space.eq(space),
                    self.o.p.skew.eq(skew),
                    self.o.p.local.eq(Mux(space == Space.TENSOR, local - skew, local)),
                    self.o.p.lanes.eq(lanes),
                    self.o.valid.eq(1),
                ]
                m.next = "SEND"
            with m.State("SEND"):
                with m.If(~self.command.valid & ~self.o.valid):
                    m.next = "IDLE"
        return m
