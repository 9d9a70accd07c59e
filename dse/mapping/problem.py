"""Partitioned boolean quadratic problems: one label per node, costs on nodes and edges.

minimise sum_i c_i[x_i] + sum_(i,j) T_ij[x_i, x_j].  A problem may be a batch of problems over one
graph: costs then carry a leading batch axis, of length 1 where all members share them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dse.cost.cost_model import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Edge:
    """Cost of neighbouring labels: ``costs`` is [batch or 1, source labels, target labels]."""

    source: int
    target: int
    costs: FloatArray


@dataclass(frozen=True, eq=False)
class PbqpProblem:
    """Nodes' costs [batch or 1, labels] and the edges between them; parallel edges add up.

    An infinite cost forbids a label or a pair.
    """

    costs: tuple[FloatArray, ...]
    edges: tuple[Edge, ...]
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.names and len(self.names) != len(self.costs):
            raise ValueError(f"{len(self.names)} names for {len(self.costs)} nodes")
        sizes = {1}
        for i, costs in enumerate(self.costs):
            if costs.ndim != 2 or not costs.shape[1]:
                raise ValueError(f"node {i}: costs must be [batch, labels], not {costs.shape}")
            sizes.add(costs.shape[0])
        for edge in self.edges:
            labels = (self.labels(edge.source), self.labels(edge.target))
            if edge.source == edge.target or edge.costs.shape[1:] != labels:
                raise ValueError(
                    f"edge {edge.source}-{edge.target}: costs must be [batch, {labels[0]}, "
                    f"{labels[1]}] between two nodes, not {edge.costs.shape}"
                )
            sizes.add(edge.costs.shape[0])
        if len(sizes) > 2:
            raise ValueError(f"batch sizes disagree: {sorted(sizes)}")

    def labels(self, node: int) -> int:
        """Number of labels of a node."""
        return self.costs[node].shape[1]

    @cached_property
    def batch(self) -> int:
        """Members of the batch."""
        arrays = [*self.costs, *(edge.costs for edge in self.edges)]
        return max((array.shape[0] for array in arrays), default=1)

    def member(self, index: int) -> PbqpProblem:
        """One member of the batch, as a problem of its own."""
        pick = slice(index, index + 1)
        return PbqpProblem(
            tuple(c if c.shape[0] == 1 else c[pick] for c in self.costs),
            tuple(
                e if e.costs.shape[0] == 1 else Edge(e.source, e.target, e.costs[pick])
                for e in self.edges
            ),
            self.names,
        )

    def evaluate(self, choice: IntArray) -> FloatArray:
        """[batch]: cost of one label per node, ``choice`` [batch or 1, nodes]."""
        total = np.zeros(max(self.batch, len(choice)))
        for costs, labels in zip(self.costs, choice.T, strict=True):
            total += _pick(costs, labels)
        for edge in self.edges:
            total += _pick(edge.costs, choice[:, edge.source], choice[:, edge.target])
        return total


def _pick(costs: FloatArray, *labels: IntArray) -> FloatArray:
    size = max(len(costs), len(labels[0]))
    members = np.arange(size) if len(costs) == size else np.zeros(size, dtype=np.int64)
    picked: FloatArray = costs[(members, *labels)]
    return picked
