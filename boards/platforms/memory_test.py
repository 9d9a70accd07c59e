"""A first design for a board: does its memory on chip hold what is written to it?"""

from __future__ import annotations

from typing import Any

from amaranth.build import ResourceError
from amaranth.hdl import Cat, Elaboratable, Module, Signal
from amaranth.lib import io
from amaranth.lib.memory import Memory

from hw.lib.sizes import check_sizes

WIDTH = 64


class MemoryTest(Elaboratable):
    """Writes and reads all of a memory again and again, each time with other words.

    The first LED blinks while it runs, the second one tells that a whole round was right, and the
    third that a word has ever been wrong.

    Parameters
    ----------
    depth : words of the memory, a power of two.

    Members
    -------
    storage : the memory.
    o_rounds, o_failed : what the LEDs show: rounds so far, and whether any word was wrong.
    """

    def __init__(self, *, depth: int) -> None:
        check_sizes(2, power=True, depth=depth)
        self._depth = depth
        self.o_rounds = Signal(32)
        self.o_failed = Signal()
        self.storage = Memory(shape=WIDTH, depth=depth, init=[])

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.storage = storage = self.storage
        write, read = storage.write_port(), storage.read_port()
        address = Signal(range(self._depth))
        checking, came = Signal(), Signal()
        expected = Signal(WIDTH)
        word = self._word(address)
        last = address == self._depth - 1
        m.d.comb += [
            write.addr.eq(address),
            write.data.eq(word),
            write.en.eq(~checking),
            read.addr.eq(address),
        ]
        m.d.sync += [
            address.eq(address + 1),
            checking.eq(checking ^ last),
            came.eq(checking),
            expected.eq(word),
        ]
        with m.If(checking & last):
            m.d.sync += self.o_rounds.eq(self.o_rounds + 1)
        with m.If(came & (read.data != expected)):
            m.d.sync += self.o_failed.eq(1)
        if platform is not None:
            self._show(m, platform)
        return m

    def _word(self, address: Signal) -> Any:
        """A word of its own for each address and round."""
        return (Cat(address, ~address, self.o_rounds, address) ^ self.o_rounds)[:WIDTH]

    def _show(self, m: Module, platform: Any) -> None:
        timer = Signal(range(int(platform.default_clk_frequency)))
        m.d.sync += timer.eq(timer + 1)
        for number, value in enumerate((timer[-1], (self.o_rounds != 0), self.o_failed)):
            try:
                led = io.Buffer("o", platform.request("led", number, dir="-"))
            except ResourceError:  # a board of fewer LEDs
                return
            m.submodules[f"led_{number}"] = led
            m.d.comb += led.o.eq(value)
