"""What the optimum is compared with: every node, in order, takes what is cheapest so far."""

from __future__ import annotations

import numpy as np

from dse.mapping.pbqp import Solution
from dse.mapping.problem import Edge, PbqpProblem


def solve_greedily(problem: PbqpProblem) -> Solution:
    """Nodes in order take the label of least own cost plus edges to the nodes before them."""
    decided: list[list[Edge]] = [[] for _ in problem.costs]
    for edge in problem.edges:
        decided[max(edge.source, edge.target)].append(edge)
    members = np.arange(problem.batch)
    choice = np.zeros((problem.batch, len(problem.costs)), dtype=np.int64)
    for node, costs in enumerate(problem.costs):
        total = costs
        for edge in decided[node]:
            matrix = edge.costs if edge.target == node else edge.costs.transpose(0, 2, 1)
            before = choice[:, min(edge.source, edge.target)]
            total = total + matrix[members if len(matrix) > 1 else 0, before]
        choice[:, node] = total.argmin(axis=1)
    return Solution(choice, problem.evaluate(choice), 0)
