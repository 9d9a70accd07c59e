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
    i_start, i_base, i_size, o_command, i_beat, o_done, o_failed, o_failure : see ``Fetch``.
    o_load, o_conv, ... : instructions whose tokens have been consumed.
    i_retire_load, i_retire_conv, ... : pulses, see ``Issuer``.
    o_running : which engines have an instruction under way.
    o_blocked : whose next instruction waits for tokens.
    o_tags : of the oldest instruction under way, by engine.
    o_oldest_tag : of an instruction that was under way a cycle ago, CONV's first; 0 if none was.
    o_events : for traces, by ``COUNTED_ENGINES``.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        ports: dict[str, Any] = {
            "i_start": In(1),
            "i_base": In(ADDRESS_BITS),
            "i_size": In(ADDRESS_BITS),
            "o_command": Out(stream.Signature(COMMAND)),
            "i_beat": In(stream.Signature(8 * config.axi_bytes)),
            "o_done": Out(1),
            "o_failed": Out(1),
            "o_failure": Out(FAILURE),
            "o_running": Out(FLAGS),
            "o_blocked": Out(FLAGS),
            "o_tags": Out(data.StructLayout(dict.fromkeys(COUNTED_ENGINES, HEAD["tag"]))),
            "o_oldest_tag": Out(HEAD["tag"]),
            "o_events": Out(EVENT).array(len(COUNTED_ENGINES)),
        }
        for name in COUNTED_ENGINES:
            ports[f"o_{name}"] = Out(stream.Signature(LAYOUTS[Opcode[name.upper()]]))
            ports[f"i_retire_{name}"] = In(1)
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.fetch = fetch = Fetch(config=self._config)
        m.submodules.tokens = tokens = Tokens()
        connect(m, flipped(self.o_command), fetch.o_command)
        connect(m, flipped(self.i_beat), fetch.i_beat)

        issuers = {}
        for number, name in enumerate(COUNTED_ENGINES):
            issuer = Issuer(layout=LAYOUTS[Opcode[name.upper()]])
            m.submodules[f"issue_{name}"] = issuers[name] = issuer
            connect(m, getattr(fetch, f"o_{name}"), issuer.i)
            connect(m, issuer.o, flipped(getattr(self, f"o_{name}")))
            if name.upper() in Engine.__members__:
                engine = Engine[name.upper()]
                connect(m, issuer.o_wait, tokens.i_wait[engine])
                connect(m, issuer.o_post, tokens.i_post[engine])
            else:
                m.d.comb += issuer.o_wait.ready.eq(1)
            m.d.comb += [
                issuer.i_retire.eq(getattr(self, f"i_retire_{name}")),
                self.o_running[name].eq(issuer.o_running),
                self.o_blocked[name].eq(issuer.o_blocked),
                self.o_tags[name].eq(issuer.o_tag),
                self.o_events[number].eq(issuer.o_event),
            ]
        m.d.sync += self.o_oldest_tag.eq(0)
        for name in ("weights", "load", "store", "pool", "conv"):
            with m.If(issuers[name].o_running):
                m.d.sync += self.o_oldest_tag.eq(issuers[name].o_tag)
        m.d.comb += [
            fetch.i_start.eq(self.i_start),
            fetch.i_base.eq(self.i_base),
            fetch.i_size.eq(self.i_size),
            fetch.i_busy.eq(Cat(issuer.o_busy for issuer in issuers.values()).any()),
            self.o_done.eq(fetch.o_done),
            self.o_failed.eq(fetch.o_failed),
            self.o_failure.eq(fetch.o_failure),
        ]
        return m
