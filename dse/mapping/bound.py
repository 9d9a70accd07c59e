"""A lower bound on a PBQP's optimum, cheap enough for every array of a sweep."""

from __future__ import annotations

import numpy as np

from dse.cost.cost_model import FloatArray
from dse.mapping.problem import PbqpProblem

_ROUNDING = 1 - 1e-12  # sums in another order must not lift the bound above the optimum


def lower_bound(problem: PbqpProblem) -> FloatArray:
    """[batch]: every node's cheapest label, each edge charged to its target at its cheapest source.

    For any labels x, T_ij[x_i, x_j] >= min_i T_ij[i, x_j], so the sum of the minima over the nodes
    cannot exceed the optimum.
    """
    charged = list(problem.costs)
    for edge in problem.edges:
        charged[edge.target] = charged[edge.target] + edge.costs.min(axis=1)
    total = np.zeros(problem.batch)
    for costs in charged:
        total += costs.min(axis=1)
    return total * _ROUNDING
