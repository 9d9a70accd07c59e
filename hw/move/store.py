"""STORE: from the tensor memory to DRAM."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.bus.axi import ADDRESS_BITS
from hw.bus.burst_reader import COMMAND
from hw.bus.burst_writer import beat_layout
from hw.control.field_check import FAILURE
from hw.isa import STORE, Base
from hw.isa.config import OverlayConfig, power_of_two
from hw.isa.timing import READ_LATENCY
from hw.lib.queue import Queue
from hw.lib.tensor_memory import read_request
from hw.move.transfer import Transfer

ROOM = power_of_two(READ_LATENCY + 4)  # beats asked for and not yet passed on


class Store(wiring.Component):
    """Executes STORE instructions in order, one at a time.

    A beat per cycle at most.  Space for every answer is reserved before the read is asked for.

    Parameters
    ----------
    config : the overlay's.

    Members
    -------
    i : instructions.
    bases, sizes : of the regions in DRAM, by ``hw.isa.Base``, constant during a run.
    command, o_beat : to a ``BurstWriter``.
    writer_idle : that writer has nothing under way.
    o_read : tensor memory reads.
    i_read, i_read_valid : their answers, ``READ_LATENCY`` cycles later.
    retire : pulse, the oldest instruction is done: DRAM has acknowledged every byte.
    failed : ``failure`` has code and tag; stays until reset.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(STORE)),
                "bases": In(ADDRESS_BITS).array(len(Base)),
                "sizes": In(ADDRESS_BITS).array(len(Base)),
                "command": Out(stream.Signature(COMMAND)),
                "o_beat": Out(stream.Signature(beat_layout(config.axi_bytes))),
                "writer_idle": In(1),
                "o_read": Out(stream.Signature(read_request())),
                "i_read": In(8 * config.tensor_word),
                "i_read_valid": In(1),
                "retire": Out(1),
                "failed": Out(1),
                "failure": Out(FAILURE),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        width = self._config.axi_bytes
        m.submodules.transfer = transfer = Transfer(config=self._config, layout=STORE)
        m.submodules.answers = answers = Queue(shape=8 * width, depth=ROOM)
        connect(m, flipped(self.command), transfer.command)
        for outer, inner in zip(
            (*self.bases, *self.sizes), (*transfer.bases, *transfer.sizes), strict=True
        ):
            m.d.comb += inner.eq(outer)
        m.d.comb += [self.failed.eq(transfer.failed), self.failure.eq(transfer.failure)]

        job = transfer.o.payload
        address = Signal(32)
        to_ask, to_write = Signal(33), Signal(33)
        skew = Signal.like(job.skew)
        room = Signal(range(ROOM + 1), init=ROOM)
        asked, passed = Signal(), Signal()
        from_skew = Const((1 << width) - 1, width) << skew
        m.d.comb += [
            transfer.i.payload.eq(self.i.payload),
            self.o_read.payload.address.eq(address),
            self.o_read.valid.eq((to_ask != 0) & (room != 0)),
            asked.eq(self.o_read.valid & self.o_read.ready),
            answers.i.payload.eq(self.i_read),
            answers.i.valid.eq(self.i_read_valid),
            self.o_beat.payload.data.eq(answers.o.payload),
            self.o_beat.payload.strobe.eq(Cat(from_skew[i] & (i < to_write) for i in range(width))),
            self.o_beat.valid.eq(answers.o.valid),
            answers.o.ready.eq(self.o_beat.ready),
            passed.eq(self.o_beat.valid & self.o_beat.ready),
        ]
        m.d.sync += room.eq(room - asked + passed)
        with m.If(asked):
            m.d.sync += [address.eq(address + width), to_ask.eq(_less(to_ask, width))]
        with m.If(passed):
            m.d.sync += [skew.eq(0), to_write.eq(_less(to_write, width))]

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [
                    transfer.i.valid.eq(self.i.valid),
                    self.i.ready.eq(transfer.i.ready),
                ]
                with m.If(self.i.valid & self.i.ready):
                    m.next = "JOB"
            with m.State("JOB"):
                m.d.comb += transfer.o.ready.eq(1)
                with m.If(transfer.o.valid):
                    m.d.sync += [
                        address.eq(job.local),
                        to_ask.eq(job.lanes),
                        to_write.eq(job.lanes),
                        skew.eq(job.skew),
                    ]
                    m.next = "MOVE"
            with m.State("MOVE"):
                with m.If((to_write == 0) & ~self.command.valid & self.writer_idle):
                    m.d.comb += self.retire.eq(1)
                    m.next = "IDLE"
        return m


def _less(lanes: Any, width: int) -> Any:
    return Mux(lanes <= width, 0, lanes - width)
