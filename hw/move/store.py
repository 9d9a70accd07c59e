"""STORE: from the tensor memory to DRAM."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from hw.bus.burst_writer import beat_layout
from hw.isa import STORE
from hw.isa.config import OverlayConfig, power_of_two
from hw.isa.timing import READ_LATENCY
from hw.lib.occupancy import Occupancy
from hw.lib.queue import Queue
from hw.lib.tensor_memory import read_request
from hw.move.transfer import Transfer, connect_transfer, transfer_ports

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
    i_bases, i_sizes : of the regions in DRAM, by ``hw.isa.Base``, constant during a run.
    o_command, o_beat : to a ``BurstWriter``.
    i_writer_idle : that writer has nothing under way.
    o_read : tensor memory reads.
    i_read, i_read_valid : their answers, ``READ_LATENCY`` cycles later.
    o_retire : pulse, the oldest instruction is done: ``STORE_LATENCY`` after DRAM has acknowledged
        every byte.
    o_failed : ``o_failure`` has code and tag; stays until reset.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        super().__init__(
            {
                **transfer_ports(STORE),
                "o_beat": Out(stream.Signature(beat_layout(config.axi_bytes))),
                "i_writer_idle": In(1),
                "o_read": Out(stream.Signature(read_request())),
                "i_read": In(8 * config.tensor_word),
                "i_read_valid": In(1),
                "o_retire": Out(1),
            }
        )
        self._address = Signal(32)
        self._to_ask, self._to_write = Signal(33), Signal(33)  # lanes of the job
        self._asks, self._writes = Signal(), Signal()  # there are some
        self._skew = Signal(exact_log2(config.axi_bytes))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.transfer = transfer = Transfer(config=self._config, layout=STORE)
        m.submodules.answers = answers = Queue(shape=8 * self._config.axi_bytes, depth=ROOM)
        connect(m, flipped(self.o_command), transfer.o_command)
        connect_transfer(m, self, transfer)
        m.d.comb += transfer.i.payload.eq(self.i.payload)

        m.submodules.room = room = Occupancy(depth=ROOM, full=True)
        m.d.comb += [
            room.i_leaves.eq(self._ask(m, room.o_some)),
            room.i_enters.eq(self._pass_on(m, answers)),
        ]

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
                    self._begin(m, transfer.o.payload)
                    m.next = "MOVE"
            with m.State("MOVE"):
                with m.If(~self._writes & ~self.o_command.valid & self.i_writer_idle):
                    m.next = "RETIRE"
            with m.State("RETIRE"):
                m.d.comb += self.o_retire.eq(1)
                m.next = "IDLE"
        return m

    def _begin(self, m: Module, job: Any) -> None:
        """The job's beats are to be asked for and written."""
        m.d.sync += [
            self._address.eq(job.local),
            self._to_ask.eq(job.lanes),
            self._to_write.eq(job.lanes),
            self._asks.eq(job.lanes != 0),
            self._writes.eq(job.lanes != 0),
            self._skew.eq(job.skew),
        ]

    def _ask(self, m: Module, room: Any) -> Signal:
        """Asks the tensor memory for the job's beats while there is room; pulses for each."""
        width = self._config.axi_bytes
        asked = Signal()
        m.d.comb += [
            self.o_read.payload.address.eq(self._address),
            self.o_read.valid.eq(self._asks & room),
            asked.eq(self.o_read.valid & self.o_read.ready),
        ]
        with m.If(asked):
            m.d.sync += [
                self._address.eq(self._address + width),
                self._to_ask.eq(self._to_ask - width),
                self._asks.eq(self._to_ask > width),
            ]
        return asked

    def _pass_on(self, m: Module, answers: Queue) -> Signal:
        """Answers become beats of which the job's lanes count; pulses for each."""
        width = self._config.axi_bytes
        passed = Signal()
        from_skew = Const((1 << width) - 1, width) << self._skew
        strobe = Cat(from_skew[i] & (i < self._to_write) for i in range(width))
        m.d.comb += [
            answers.i.payload.eq(self.i_read),
            answers.i.valid.eq(self.i_read_valid),
            self.o_beat.payload.data.eq(answers.o.payload),
            self.o_beat.payload.strobe.eq(strobe),
            self.o_beat.valid.eq(answers.o.valid),
            answers.o.ready.eq(self.o_beat.ready),
            passed.eq(self.o_beat.valid & self.o_beat.ready),
        ]
        with m.If(passed):
            m.d.sync += [self._skew.eq(0), self._to_write.eq(self._to_write - width)]
            m.d.sync += self._writes.eq(self._to_write > width)
        return passed
