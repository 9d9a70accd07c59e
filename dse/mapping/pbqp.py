"""The exact PBQP solver: series-parallel reductions, HiGHS for what they leave.

R0 takes the minimum of an isolated node.  RI folds a node x with one neighbour y into it,
c_y[j] += min_i(c_x[i] + T_xy[i, j]).  RII folds a node with two neighbours into their edge,
T_yz[j, k] += min_i(c_x[i] + T_xy[i, j] + T_xz[i, k]).  A node with a single label folds into all
its neighbours, however many: its edges are constant rows.  Series-parallel graphs, and with them
nearly all CNNs, vanish; labels come back in reverse order.  Whatever core remains is irreducible,
and is solved as a mixed-integer program, never guessed.  The order of reductions does not depend on
costs, so a batch of problems is reduced in one go.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from dse.cost.cost_model import FloatArray, IntArray
from dse.cost.infeasible import Infeasible
from dse.mapping.milp import solve_milp
from dse.mapping.problem import Edge, PbqpProblem


@dataclass(frozen=True, eq=False)
class Solution:
    """An optimum: label of every node [batch, nodes] and cost [batch], infinite if there is none.

    ``core`` nodes were left to the mixed-integer program: 0 on series-parallel graphs.
    """

    choice: IntArray
    cost: FloatArray
    core: int


def solve(problem: PbqpProblem) -> Solution:
    """The minimum of a problem, or of each member of a batch."""
    return _Reduction(problem).solve()


class _Reduction:
    def __init__(self, problem: PbqpProblem) -> None:
        self._problem = problem
        self._costs = list(problem.costs)
        # _edges[x][y] is [batch, labels of x, labels of y]; both directions are kept.
        self._edges: list[dict[int, FloatArray]] = [{} for _ in problem.costs]
        for edge in problem.edges:
            self._join(edge.source, edge.target, edge.costs)
        # What back-substitution needs of each folded node: its edges at that moment.
        self._folded: list[tuple[int, dict[int, FloatArray]]] = []

    def solve(self) -> Solution:
        problem = self._problem
        choice = np.zeros((problem.batch, len(problem.costs)), dtype=np.int64)
        core = self._reduce()
        if core:
            self._solve_core(core, choice)
        for node, edges in reversed(self._folded):
            costs = self._costs[node]
            for neighbour, matrix in edges.items():
                costs = costs + _row_of(matrix, choice[:, neighbour])
            choice[:, node] = costs.argmin(axis=1)
        return Solution(choice, problem.evaluate(choice), len(core))

    def _reduce(self) -> list[int]:
        """Fold all nodes of degree 2 or less, or of one label; return those that remain."""
        pending = list(range(len(self._costs)))
        alive = [True] * len(pending)
        while pending:
            node = pending.pop()
            edges = self._edges[node]
            if not alive[node] or (len(edges) > 2 and self._problem.labels(node) > 1):
                continue
            alive[node] = False
            for neighbour in edges:
                del self._edges[neighbour][node]
            self._fold(node, edges)
            self._folded.append((node, edges))
            pending.extend(edges)
        return [node for node, remains in enumerate(alive) if remains]

    def _fold(self, x: int, edges: dict[int, FloatArray]) -> None:
        if self._problem.labels(x) == 1:
            for y, t_xy in edges.items():
                self._costs[y] = self._costs[y] + t_xy[:, 0]
        elif len(edges) == 1:
            ((y, t_xy),) = edges.items()
            self._costs[y] = self._costs[y] + (self._costs[x][:, :, None] + t_xy).min(axis=1)
        elif len(edges) == 2:
            (y, t_xy), (z, t_xz) = edges.items()
            weighted = self._costs[x][:, :, None] + t_xy
            t_yz = (weighted[:, :, :, None] + t_xz[:, :, None, :]).min(axis=1)
            self._join(y, z, t_yz)

    def _join(self, x: int, y: int, costs: FloatArray) -> None:
        if y in self._edges[x]:
            costs = self._edges[x][y] + costs
        self._edges[x][y] = costs
        self._edges[y][x] = costs.transpose(0, 2, 1)

    def _solve_core(self, core: list[int], choice: IntArray) -> None:
        index = {node: i for i, node in enumerate(core)}
        remaining = PbqpProblem(
            tuple(self._costs[node] for node in core),
            tuple(
                Edge(index[x], index[y], costs)
                for x in core
                for y, costs in self._edges[x].items()
                if x < y
            ),
        )
        for member in range(self._problem.batch):
            one = remaining.member(member if remaining.batch > 1 else 0)
            with suppress(Infeasible):  # then every choice, also the zeros, costs infinity
                choice[member, core] = solve_milp(one).choice[0]


def _row_of(matrix: FloatArray, labels: IntArray) -> FloatArray:
    """[batch, labels of x] of a matrix [batch or 1, labels of x, labels of y], y's labels given."""
    if len(matrix) == 1:
        rows: FloatArray = matrix[0].T[labels]
        return rows
    taken: FloatArray = np.take_along_axis(matrix, labels[:, None, None], axis=2)[:, :, 0]
    return taken
