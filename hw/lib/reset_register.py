"""A reset of one block's own, so that none reaches over the whole device."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class ResetRegister(wiring.Component):
    """A reset, a cycle later; high after the domain's own.

    It is a component since tools keep one in each module, and merge those of one module.

    Members
    -------
    i, o : the reset.
    """

    def __init__(self) -> None:
        super().__init__({"i": In(1), "o": Out(1, init=1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.sync += self.o.eq(self.i)
        return m


def in_reset(m: Module, name: str, part: Any, reset: Any) -> None:
    """Adds a part of that name, whose only reset is a register that follows ``reset``."""
    register, domain = ResetRegister(), f"core_{name}"
    m.submodules[f"reset_{name}"] = register
    m.domains += ClockDomain(domain)
    m.d.comb += [
        register.i.eq(reset),
        ClockSignal(domain).eq(ClockSignal("sync")),
        ResetSignal(domain).eq(register.o),
    ]
    m.submodules[name] = DomainRenamer(domain)(part)
