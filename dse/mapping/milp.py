"""PBQP as a mixed-integer program for HiGHS: the exact fallback, and the independent certificate.

x[i, l] is 1 if node i takes label l.  y[e, l, m] stands for x[i, l] x[j, m] on edge e = (i, j); its
rows sum to x[i, l] and its columns to x[j, m], so y follows from a binary x without being integer.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from time import perf_counter

import highspy
import numpy as np
import numpy.typing as npt

from dse.cost.cost_model import FloatArray, IntArray
from dse.cost.infeasible import Infeasible
from dse.mapping.problem import PbqpProblem
from dse.mapping.quiet import quiet


@dataclass(frozen=True, eq=False)
class MilpSolution:
    """HiGHS's optimum: label of every node [1, nodes], its cost, and the proven lower bound."""

    choice: IntArray
    cost: float
    bound: float


@dataclass(frozen=True)
class Certificate:
    """An optimum checked: ``gap`` is what the claimed cost exceeds HiGHS's optimum by."""

    claimed: float
    optimum: float
    bound: float
    gap: float
    seconds: float


def certify(problem: PbqpProblem, claimed: float) -> Certificate:
    """Solve the whole problem again, with HiGHS, and compare."""
    start = perf_counter()
    milp = solve_milp(problem)
    seconds = perf_counter() - start
    return Certificate(claimed, milp.cost, milp.bound, claimed - milp.cost, seconds)


def solve_milp(problem: PbqpProblem) -> MilpSolution:
    """The optimum of one problem (not a batch), to a gap of 0; Infeasible if there is none."""
    if problem.batch != 1:
        raise ValueError(f"one problem at a time, not a batch of {problem.batch}")
    costs = [c[0] for c in problem.costs]
    matrices = [e.costs[0] for e in problem.edges]
    flat = np.concatenate([np.zeros(0), *costs, *(m.ravel() for m in matrices)])
    possible = np.isfinite(flat)
    scale = float(np.abs(flat[possible]).max(initial=0.0)) or 1.0
    first = [0, *accumulate(len(c) for c in costs)]
    solver = _solver()
    solver.passModel(_program(problem, np.where(possible, flat / scale, 0.0), possible, first))
    solver.run()
    status = solver.getModelStatus()
    if status == highspy.HighsModelStatus.kInfeasible:
        raise Infeasible(
            "every choice of labels holds a forbidden label or pair",
            bound="labels",
            needed=1,
            available=0,
            remedy="allow further labels",
        )
    if status not in (highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kModelEmpty):
        raise RuntimeError(f"HiGHS stopped with {status} on a problem of {len(costs)} nodes")
    x = np.array(solver.getSolution().col_value)
    chosen = [int(x[a:b].argmax()) for a, b in pairwise(first)]
    choice = np.array([chosen], dtype=np.int64)
    bound = solver.getInfo().mip_dual_bound * scale
    return MilpSolution(choice, float(problem.evaluate(choice)[0]), bound)


def _solver() -> highspy.Highs:
    with quiet():  # the constructor prints a banner before any option can be set
        solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("mip_rel_gap", 0.0)
    solver.setOptionValue("mip_abs_gap", 1e-9)
    return solver


def _program(
    problem: PbqpProblem, flat: FloatArray, possible: npt.NDArray[np.bool_], first: list[int]
) -> highspy.HighsLp:
    """Columns: all x, then all y; rows: one label per node, then each edge's marginals."""
    nodes = len(problem.costs)
    rows: list[IntArray] = [np.repeat(np.arange(nodes), np.diff(first))]
    columns: list[IntArray] = [np.arange(first[-1])]
    values: list[FloatArray] = [np.ones(first[-1])]
    row, column = nodes, first[-1]
    for edge in problem.edges:
        s, t = problem.labels(edge.source), problem.labels(edge.target)
        y = column + np.arange(s * t)
        x = np.concatenate([first[edge.source] + np.arange(s), first[edge.target] + np.arange(t)])
        marginals = row + np.arange(s + t)
        rows += [marginals, row + np.repeat(np.arange(s), t), row + s + np.tile(np.arange(t), s)]
        columns += [x, y, y]
        values += [-np.ones(s + t), np.ones(s * t), np.ones(s * t)]
        row, column = row + s + t, column + s * t
    right = np.zeros(row)
    right[:nodes] = 1.0
    order = np.argsort(np.concatenate(columns), kind="stable")
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = column, row
    lp.col_cost_ = flat
    lp.col_lower_, lp.col_upper_ = np.zeros(column), possible.astype(np.float64)
    lp.row_lower_, lp.row_upper_ = right, right
    lp.integrality_ = [highspy.HighsVarType.kInteger] * first[-1] + [
        highspy.HighsVarType.kContinuous
    ] * (column - first[-1])
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    counts = np.bincount(np.concatenate(columns), minlength=column)
    lp.a_matrix_.start_ = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    lp.a_matrix_.index_ = np.concatenate(rows)[order].astype(np.int32)
    lp.a_matrix_.value_ = np.concatenate(values)[order]
    lp.sense_ = highspy.ObjSense.kMinimize
    return lp
