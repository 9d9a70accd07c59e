"""Which nodes of a model the host runs in which of its stages, and the models that they become."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import get_args

import numpy as np
import numpy.typing as npt

from dse.network.graph import Network, Tensor
from dse.onnx import trial
from dse.onnx.draft import DraftTensor
from dse.onnx.findings import HostCrossing, Place, Problem
from dse.onnx.host import Cut, Host, Subgraph
from dse.onnx.hosted import Hosted
from dse.onnx.lowering import Lowering
from dse.onnx.places import COMPUTE
from dse.onnx.source import Known, node_inputs, node_name, operator
from dse.onnx.subgraph import subgraph
from dse.onnx.values import INCONSISTENT, Const


class Share:
    """The host's share of a model behind its walk.

    A node in front of a segment runs as soon as it can; one that no segment needs, at the end.
    """

    def __init__(self, lowering: Lowering) -> None:
        self.lowering = lowering
        self.segments = 1 + max((la.output.segment for la in lowering.draft.layers), default=0)
        self._leading = _leading(lowering)
        self._turns = {one.index: self._turn(one) for one in lowering.hosted}

    def _turn(self, one: Hosted) -> int:
        leads = one.index in self._leading or one.segment == 0
        return one.segment if leads else self.segments

    def places(self) -> dict[Place, tuple[str, ...]]:
        """Where every node of the model goes, by name."""
        found: dict[Place, list[str]] = {place: [] for place in get_args(Place)}
        nodes = self.lowering.source.model.graph.node
        for index, (node, went) in enumerate(zip(nodes, self.lowering.went, strict=True)):
            place: Place = self._side(self._turns[index]) if went == "host" else went
            found[place].append(node_name(node))
        return {place: tuple(names) for place, names in found.items()}

    def _side(self, turn: int) -> Place:
        if turn == 0:
            return "head"
        return "tail" if turn == self.segments else "middle"

    def strays(self) -> tuple[Problem, ...]:
        """The host's nodes whose place were the overlay: layers, and what lies before them."""
        return _refusals(
            one
            for one in self.lowering.hosted
            if one.index in self._leading or operator(one.node) in COMPUTE
        )

    def refusals(self) -> tuple[Problem, ...]:
        """Why the overlay does not have some of the host's nodes."""
        return _refusals(self.lowering.hosted)

    def crossings(self, networks: tuple[Network, ...]) -> tuple[HostCrossing, ...]:
        """What lies between the segments of the network."""
        return tuple(
            HostCrossing(
                nodes=tuple((node_name(n.node), operator(n.node)) for n in self._of(turn)),
                refused=_refusals(self._of(turn)),
                stored=_bytes(before, before.outputs),
                loaded=_bytes(behind, behind.inputs),
            )
            for turn, (before, behind) in enumerate(pairwise(networks), 1)
        )

    def stages(self) -> tuple[Subgraph, ...]:
        """The nodes of each stage as a model, from what is there to what others need."""
        lowering = self.lowering
        there = {port.name: port.dtype for port in lowering.source.inputs}
        result = []
        for turn in range(self.segments + 1):
            for name, view in lowering.exits.items():
                if view.tensor.segment == turn - 1:
                    there[name] = view.dtype
            targets = self._targets(turn)
            result.append(subgraph(lowering.source, there, self._constants, targets))
            types = ((name, lowering.known[name].dtype) for name in targets)
            there |= {name: dtype for name, dtype in types if dtype is not None}
        return tuple(result)

    def _targets(self, turn: int) -> tuple[str, ...]:
        """What a stage makes that is needed elsewhere."""
        made = {name for one in self._of(turn) for name in one.node.output if name}
        needed = {*self.lowering.entries.values(), *self.lowering.source.outputs}
        for one in self.lowering.hosted:
            if self._turns[one.index] > turn:
                needed.update(node_inputs(one.node))
        return tuple(sorted(made & needed))

    def _of(self, turn: int) -> list[Hosted]:
        return [one for one in self.lowering.hosted if self._turns[one.index] == turn]

    def entries_model(self) -> Subgraph:
        """The nodes of the whole model that compute what enters the overlay from its inputs."""
        sources = {port.name: port.dtype for port in self.lowering.source.inputs}
        entries = self.lowering.entries.values()
        return subgraph(self.lowering.source, sources, self._constants, entries)

    @property
    def _constants(self) -> dict[str, Const]:
        values = self.lowering.values.items()
        return {name: value for name, value in values if isinstance(value, Const)}

    def problems(self) -> Iterator[Problem]:
        """What onnxruntime cannot load of the host's nodes."""
        for turn, stage in enumerate(self.stages()):
            own = self._of(turn)
            reason = trial.failure(stage) if own else ""
            if reason:
                first = own[0].node
                side = {"head": "before", "middle": "amid", "tail": "after"}[self._side(turn)]
                reason = f"onnxruntime cannot load the nodes {side} the overlay: {reason}"
                yield Problem(node_name(first), operator(first), reason, INCONSISTENT)

    def host(self, network: Network) -> Host:
        """The host that serves a network."""
        lowering, source = self.lowering, self.lowering.source
        constant = {n: v for n in source.outputs if isinstance(v := lowering.values[n], Const)}
        return Host(
            inputs=source.inputs,
            outputs=source.outputs,
            entries=tuple(
                _entry(name, lowering.known[name], tensor, network)
                for tensor, name in lowering.entries.items()
            ),
            exits=tuple(
                Cut(name, view.dtype, view.shape, network.tensors[view.tensor.name])
                for name, view in lowering.exits.items()
            ),
            stages=self.stages(),
            constants={
                name: _read_only(value.real().astype(lowering.known[name].dtype))
                for name, value in constant.items()
            },
        )


def _refusals(hosted: Iterable[Hosted]) -> tuple[Problem, ...]:
    return tuple(
        Problem(node_name(one.node), operator(one.node), why.reason, why.remedy)
        for one in hosted
        if (why := one.refusal) is not None
    )


def _leading(lowering: Lowering) -> frozenset[int]:
    """The host's nodes that something on the overlay needs, or would need if it were legal."""
    needed = set(lowering.entries.values())
    for node, went in zip(lowering.source.model.graph.node, lowering.went, strict=True):
        if went in ("unsupported", "unjudged"):
            needed.update(node_inputs(node))
    found = set()
    for one in reversed(lowering.hosted):
        if not needed.isdisjoint(one.node.output):
            found.add(one.index)
            needed.update(node_inputs(one.node))
    return frozenset(found)


def _entry(name: str, known: Known, tensor: DraftTensor, network: Network) -> Cut:
    assert known.dtype is not None and known.shape is not None
    return Cut(name, known.dtype, known.shape, network.tensors[tensor.name])


def _bytes(network: Network, names: tuple[str, ...]) -> int:
    return sum(_size(network.tensors[name]) for name in names)


def _size(tensor: Tensor) -> int:
    return int(np.prod(tensor.shape))


def _read_only(array: npt.NDArray) -> npt.NDArray:
    array.setflags(write=False)
    return array
