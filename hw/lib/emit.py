"""Verilog emission: repeated components become one module each, instanced many times.

Amaranth emits every submodule on its own, so an array of equal columns would fill megabytes with
copies.  ``Shared`` marks a component as common: in Amaranth's simulator it is that component, and
in ``emit`` it is an instance of a module that is converted once per name.
"""

from __future__ import annotations

import dataclasses
import enum
import gc
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.hdl import (
    ClockDomain,
    ClockSignal,
    Elaboratable,
    Fragment,
    Instance,
    ResetSignal,
    Shape,
    Signal,
    Value,
)
from amaranth.hdl._ast import Assign
from amaranth.hdl._ir import PortDirection
from amaranth.hdl._mem import MemoryInstance
from amaranth.lib import wiring

from hw.isa.errors import PolymapError, one_line
from hw.lib.self_reads import SelfReadError
from hw.lib.yosys import ModuleText, convert

CLOCK = "clk"
RESET = "rst"
WIDEST = 1 << 16
"""Bits: so wide Amaranth makes no signal that is chosen."""
HIER_BLOCK = "/*verilator hier_block*/"

_IDENTIFIER = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class EmitError(ValueError):
    """A component cannot be emitted as asked."""


class TooWideError(PolymapError, EmitError):
    """A signal is wider than Amaranth can make it."""


@dataclass(frozen=True, kw_only=True)
class Port:
    """One flat port of an emitted module."""

    name: str
    width: int
    output: bool


@dataclass(frozen=True, kw_only=True)
class EmittedMemory:
    """A memory of the design: its path from the top, bits of a row, rows; read by the clock?"""

    path: str
    width: int
    depth: int
    clocked: bool


@dataclass(frozen=True, kw_only=True)
class Verilog:
    """An emitted design: its text, the names of all its modules, and the ports of the top.

    ``memories`` and ``instances`` count everything once for each place that it stands at.
    """

    top: str
    text: str
    modules: tuple[str, ...]
    ports: tuple[Port, ...]
    hierarchical: bool  # some module is marked for Verilator's --hierarchical
    memories: tuple[EmittedMemory, ...] = ()
    instances: tuple[tuple[str, int], ...] = ()  # shared modules, and how many there are of each

    @property
    def sha256(self) -> str:
        """Hash of the text, for build caches and side-cars."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def write(self, path: Path) -> Path:
        """Writes the text to ``path``, making its folder."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.text)
        return path


class Shared(Elaboratable):
    """A component that is emitted once per ``name`` and instanced wherever it stands.

    The wrapper has the component's signature, ports and attributes: use it in its place.  All
    components under one name must be equal: same class, same parameters, same ports (checked).
    The component sees one clock domain, ``sync``; rename it with ``DomainRenamer`` around the
    wrapper.  ``ResetInserter`` and ``EnableInserter`` cannot reach into an instance and are refused
    when emitting: give the domain a reset of its own instead.

    Parameters
    ----------
    component : the ``wiring.Component`` to share.
    name : its Verilog module name.
    hier_block : mark the module for Verilator's ``--hierarchical``.
    """

    def __init__(self, component: Any, name: str, *, hier_block: bool = False) -> None:
        if not isinstance(component, wiring.Component | Shared):
            raise TypeError(f"component must be a wiring.Component, not {component!r}")
        if not _IDENTIFIER.fullmatch(name):
            raise ValueError(f"name must be a Verilog identifier, not {name!r}")
        self._component = component
        self._name = name
        self._hier_block = hier_block

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._component, name)

    def elaborate(self, platform: Any) -> Any:
        if not isinstance(platform, EmitPlatform):
            return self._component
        ports = platform.convert(self._component, self._name, hier_block=self._hier_block)
        arguments: dict[str, Any] = {
            f"i_{CLOCK}": ClockSignal(),
            f"i_{RESET}": ResetSignal(allow_reset_less=True),
        }
        for port, value in ports.items():
            arguments[f"{'o' if port.output else 'i'}_{port.name}"] = value
        instance = Instance(self._name, **arguments)
        guard = Signal()
        instance.add_statements("sync", guard.eq(guard))  # see _take_guards
        return instance


@dataclass(frozen=True)
class _Kept:
    identity: tuple[Any, ...]
    modules: tuple[ModuleText, ...]
    hier_block: bool


class EmitPlatform:
    """The platform of ``emit``: converts each shared component once and keeps the texts."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._contents: dict[str, list[tuple[str, Any]]] = {}

    def convert(self, component: Any, name: str, *, hier_block: bool = False) -> dict[Port, Value]:
        """Converts ``component`` to module ``name`` unless done; returns its ports to connect."""
        ports = _ports(component)
        identity = (type(component), _parameters(component), tuple(ports))
        component._MustUse__used = True  # only the first of a name is elaborated
        if name not in self._kept:
            modules = self._convert(component, name, ports, CLOCK, RESET)
            if hier_block:
                modules = tuple(_marked(one) if one.name == name else one for one in modules)
            self._kept[name] = _Kept(identity, modules, hier_block)
        elif self._kept[name].identity != identity:
            raise EmitError(
                f"components shared as {name!r} must be equal; these differ:\n"
                f"  {self._kept[name].identity}\n  {identity}"
            )
        return ports

    def top(self, component: Any, name: str, clock: str, reset: str) -> Verilog:
        """Converts the whole design."""
        ports = _ports(component)
        top = self._convert(component, name, ports, clock, reset)
        modules = [*(module for kept in self._kept.values() for module in kept.modules), *top]
        names = [module.name for module in modules]
        if doubles := sorted({n for n in names if names.count(n) > 1}):
            raise EmitError(f"modules are defined twice: {', '.join(doubles)}")
        return Verilog(
            top=name,
            text="\n".join(module.text for module in modules),
            modules=tuple(names),
            ports=(
                Port(name=clock, width=1, output=False),
                Port(name=reset, width=1, output=False),
                *ports,
            ),
            hierarchical=any(kept.hier_block for kept in self._kept.values()),
            memories=tuple(self._memories(name, "")),
            instances=tuple(sorted(Counter(self._instances(name)).items())),
        )

    def _memories(self, module: str, path: str) -> Iterator[EmittedMemory]:
        for place, what in self._contents.get(module, ()):
            if isinstance(what, str):
                yield from self._memories(what, f"{path}{place}.")
            else:
                yield dataclasses.replace(what, path=path + place)

    def _instances(self, module: str) -> Iterator[str]:
        for _, what in self._contents.get(module, ()):
            if isinstance(what, str):
                yield what
                yield from self._instances(what)

    def _convert(
        self, component: Any, name: str, ports: dict[Port, Value], clock: str, reset: str
    ) -> tuple[ModuleText, ...]:
        fragment = Fragment.get(component, self)
        _take_guards(fragment, name)
        self._contents[name] = list(_contents(fragment, ""))
        domain = ClockDomain("sync")
        fragment.add_domains(domain)
        reset_port = domain.rst
        if reset.endswith("_n"):
            # Registered: for its fan-out, and because Verilator evaluates all logic that an input
            # reaches twice a cycle more.
            reset_port, inside = Signal(name=reset), Signal(init=1, reset_less=True)
            fragment.add_statements("sync", inside.eq(~reset_port))
            fragment.add_statements("comb", domain.rst.eq(inside))
        flat = {
            clock: (domain.clk, PortDirection.Input),
            reset: (reset_port, PortDirection.Input),
        }
        for port, value in ports.items():
            if port.name in flat:
                raise EmitError(f"{name} has two ports {port.name!r}")
            flat[port.name] = (
                value,
                PortDirection.Output if port.output else PortDirection.Input,
            )
        try:
            modules = convert(fragment, flat, name)
        except SelfReadError as error:
            raise EmitError(str(error)) from error
        except OverflowError as error:  # of Amaranth, which says how wide
            raise TooWideError(
                f"module {name} cannot be built: {one_line(error)}; take a smaller design"
            ) from error
        found = {module.name: module.ports for module in modules}
        if name not in found:
            raise EmitError(f"module name {name!r} is a Verilog keyword")
        if differ := sorted(found[name] ^ set(flat)):
            raise EmitError(f"module {name}: ports differ from its signature's: {differ}")
        return modules


def emit(component: Any, name: str, *, clock: str = CLOCK, reset: str = RESET) -> Verilog:
    """The whole design below ``component`` as Verilog; the same input gives the same text.

    Ports are the members of the component's signature, nested names joined by ``_``, after
    ``clock`` and ``reset``; a reset whose name ends in ``_n`` is active low and acts a
    cycle later.
    """
    with _no_garbage_collection():
        return EmitPlatform().top(component, name, clock, reset)


def _ports(component: Any) -> dict[Port, Value]:
    """The component's flat ports of at least one bit, in signature order."""
    ports: dict[Port, Value] = {}
    for path, member, port in component.signature.flatten(component):
        value = Value.cast(port)
        if len(value):
            name = "_".join(map(str, path))
            ports[Port(name=name, width=len(value), output=member.flow == wiring.Out)] = value
    if len({port.name for port in ports}) != len(ports):
        raise EmitError(f"flat port names collide: {sorted(port.name for port in ports)}")
    return ports


def _take_guards(fragment: Fragment, parent: str) -> None:
    """Removes the guards of shared instances, and refuses those that something has controlled.

    ``ResetInserter`` and ``EnableInserter`` change statements, not instances: without the guard the
    emitted design would silently differ from the simulated one.
    """
    for child, name, _ in fragment.subfragments:
        if not isinstance(child, Instance):
            _take_guards(child, parent)
        elif child.statements:
            (statements,) = child.statements.values()
            if len(statements) != 1 or not isinstance(statements[0], Assign):
                raise EmitError(
                    f"shared {name} below {parent} cannot be reset or enabled from outside"
                )
            child.statements.clear()


def _contents(fragment: Fragment, path: str) -> Iterator[tuple[str, Any]]:
    """Memories, and names of modules that stand in the fragment, each with its place."""
    for child, name, _ in fragment.subfragments:
        place = f"{path}{name}"
        if isinstance(child, MemoryInstance):
            data = child._data
            width = Shape.cast(data.shape).width
            clocked = all(port._domain != "comb" for port in child._read_ports)
            yield place, EmittedMemory(path=place, width=width, depth=data.depth, clocked=clocked)
        elif isinstance(child, Instance):
            yield place, child.type
        else:
            yield from _contents(child, f"{place}.")


def _parameters(component: Any) -> tuple[tuple[str, str], ...]:
    """The plain values among a component's attributes: what tells it from another of its class."""
    plain = (int, str, bytes, bool, float, tuple, frozenset, enum.Enum, type(None))
    return tuple(
        (name, repr(value))
        for name, value in sorted(vars(component).items())
        if not name.startswith("_MustUse")
        and (isinstance(value, plain) or dataclasses.is_dataclass(value))
    )


def _marked(module: ModuleText) -> ModuleText:
    return dataclasses.replace(module, header=f"{module.header}\n  {HIER_BLOCK}")


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Elaboration makes millions of live objects: collecting among them halves its speed."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
