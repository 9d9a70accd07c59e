"""From a host's requests on a serial line to words of memory and registers."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import crc, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.bridge.protocol import CRC_BYTES, HEAD, HEAD_BYTES, MOST_WORDS, WORD_BYTES, Command, Verdict
from hw.bridge.word_access import ACCESS, ANSWER, WORD_BITS
from hw.lib.sizes import check_sizes


class Bridge(wiring.Component):
    """Carries out the requests of `hw.bridge.protocol`, one after the other.

    A request is kept until its CRC has been checked; a read is answered when all of its words are
    there.  A request that stops in the middle is forgotten, so that a host may begin anew; bytes
    that come while one is carried out are dropped.

    Parameters
    ----------
    patience : cycles without a byte after which a request is forgotten.

    Members
    -------
    i, o : bytes from and to the host; ``i`` is always taken.
    o_access, i_answer : single words, one at a time.
    """

    def __init__(self, *, patience: int) -> None:
        check_sizes(1, patience=patience)
        self._patience = patience
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
                "o_access": Out(stream.Signature(ACCESS)),
                "i_answer": In(stream.Signature(ANSWER)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.words = words = Memory(shape=WORD_BITS, depth=MOST_WORDS, init=[])
        m.submodules.sum = self._sum = crc.Processor(crc.catalog.CRC32_ISO_HDLC(data_width=8))
        self._fetch, self._keep = words.read_port(), words.write_port()
        self._head = Signal(HEAD)
        self._reads, self._writes = Signal(name="reads"), Signal(name="writes")
        self._word = Signal(range(MOST_WORDS))  # of the data
        self._byte = Signal(range(max(HEAD_BYTES, WORD_BYTES, CRC_BYTES)))  # of head, word or CRC
        self._verdict = Signal(8)
        m.d.comb += [
            self.i.ready.eq(1),
            self._fetch.addr.eq(self._word),
            self._keep.addr.eq(self._word),
        ]
        with m.FSM():
            self._request(m)
            self._work(m)
            self._answer(m)
        return m

    def _request(self, m: Module) -> None:
        """Head, data and CRC."""
        byte = self.i.payload
        kept = Signal(WORD_BITS - 8)
        within = Signal()
        late = self._silence(m, within)
        with m.State("HEAD"):
            m.d.comb += within.eq(self._byte != 0)
            with m.If(self.i.valid):
                with m.If(self._byte == 0):
                    m.d.comb += self._sum.start.eq(1)
                    m.d.sync += self._reads.eq(byte == Command.READ)
                    m.d.sync += self._writes.eq(byte == Command.WRITE)
                self._add(m, byte)
                m.d.sync += self._head.eq(Cat(self._head.as_value()[8:], byte))
                with m.If(self._next_byte(m, HEAD_BYTES)):
                    m.next = "CRC"
                    with m.If(self._writes):
                        m.next = "DATA"
            self._forget(m, late)
        with m.State("DATA"):
            m.d.comb += [within.eq(1), self._keep.data.eq(Cat(kept, byte))]
            with m.If(self.i.valid):
                self._add(m, byte)
                m.d.sync += kept.eq(Cat(kept[8:], byte))
                with m.If(self._next_byte(m, WORD_BYTES)):
                    m.d.comb += self._keep.en.eq(1)
                    with m.If(self._next_word(m)):
                        m.next = "CRC"
            self._forget(m, late)
        with m.State("CRC"):
            m.d.comb += within.eq(1)
            with m.If(self.i.valid):
                self._add(m, byte)
                with m.If(self._next_byte(m, CRC_BYTES)):
                    m.next = "JUDGE"
            self._forget(m, late)
        with m.State("JUDGE"):
            m.next = "VERDICT"
            with m.If(~self._sum.match_detected):
                m.d.sync += self._verdict.eq(Verdict.DAMAGED)
            with m.Elif(self._reads | self._writes):
                m.d.sync += self._verdict.eq(Verdict.DONE)
                m.next = "FETCH"
            with m.Else():
                m.d.sync += self._verdict.eq(Verdict.UNKNOWN)

    def _work(self, m: Module) -> None:
        """Word for word."""
        answer = self.i_answer
        m.d.comb += [
            self.o_access.payload.write.eq(self._writes),
            self.o_access.payload.address.eq(self._head.address),
            self.o_access.payload.data.eq(self._fetch.data),
        ]
        with m.State("FETCH"):
            m.next = "ACCESS"
        with m.State("ACCESS"):
            m.d.comb += self.o_access.valid.eq(1)
            with m.If(self.o_access.ready):
                m.next = "AWAIT"
        with m.State("AWAIT"):
            m.d.comb += [answer.ready.eq(1), self._keep.data.eq(answer.payload.data)]
            with m.If(answer.valid):
                m.d.comb += self._keep.en.eq(self._reads)
                m.d.sync += self._head.address.eq(self._head.address + WORD_BYTES)
                m.next = "FETCH"
                with m.If(self._next_word(m)):
                    m.next = "VERDICT"
                with m.If(answer.payload.failed):
                    m.d.sync += [self._verdict.eq(Verdict.REFUSED), self._word.eq(0)]
                    m.next = "VERDICT"

    def _answer(self, m: Module) -> None:
        """Verdict, data and CRC."""
        with m.State("VERDICT"):
            m.d.comb += self._sum.start.eq(1)
            with m.If(self._send(m, self._verdict)):
                self._add(m, self._verdict)
                m.next = "SUM"
                with m.If(self._reads & (self._verdict == Verdict.DONE)):
                    m.next = "NEXT"
        with m.State("NEXT"):
            m.next = "WORD"
        with m.State("WORD"):
            byte = self._of(self._fetch.data)
            with m.If(self._send(m, byte)):
                self._add(m, byte)
                with m.If(self._next_byte(m, WORD_BYTES)):
                    m.next = "NEXT"
                    with m.If(self._next_word(m)):
                        m.next = "SUM"
        with m.State("SUM"):
            with m.If(self._send(m, self._of(self._sum.crc))):
                with m.If(self._next_byte(m, CRC_BYTES)):
                    m.next = "HEAD"

    def _silence(self, m: Module, within: Signal) -> Value:
        """Whether nothing has come for too long within a request."""
        left = Signal(range(self._patience + 1), init=self._patience)
        m.d.sync += left.eq(Mux(self.i.valid | ~within, self._patience, left - 1))
        return within & (left == 0) & ~self.i.valid

    def _forget(self, m: Module, late: Value) -> None:
        with m.If(late):
            m.d.sync += [self._byte.eq(0), self._word.eq(0)]
            m.next = "HEAD"

    def _add(self, m: Module, byte: Value) -> None:
        """A byte of what the CRC is of."""
        m.d.comb += [self._sum.valid.eq(1), self._sum.data.eq(byte)]

    def _send(self, m: Module, byte: Value) -> Value:
        """A byte of the answer; whether it is taken."""
        m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(byte)]
        return self.o.ready

    def _of(self, word: Value) -> Value:
        """The byte of a word that is next."""
        return Array(word.word_select(byte, 8) for byte in range(WORD_BYTES))[self._byte[:2]]

    def _next_byte(self, m: Module, count: int) -> Value:
        """Counts a byte of a part; whether it is the last one."""
        last = self._byte == count - 1
        m.d.sync += self._byte.eq(Mux(last, 0, self._byte + 1))
        return last

    def _next_word(self, m: Module) -> Value:
        """Counts a word; whether it is the last one."""
        last = self._word == self._head.count
        m.d.sync += self._word.eq(Mux(last, 0, self._word + 1))
        return last
