"""Reads the program and hands each instruction to its engine's queue."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.bus.axi import ADDRESS_BITS, check_data_bytes
from hw.bus.burst_reader import COMMAND
from hw.control.checksum_unit import ProgramChecksum
from hw.control.field_check import FAILURE, FETCH_BITS, QUEUED, FieldCheck
from hw.isa import BEGIN, INSTRUCTION_BYTES, LAYOUTS, Error, Opcode
from hw.isa.config import ISA_VERSION, OverlayConfig
from hw.isa.timing import VERDICT_LATENCY
from hw.lib.pipelining import delayed

KIND = data.StructLayout({opcode.name.lower(): 1 for opcode in (*QUEUED, Opcode.END)})


class Fetch(wiring.Component):
    """Reads a program from its base address on, in order, and dispatches it until END.

    First BEGIN alone is read and checked, then the rest of the ``instructions`` it states, as far
    ahead as the reader's queue allows and no byte more.  A program without END ends with
    ``ILLEGAL_OPCODE``.  Stops after ``o_done`` or an error until reset.  An instruction of N beats
    takes N + 1 cycles.

    Checksum and fields are checked beside the dispatch and cost no cycle: ``o_failed`` may follow
    ``o_done`` by ``VERDICT_LATENCY`` cycles.

    Parameters
    ----------
    config : the overlay's.

    Members
    -------
    i_start : pulse, begin.
    i_base, i_size : address and bytes of the program's region, constant while it runs; the address
        is a multiple of a beat.
    o_command, i_beat : to and from a ``BurstReader``.
    o_load, o_conv, o_pool, o_store, o_weights : instructions for the engines.
    i_busy : an engine has instructions.
    o_done : END is reached and no engine is busy.
    o_failed : the program is at fault; ``o_failure`` has code and tag.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        data_bytes = config.axi_bytes
        super().__init__(
            {
                "i_start": In(1),
                "i_base": In(ADDRESS_BITS),
                "i_size": In(ADDRESS_BITS),
                "o_command": Out(stream.Signature(COMMAND)),
                "i_beat": In(stream.Signature(8 * data_bytes)),
                **{f"o_{op.name.lower()}": Out(stream.Signature(LAYOUTS[op])) for op in QUEUED},
                "i_busy": In(1),
                "o_done": Out(1),
                "o_failed": Out(1),
                "o_failure": Out(FAILURE),
            }
        )
        self._dispatching = Signal()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.gather = gather = Gather(data_bytes=self._config.axi_bytes)
        connect(m, flipped(self.i_beat), gather.i)
        word = gather.o
        remaining = Signal(32)  # instructions to dispatch
        ended = Signal()  # there are none
        begin = data.View(BEGIN, word.payload[: BEGIN.size])
        m.d.comb += self.o_failure.tag.eq(begin.tag)

        with m.If(self.o_command.ready):
            m.d.sync += self.o_command.valid.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                with m.If(self.i_start):
                    m.d.sync += self.o_command.valid.eq(1)
                    self._command(m, self.i_base, 1)
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                with m.If(word.valid):
                    m.d.sync += [remaining.eq(begin.instructions - 1), ended.eq(0)]
                    self._command(m, self.i_base + INSTRUCTION_BYTES, begin.instructions - 1)
                    self._check(m, begin)
                    with m.If(self.o_failed):
                        m.next = "STOPPED"
                    with m.Else():
                        m.d.comb += word.ready.eq(1)
                        m.d.sync += self.o_command.valid.eq(1)
                        m.next = "DISPATCH"
            with m.State("DISPATCH"):
                m.d.comb += self._dispatching.eq(1)
                with m.If(ended):
                    self._fail(m, Error.ILLEGAL_OPCODE)
                with m.Elif(word.valid):
                    self._dispatch(m, word, gather.o_kind)
                with m.If(word.valid & word.ready):
                    m.d.sync += [remaining.eq(remaining - 1), ended.eq(remaining == 1)]
                with m.If(self.o_failed | self.o_done):
                    m.next = "STOPPED"
            with m.State("STOPPED"):
                pass
        for opcode in QUEUED:  # whether it is valid or not: nothing decides on so many bits
            target = getattr(self, f"o_{opcode.name.lower()}")
            m.d.comb += target.payload.eq(word.payload[: LAYOUTS[opcode].size])
        self._verify(m, word, gather.o_kind)
        return m

    def _command(self, m: Module, address: Any, instructions: Any) -> None:
        """Prepares the read of so many instructions; whether it is offered is decided elsewhere."""
        beats = INSTRUCTION_BYTES // self._config.axi_bytes  # of an instruction
        m.d.sync += [
            self.o_command.payload.address.eq(address),
            self.o_command.payload.beats.eq(instructions * beats),
        ]

    def _verify(self, m: Module, word: Any, kind: Any) -> None:
        """The checks that speak after the dispatch."""
        m.submodules.checksum = checksum = ProgramChecksum(data_bytes=self._config.axi_bytes)
        m.submodules.check = check = FieldCheck(config=self._config)
        ended = word.valid & kind.end & self._dispatching
        m.d.comb += [
            checksum.i_valid.eq(self.i_beat.valid & self.i_beat.ready),
            checksum.i_data.eq(self.i_beat.payload),
            check.i_valid.eq(word.valid & word.ready & self._dispatching),
            check.i_word.eq(word.payload),
        ]
        with m.If(
            delayed(m, ended, VERDICT_LATENCY, name="ended", reset_less=False) & ~checksum.o_right
        ):
            self._fail(m, Error.CHECKSUM)
        with m.If(check.o_failed):
            m.d.comb += [self.o_failed.eq(1), self.o_failure.eq(check.o_failure)]

    def _check(self, m: Module, begin: Any) -> None:
        """Fails unless BEGIN is one, and of a program that this overlay can run."""
        with m.If(begin.opcode != Opcode.BEGIN):
            self._fail(m, Error.MISSING_BEGIN)
        with m.Elif(begin.isa_version != ISA_VERSION):
            self._fail(m, Error.ISA_VERSION)
        with m.Elif(begin.configuration != self._config.hash):
            self._fail(m, Error.CONFIGURATION)
        with m.Elif(begin.instructions <= 1):
            self._fail(m, Error.ILLEGAL_OPCODE)
        with m.Elif(begin.instructions > self.i_size // INSTRUCTION_BYTES):
            self._fail(m, Error.REGION)

    def _dispatch(self, m: Module, word: Any, kind: Any) -> None:
        """Offers the instruction to its engine; ``done`` at END, once no engine is busy."""
        for opcode in QUEUED:
            name = opcode.name.lower()
            target = getattr(self, f"o_{name}")
            with m.If(kind[name]):
                m.d.comb += [target.valid.eq(1), word.ready.eq(target.ready)]
        m.d.comb += self.o_done.eq(kind.end & ~self.i_busy)
        with m.If(~kind.as_value().any()):
            self._fail(m, Error.ILLEGAL_OPCODE)

    def _fail(self, m: Module, code: Error) -> None:
        """The program is at fault, at the instruction that is there."""
        m.d.comb += [self.o_failed.eq(1), self.o_failure.code.eq(code)]


class Gather(wiring.Component):
    """Collects the beats of an instruction; N beats take N + 1 cycles.

    Parameters
    ----------
    data_bytes : width of a beat.

    Members
    -------
    i : beats.
    o : the first ``FETCH_BITS`` of each instruction; they stay after the transfer.
    o_kind : which of ``KIND`` it is; registers, since all that dispatch does hangs on them.
    """

    def __init__(self, *, data_bytes: int) -> None:
        check_data_bytes(data_bytes)
        self._bits = 8 * data_bytes
        super().__init__(
            {
                "i": In(stream.Signature(8 * data_bytes)),
                "o": Out(stream.Signature(FETCH_BITS)),
                "o_kind": Out(KIND),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        beats = 8 * INSTRUCTION_BYTES // self._bits
        number = Signal(range(max(2, beats)))
        kept = -(-FETCH_BITS // self._bits)  # beats
        gathered = Signal(kept * self._bits, reset_less=True)
        early = Signal(init=1)  # the next beat is one of them
        m.d.comb += [self.i.ready.eq(~self.o.valid), self.o.payload.eq(gathered[:FETCH_BITS])]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            with m.If(early):  # a beat reaches one place only: it comes out of a block RAM
                m.d.sync += gathered.eq(Cat(gathered, self.i.payload)[self._bits :])
            with m.If(number == 0):
                m.d.sync += [
                    self.o_kind[name].eq(self.i.payload[:8] == Opcode[name.upper()])
                    for name in KIND.members
                ]
            m.d.sync += [number.eq(number + 1), early.eq(early & (number != kept - 1))]
            with m.If(number == beats - 1):
                m.d.sync += [number.eq(0), early.eq(1), self.o.valid.eq(1)]
        return m
