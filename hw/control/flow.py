"""Instruction flow: from the program in DRAM to engines whose tokens are there."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.bus.axi import ADDRESS_BITS
from hw.bus.burst_reader import COMMAND
from hw.control.fetch import Fetch
from hw.control.field_check import FAILURE
from hw.control.issue import EVENT, Issuer
from hw.control.tokens import Tokens
from hw.isa import HEAD, LAYOUTS, Engine, Opcode
from hw.isa.config import OverlayConfig
from hw.isa.register_map import COUNTED_ENGINES

FLAGS = data.StructLayout(dict.fromkeys(COUNTED_ENGINES, 1))


class InstructionFlow(wiring.Component):
    """Fetch, the engines' queues and the tokens.

    Parameters
    ----------
    config : the overlay's.

    Members
    -------
    start, base, size, command, beat, done, failed, failure : see ``Fetch``.
    o_load, o_conv, ... : instructions whose tokens have been consumed.
    retire_load, retire_conv, ... : pulses, see ``Issuer``.
    running : which engines have an instruction under way.
    blocked : whose next instruction waits for tokens.
    tags : of the oldest instruction under way, by engine.
    oldest_tag : of some instruction under way, CONV's first.
    events : for traces, by ``COUNTED_ENGINES``.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        ports: dict[str, Any] = {
            "start": In(1),
            "base": In(ADDRESS_BITS),
            "size": In(ADDRESS_BITS),
            "command": Out(stream.Signature(COMMAND)),
            "beat": In(stream.Signature(8 * config.axi_bytes)),
            "done": Out(1),
            "failed": Out(1),
            "failure": Out(FAILURE),
            "running": Out(FLAGS),
            "blocked": Out(FLAGS),
            "tags": Out(data.StructLayout(dict.fromkeys(COUNTED_ENGINES, HEAD["tag"]))),
            "oldest_tag": Out(HEAD["tag"]),
            "events": Out(EVENT).array(len(COUNTED_ENGINES)),
        }
        for name in COUNTED_ENGINES:
            ports[f"o_{name}"] = Out(stream.Signature(LAYOUTS[Opcode[name.upper()]]))
            ports[f"retire_{name}"] = In(1)
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.fetch = fetch = Fetch(config=self._config)
        m.submodules.tokens = tokens = Tokens()
        connect(m, flipped(self.command), fetch.command)
        connect(m, flipped(self.beat), fetch.beat)

        issuers = {}
        for number, name in enumerate(COUNTED_ENGINES):
            issuer = Issuer(layout=LAYOUTS[Opcode[name.upper()]])
            m.submodules[f"issue_{name}"] = issuers[name] = issuer
            connect(m, getattr(fetch, f"o_{name}"), issuer.i)
            connect(m, issuer.o, flipped(getattr(self, f"o_{name}")))
            if name.upper() in Engine.__members__:
                engine = Engine[name.upper()]
                connect(m, issuer.wait, tokens.wait[engine])
                connect(m, issuer.post, tokens.post[engine])
            else:
                m.d.comb += issuer.wait.ready.eq(1)
            m.d.comb += [
                issuer.retire.eq(getattr(self, f"retire_{name}")),
                self.running[name].eq(issuer.running),
                self.blocked[name].eq(issuer.blocked),
                self.tags[name].eq(issuer.tag),
                self.events[number].eq(issuer.event),
            ]
        for name in ("weights", "load", "store", "pool", "conv"):
            with m.If(issuers[name].running):
                m.d.comb += self.oldest_tag.eq(issuers[name].tag)
        m.d.comb += [
            fetch.start.eq(self.start),
            fetch.base.eq(self.base),
            fetch.size.eq(self.size),
            fetch.busy.eq(Cat(issuer.busy for issuer in issuers.values()).any()),
            self.done.eq(fetch.done),
            self.failed.eq(fetch.failed),
            self.failure.eq(fetch.failure),
        ]
        return m
