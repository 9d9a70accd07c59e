"""How many levels of logic a block has, and how they add up through the hierarchy.

Of each block we keep what its surroundings need: levels from an input to the registers behind it,
from registers to an output, and from an input straight to an output.  A block's instances stand in
the graph of the block around them with these, so a chain through any number of blocks is counted to
the level, and a block that stands a thousand times is looked into once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from benchmarks.depth.blocks import Block
from benchmarks.depth.cells import LEVEL
from benchmarks.depth.graph import Edge, End, Graph, Pin

SIX = 6 * LEVEL
"""Tenths of the levels that fit in a cycle of 3.5 ns."""
_INNER = "block"


@dataclass(frozen=True, slots=True)
class Hop:
    """A step of a chain: the net that it reaches, through what, and pins that the net drives."""

    name: str
    kind: str
    carries: int
    fanout: int

    def within(self, instance: str) -> Hop:
        """As the surrounding block names it."""
        name = f"{instance}.{self.name}" if self.name else ""
        return Hop(name, self.kind, self.carries, self.fanout)


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Logic between two registers.

    Members
    -------
    tenths : of levels.
    block : in which it ends; ``around``: the block that holds all of it.
    hops : the first is the register's own net.
    end : the register's net and pin.
    """

    tenths: int
    block: str
    around: str
    hops: tuple[Hop, ...]
    end: str

    @property
    def start(self) -> str:
        """The register that it begins at."""
        return self.hops[0].name

    @property
    def carries(self) -> int:
        """Bits of carry chains on the way."""
        return sum(hop.carries for hop in self.hops)

    @property
    def multipliers(self) -> int:
        """Multipliers without a register on the way."""
        return sum(hop.kind in ("DSP48E2", "MULT18X18D") for hop in self.hops)

    @property
    def fanout(self) -> int:
        """The most pins that a net of it drives."""
        return max(hop.fanout for hop in self.hops)

    @property
    def through(self) -> list[str]:
        """The source's names on the way, each once."""
        return list(dict.fromkeys(hop.name for hop in self.hops[1:] if hop.name))


@dataclass(frozen=True)
class _Found:
    """An end of a chain within a block, as far as it is needed to list it."""

    tenths: int
    block: str
    end: End | tuple[str, Pin]
    register: str


class Timing:
    """Levels of one block, which knows those of the blocks in it.

    A block that is not among ``inner`` is left out: its pins are registers.
    """

    def __init__(self, block: Block, data: Mapping[str, Any], inner: Mapping[str, Timing]) -> None:
        self._inner = {name: inner[name] for name in block.inner if name in inner}
        self.graph = Graph(block.module, data, frozenset(self._inner))
        self._starts: dict[int, tuple[str, Pin]] = {}
        for instance, (kind, pins) in self.graph.instances.items():
            self._place(instance, self._inner[kind], pins)

    def _place(self, instance: str, timing: Timing, pins: Mapping[Pin, int]) -> None:
        """An instance of another block into the graph."""
        graph = self.graph
        for pin, tenths in timing.out.items():
            if pin in pins:
                graph.launches[pins[pin]] = tenths
                self._starts[pins[pin]] = (instance, pin)
        for source, targets in timing.through.items():
            for target, tenths in targets.items():
                if source in pins and target in pins:
                    edge = Edge(pins[target], _INNER, tenths, 0, (instance, source, target))
                    graph.edges[pins[source]].append(edge)
        for pin, count in timing.loads.items():
            if pin in pins:
                graph.fanout[pins[pin]] += count

    @cached_property
    def _spread(self) -> tuple[dict[int, int], dict[int, tuple[int, Edge]]]:
        return self.graph.spread(self.graph.launches)

    @cached_property
    def out(self) -> dict[Pin, int]:
        """Tenths from the block's registers to its outputs."""
        most, _ = self._spread
        return {pin: most[net] for pin, net in self.graph.outputs.items() if net in most}

    @cached_property
    def _from_inputs(self) -> tuple[dict[Pin, dict[Pin, int]], dict[Pin, dict[str, _Found]]]:
        through: dict[Pin, dict[Pin, int]] = {}
        into: dict[Pin, dict[str, _Found]] = {}
        outputs: dict[int, list[Pin]] = {}
        for pin, net in self.graph.outputs.items():
            outputs.setdefault(net, []).append(pin)
        for pin, net in self.graph.inputs.items():
            most, _ = self.graph.spread({net: 0})
            reached = {out: most[at] for at in most if at in outputs for out in outputs[at]}
            if reached:
                through[pin] = reached
            if ends := _worst(self._ends(most), lambda found: found.block):
                into[pin] = ends
        return through, into

    @property
    def through(self) -> dict[Pin, dict[Pin, int]]:
        """Tenths from inputs straight to outputs."""
        return self._from_inputs[0]

    @property
    def into(self) -> dict[Pin, dict[str, _Found]]:
        """From an input to the registers behind it: the longest of each block."""
        return self._from_inputs[1]

    @cached_property
    def loads(self) -> dict[Pin, int]:
        """Pins that an input drives in the block."""
        return {pin: self.graph.fanout[net] for pin, net in self.graph.inputs.items()}

    @cached_property
    def _at(self) -> dict[int, list[End | tuple[str, Pin]]]:
        """What ends at each net."""
        found: dict[int, list[End | tuple[str, Pin]]] = {}
        for end in self.graph.ends:
            found.setdefault(end.net, []).append(end)
        for instance, (kind, pins) in self.graph.instances.items():
            for pin in self._inner[kind].into:
                if pin in pins:
                    found.setdefault(pins[pin], []).append((instance, pin))
        return found

    def _ends(self, most: Mapping[int, int]) -> Iterator[_Found]:
        for net in self._at.keys() & most.keys():
            for end in self._at[net]:
                if isinstance(end, End):
                    total = most[net] + end.tenths
                    yield _Found(total, self.graph.module, end, end.name)
                    continue
                instance, pin = end
                kind, _ = self.graph.instances[instance]
                for block, inner in self._inner[kind].into[pin].items():
                    name = f"{instance}.{inner.register}"
                    yield _Found(most[net] + inner.tenths, block, end, name)

    @cached_property
    def found(self) -> list[_Found]:
        """Chains that lie within the block and not within one of those in it: the longest to each
        register (its bits together), the longest of all first."""
        most, _ = self._spread
        ends = _worst(self._ends(most), lambda one: (one.block, one.register.rpartition("[")[0]))
        return sorted(ends.values(), key=lambda one: (-one.tenths, one.block, one.register))

    @cached_property
    def _own(self) -> dict[int, int]:
        """Tenths to every net, of chains that begin at registers of the block's own module."""
        own = {n: t for n, t in self.graph.launches.items() if n not in self._starts}
        return self.graph.spread(own)[0]

    @property
    def inside(self) -> int:
        """The most tenths between two registers of the block itself."""
        return max((most for most, _ in self._pins()), default=0)

    @property
    def beyond(self) -> int:
        """Pins of the block's registers behind more than ``SIX`` levels of its own."""
        return sum(most > SIX for most, _ in self._pins())

    def _pins(self) -> Iterator[tuple[int, End]]:
        for end in self.graph.ends:
            if end.net in self._own:
                yield self._own[end.net] + end.tenths, end

    def chain(self, found: _Found) -> Chain:
        """One of ``found``, step by step."""
        net = found.end.net if isinstance(found.end, End) else self._net(*found.end)
        hops = (*self._trace(self._spread[1], net), *self._rest(found))
        end = found.register
        if isinstance(found.end, End):
            end = f"{end}.{found.end.pin}"
        return Chain(
            tenths=found.tenths, block=found.block, around=self.graph.module, hops=hops, end=end
        )

    def _net(self, instance: str, pin: Pin) -> int:
        return self.graph.instances[instance][1][pin]

    def _rest(self, found: _Found) -> Iterable[Hop]:
        """What of a chain lies behind the net that it leaves the block's own logic at."""
        if isinstance(found.end, End):
            return ()
        instance, pin = found.end
        inner = self._inner[self.graph.instances[instance][0]]
        return (hop.within(instance) for hop in inner._way_in(pin, found.block))

    def _way_in(self, pin: Pin, block: str) -> tuple[Hop, ...]:
        """From an input to the farthest register of a block, without the input itself."""
        found = self.into[pin][block]
        net = found.end.net if isinstance(found.end, End) else self._net(*found.end)
        _, last = self.graph.spread({self.graph.inputs[pin]: 0})
        return (*self._trace(last, net)[1:], *self._rest(found))

    def _way_out(self, pin: Pin) -> tuple[Hop, ...]:
        return self._trace(self._spread[1], self.graph.outputs[pin])

    def _way_through(self, source: Pin, target: Pin) -> tuple[Hop, ...]:
        _, last = self.graph.spread({self.graph.inputs[source]: 0})
        return self._trace(last, self.graph.outputs[target])[1:]

    def _trace(self, last: Mapping[int, tuple[int, Edge]], net: int) -> tuple[Hop, ...]:
        """The way to a net, from where it began."""
        graph, hops = self.graph, list[Hop]()
        while net in last:
            before, edge = last[net]
            hops.append(Hop(graph.name(net), edge.kind, edge.carries, graph.fanout[net]))
            if edge.inner is not None:
                instance, source, target = edge.inner
                inner = self._inner[graph.instances[instance][0]]
                ways = inner._way_through(source, target)
                hops += [hop.within(instance) for hop in reversed(ways)]
            net = before
        begun = Hop(graph.name(net), "", 0, graph.fanout[net])
        hops.append(begun)
        if net in self._starts:
            instance, pin = self._starts[net]
            inner = self._inner[graph.instances[instance][0]]
            hops += [hop.within(instance) for hop in reversed(inner._way_out(pin))]
        return tuple(reversed(hops))


def _worst(ends: Iterable[_Found], key: Any) -> dict[Any, _Found]:
    """The longest of those that have the same key."""
    best: dict[Any, _Found] = {}
    for found in ends:
        name = key(found)
        if name not in best or found.tenths > best[name].tenths:
            best[name] = found
    return best
