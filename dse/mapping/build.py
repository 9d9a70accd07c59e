"""The cost graph of a network: which choices there are and between which of them data moves.

Vertices are the layers, the network's input, and stores.  A tensor that several layers read is
kept once, so that its writer is split in two: the layer, which computes, and a store, which chooses
the layout that all readers start from.  A join (concat, add) is a store that several writers fill.
Poolings and reshapes are no vertices: data passes them on an arc.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dse.cost.cost_model import CostModel, Crossing, FloatArray, IntArray, Join, Label, PoolShape
from dse.cost.infeasible import Infeasible
from dse.mapping.problem import Edge, PbqpProblem
from dse.network.blocks import rearranged
from dse.network.conv_shape import ConvShape
from dse.network.graph import Add, Combine, Concat, Conv, Network, Operator, Pool, SpaceToDepth
from dse.passes.layer_shapes import layer_shapes, pool_shape


@dataclass(frozen=True)
class Restriction:
    """Which labels of a layer may be used; None: all.

    ``fallback`` is the algorithm of layers for which no allowed algorithm is legal; None: refuse.
    """

    algorithms: tuple[str, ...] | None = None
    dataflows: tuple[str, ...] | None = None
    fallback: str | None = "im2col"

    def allowed(self, name: str, labels: Sequence[Label]) -> tuple[Label, ...]:
        """The labels left for layer ``name``; Infeasible if there are none."""
        flows = [label for label in labels if _in(label.dataflow, self.dataflows)]
        kept = [label for label in flows if _in(label.algorithm, self.algorithms)]
        kept = kept or [label for label in flows if label.algorithm == self.fallback]
        if kept:
            return tuple(kept)
        legal = ", ".join(str(label) for label in labels)
        raise Infeasible(
            f"layer {name!r}: no label in algorithms {self.algorithms}, dataflows {self.dataflows}",
            bound="labels",
            needed=1,
            available=0,
            remedy=f"allow one of {legal}",
        )


def _in(value: str, allowed: tuple[str, ...] | None) -> bool:
    return allowed is None or value in allowed


@dataclass(frozen=True)
class Vertex:
    """A choice to make; ``conv`` is the layer's shape."""

    name: str
    kind: Literal["source", "layer", "store"]
    labels: tuple[Label, ...]
    conv: ConvShape | None = None


@dataclass(frozen=True)
class Arc:
    """Data on its way between two vertices, given by index."""

    source: int
    target: int
    crossing: Crossing


@dataclass(frozen=True)
class CostGraph:
    """Vertices in execution order and the arcs between them; independent of the array.

    ``network``: its name.
    """

    network: str
    model: CostModel
    vertices: tuple[Vertex, ...]
    arcs: tuple[Arc, ...]

    def problem(self, arrays: IntArray) -> PbqpProblem:
        """One PBQP per array, over all labels."""
        return self._problem(arrays, [tuple((lb,) for lb in v.labels) for v in self.vertices])

    def condensed(self, arrays: IntArray) -> PbqpProblem:
        """The same optima with fewer labels: of equal layouts only the cheapest can matter."""
        return self._problem(arrays, [_by_layout(v.labels, self.model) for v in self.vertices])

    def _problem(
        self, arrays: IntArray, groups: list[tuple[tuple[Label, ...], ...]]
    ) -> PbqpProblem:
        costs: dict[tuple[object, ...], FloatArray] = {}
        for vertex, group in zip(self.vertices, groups, strict=True):
            if (vertex.conv, group) not in costs:
                costs[vertex.conv, group] = self._vertex_costs(vertex.conv, group, arrays)
        seen = [tuple(labels[0] for labels in group) for group in groups]
        matrices: dict[tuple[object, ...], FloatArray] = {}
        edges = []
        for arc in self.arcs:
            key = (arc.crossing, seen[arc.source], seen[arc.target])
            if key not in matrices:
                matrices[key] = self.model.transition(*key, arrays)
            edges.append(Edge(arc.source, arc.target, matrices[key]))
        nodes = [costs[v.conv, group] for v, group in zip(self.vertices, groups, strict=True)]
        return PbqpProblem(tuple(nodes), tuple(edges), tuple(v.name for v in self.vertices))

    def _vertex_costs(
        self, conv: ConvShape | None, groups: tuple[tuple[Label, ...], ...], arrays: IntArray
    ) -> FloatArray:
        if conv is None:
            return np.zeros((1, len(groups)))
        if all(len(group) == 1 for group in groups):
            return self.model.cycles(conv, [label for (label,) in groups], arrays)
        least = [self.model.least(conv, group, arrays) for group in groups]
        return np.stack(least, axis=1)


def _by_layout(labels: tuple[Label, ...], model: CostModel) -> tuple[tuple[Label, ...], ...]:
    groups: dict[str, list[Label]] = {}
    for label in labels:
        groups.setdefault(model.layout(label), []).append(label)
    return tuple(tuple(group) for group in groups.values())


def cost_graph(
    network: Network, model: CostModel, restriction: Restriction | None = None
) -> CostGraph:
    """The cost graph of a network; Infeasible if the restriction leaves a layer no label."""
    return _Builder(network, model, restriction or Restriction()).build()


@dataclass(frozen=True)
class _End:
    """Where the readers of a tensor start: a vertex, and the poolings since.

    ``readers``: of what the first of the poolings reads.
    """

    vertex: int
    pools: tuple[PoolShape, ...] = ()
    readers: int = 0


class _Builder:
    def __init__(self, network: Network, model: CostModel, restriction: Restriction) -> None:
        self._network = network
        self._shapes = layer_shapes(network)
        self._model = model
        self._restriction = restriction
        self._vertices: list[Vertex] = []
        self._arcs: list[Arc] = []
        self._ends: dict[str, _End] = {}

    def build(self) -> CostGraph:
        network = self._network
        for name in network.inputs:
            used = self._readers(name) or name in network.outputs
            if used and name not in rearranged(network):
                self._ends[name] = self._source(name, name)
        for op in network.operators:
            self._ends[op.output] = self._end(op)
            kept = isinstance(
                op, SpaceToDepth | Concat | Add | Combine
            )  # once for all readers, as it is
            if len(self._readers(op.output)) > 1 and not kept:
                end = self._store(op.output, f"{op.name}:store")
                self._arc(op.output, end, None, self._part_of(op.output))
                self._ends[op.output] = end
        return CostGraph(network.name, self._model, tuple(self._vertices), tuple(self._arcs))

    def _readers(self, tensor: str) -> list[Operator]:
        """The operators of the overlay that read a tensor."""
        readers = self._network.consumers[tensor]
        return [op for op in readers if not isinstance(op, SpaceToDepth)]

    def _end(self, op: Operator) -> _End:
        match op:
            case SpaceToDepth():
                return self._source(op.name, op.output)
            case Conv():
                shape = self._shapes[op.name]
                labels = self._restriction.allowed(op.name, self._model.labels(shape))
                end = self._vertex(Vertex(op.name, "layer", labels, shape))
                self._arc(op.input, end, shape)
                return end
            case Concat() | Add():
                end = self._store(op.output, op.name)
                for tensor in op.inputs:
                    self._arc(tensor, end, None, "add" if isinstance(op, Add) else "concat")
                return end
            case Combine():
                end = self._store(op.output, op.name)
                self._arc(op.a, end, None, "product", (self._pair(op),))
                self._arc(op.b, end, None, "product")
                return end
            case Pool():
                return self._pooled(op)
            case _:
                return self._ends[op.input]

    def _vertex(self, vertex: Vertex) -> _End:
        self._vertices.append(vertex)
        return _End(len(self._vertices) - 1)

    def _source(self, name: str, tensor: str) -> _End:
        plain = self._model.store_labels(self._network.tensors[tensor].shape, ())[:1]
        return self._vertex(Vertex(name, "source", plain))

    def _store(self, tensor: str, name: str) -> _End:
        readers = self._readers(tensor)
        convs = tuple(self._shapes[op.name] for op in readers if isinstance(op, Conv))
        shape = self._network.tensors[tensor].shape
        return self._vertex(Vertex(name, "store", self._model.store_labels(shape, convs)))

    def _part_of(self, tensor: str) -> Literal["", "concat"]:
        """ "concat" if one reads the tensor, which then lies in its place there."""
        return "concat" if any(isinstance(op, Concat) for op in self._readers(tensor)) else ""

    def _arc(
        self,
        tensor: str,
        target: _End,
        consumer: ConvShape | None,
        join: Join = "",
        last: tuple[PoolShape, ...] = (),
    ) -> None:
        source = self._ends[tensor]
        shape = consumer.input if consumer else self._network.tensors[tensor].shape
        origin = self._vertices[source.vertex]
        readers = source.readers or len(self._readers(tensor))
        crossing = Crossing(
            shape,
            origin.conv,
            consumer,
            (*source.pools, *last),
            join,
            readers,
            origin.kind == "source",
        )
        self._arcs.append(Arc(source.vertex, target.vertex, crossing))

    def _pair(self, combine: Combine) -> PoolShape:
        """A combination as the pooling engine walks it: one line, with windows of two taps."""
        one, other = (self._network.tensors[name].shape for name in combine.inputs)
        height, width, channels = one
        step = 1 if other[:2] == (1, 1) else 2
        return PoolShape("product", (1, 2), (1, step), one, (1, height * width, channels))

    def _pooled(self, pool: Pool) -> _End:
        before = self._ends[pool.input]
        passed = pool_shape(self._network, pool)
        readers = before.readers or len(self._readers(pool.input))
        return _End(before.vertex, (*before.pools, passed), readers)
