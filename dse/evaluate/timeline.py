"""When each engine works for which layer: of a program, or of a mapping."""

from __future__ import annotations

from dataclasses import dataclass

from dse.explore.execution import Execution
from dse.explore.exploration import Exploration
from dse.mapping import NetworkMapping
from dse.network.graph import Network

TRANSFER = "transfer"
"""The engine that moves tensors between layouts in the paper's model."""


@dataclass(frozen=True)
class Event:
    """An engine at work for a layer (or a stored tensor), in cycles."""

    engine: str
    layer: str
    start: float
    end: float


@dataclass(frozen=True)
class Timeline:
    """The engines over time; ``exact``: of the compiled program, else of the closed form."""

    events: tuple[Event, ...]
    total: float
    exact: bool


def timeline(found: Exploration) -> Timeline:
    """Of the program if the network was compiled, else of the mapping."""
    if found.execution is None:
        return _of_mapping(found.network, found.mapping)
    return _of_program(found.execution)


def _of_program(execution: Execution) -> Timeline:
    """Every instruction from its start to its retirement, exact."""
    events, start = [], 0
    for program, cycles in zip(execution.programs, execution.turns, strict=True):
        names = {entry.tag: entry.name for entry in program.manifest.layers}
        events += [
            Event(one.opcode.name, names.get(one.tag, ""), start + one.start, start + one.retire)
            for one in cycles.instructions
        ]
        start += cycles.total
    return Timeline(tuple(events), start, exact=True)


def _of_mapping(network: Network, mapping: NetworkMapping) -> Timeline:
    """The layers one after the other, each behind the transfer of its input."""
    names = (*network.inputs, *(op.name for op in network.operators))
    order = {name: number for number, name in enumerate(names)}
    steps = [(layer.name, layer.transfer, layer.compute) for layer in mapping.layers]
    steps += [(store.name, store.transfer, 0.0) for store in mapping.stores]
    # The store of a forked tensor is named after it, a join's like the join itself.
    steps.sort(
        key=lambda step: order[step[0] if step[0] in order else step[0].removesuffix(":store")]
    )
    events, now = [], 0.0
    for name, transfer, compute in steps:
        for engine, cycles in ((TRANSFER, transfer), ("CONV", compute)):
            if cycles:
                events.append(Event(engine, name, now, now + cycles))
                now += cycles
    return Timeline(tuple(events), mapping.cycles, exact=False)
