"""A mapped block as a graph of nets: what its cells pass on, send out and take in."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.depth.cells import cell

Pin = tuple[str, int]
"""A port's name and a bit of it."""


@dataclass(frozen=True, slots=True)
class Edge:
    """Logic from a net to ``target``; ``inner``: instance and pins, if it lies in another block."""

    target: int
    kind: str
    tenths: int
    carries: int = 0
    inner: tuple[str, Pin, Pin] | None = None


@dataclass(frozen=True, slots=True)
class End:
    """Where a chain ends: in a register's pin, or in a pin of an instance of another block."""

    net: int
    tenths: int
    name: str
    pin: str


class Graph:
    """Nets and logic of one block.

    Members
    -------
    module : its name.
    instances : instance -> (block, pins by net of each port).
    edges : net -> logic behind it.
    launches : nets that registers of the block drive, with the tenths of logic behind them.
    ends : pins of the block's registers.
    inputs, outputs : net of each bit of a port.
    """

    def __init__(self, module: str, data: Mapping[str, Any], blocks: frozenset[str]) -> None:
        self.module = module
        self.instances: dict[str, tuple[str, dict[Pin, int]]] = {}
        self.edges: dict[int, list[Edge]] = defaultdict(list)
        self.launches: dict[int, int] = {}
        self.ends: list[End] = []
        self.fanout: dict[int, int] = defaultdict(int)
        self._names = _names(data["netnames"])
        for name, one in data["cells"].items():
            if one["type"] in blocks:
                self.instances[name] = (one["type"], dict(_pins(one["connections"])))
            elif not one["type"].startswith("$"):
                self._add(one)
        ports = data["ports"]
        self.inputs = dict(_ports(ports, "input"))
        self.outputs = dict(_ports(ports, "output"))

    def _add(self, data: Mapping[str, Any]) -> None:
        made = cell(data["type"], data)
        for arc in made.arcs:
            self.edges[arc.source].append(Edge(arc.target, arc.kind, arc.tenths, arc.carries))
        self.launches.update(made.launches)
        if made.captures:
            driven = min(made.launches, default=None, key=lambda net: len(self.name(net)))
            name = data["type"] if driven is None else self.name(driven)
            self.ends += [End(net, tenths, name, pin) for net, tenths, pin in made.captures]
        for pin, bits in data["connections"].items():
            if data["port_directions"].get(pin) == "input":
                for bit in bits:
                    if isinstance(bit, int):
                        self.fanout[bit] += 1

    def name(self, net: int) -> str:
        """The source's name of a net, the one that lies deepest."""
        return self._names.get(net, "")

    def spread(
        self, starts: Mapping[int, int]
    ) -> tuple[dict[int, int], dict[int, tuple[int, Edge]]]:
        """Most tenths from ``starts`` to every net behind them, and the last step on that way."""
        most, last = dict(starts), dict[int, tuple[int, Edge]]()
        rank = self._ranks()
        heap = [(rank[net], net) for net in starts if net in rank]
        heapq.heapify(heap)
        seen = {net for _, net in heap}
        while heap:
            _, net = heapq.heappop(heap)
            for edge in self.edges.get(net, ()):
                tenths = most[net] + edge.tenths
                if tenths > most.get(edge.target, -1):
                    most[edge.target] = tenths
                    last[edge.target] = (net, edge)
                if edge.target not in seen:
                    seen.add(edge.target)
                    heapq.heappush(heap, (rank[edge.target], edge.target))
        return most, last

    def _ranks(self) -> dict[int, int]:
        """Places of all nets with logic, each behind what drives it."""
        if not hasattr(self, "_rank"):
            self._rank = _order(self.edges)
        return self._rank


def _order(edges: Mapping[int, list[Edge]]) -> dict[int, int]:
    waiting: dict[int, int] = defaultdict(int)
    for net, behind in edges.items():
        waiting[net] += 0
        for edge in behind:
            waiting[edge.target] += 1
    ready = [net for net, count in waiting.items() if not count]
    rank: dict[int, int] = {}
    while ready:
        net = ready.pop()
        rank[net] = len(rank)
        for edge in edges.get(net, ()):
            waiting[edge.target] -= 1
            if not waiting[edge.target]:
                ready.append(edge.target)
    if len(rank) < len(waiting):
        raise ValueError(f"a loop of logic through {len(waiting) - len(rank)} nets")
    return rank


def _names(netnames: Mapping[str, Any]) -> dict[int, str]:
    """Names of nets: of the public ones the deepest, and of those the shortest."""
    found: dict[int, tuple[int, int, str]] = {}
    for name, net in netnames.items():
        if net["hide_name"] or name.startswith("$"):
            continue
        shown, wide = name.replace("\\", ""), len(net["bits"]) > 1
        rank = (-name.count("."), len(name))
        for index, bit in enumerate(net["bits"]):
            if isinstance(bit, int) and (bit not in found or rank < found[bit][:2]):
                found[bit] = (*rank, f"{shown}[{index}]" if wide else shown)
    return {bit: name for bit, (_, _, name) in found.items()}


def _pins(connections: Mapping[str, list[Any]]) -> Iterator[tuple[Pin, int]]:
    for port, bits in connections.items():
        for index, bit in enumerate(bits):
            if isinstance(bit, int):
                yield (port, index), bit


def _ports(ports: Mapping[str, Any], direction: str) -> Iterator[tuple[Pin, int]]:
    found = {name: port["bits"] for name, port in ports.items() if port["direction"] == direction}
    return _pins(found)
