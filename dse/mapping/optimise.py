"""From a network and an array to its mapping."""

from __future__ import annotations

from collections.abc import Mapping
from math import isinf
from time import perf_counter
from typing import Literal

import numpy as np

from dse.cost.cost_model import POOLING, CostModel, FloatArray, IntArray, Label, as_arrays, split
from dse.cost.infeasible import Infeasible
from dse.mapping.build import CostGraph, Restriction, cost_graph
from dse.mapping.greedy import solve_greedily
from dse.mapping.milp import Certificate, certify
from dse.mapping.pbqp import Solution, solve
from dse.mapping.problem import PbqpProblem
from dse.mapping.result import LayerChoice, NetworkMapping, StoreChoice
from dse.network.graph import Network

Method = Literal["optimal", "greedy", "chosen"]


def map_network(
    network: Network,
    model: CostModel,
    rows: int,
    columns: int,
    *,
    restriction: Restriction | None = None,
    method: Method = "optimal",
) -> NetworkMapping:
    """The best mapping onto an R x C array; Infeasible if there is none."""
    start = perf_counter()
    graph = cost_graph(network, model, restriction)
    problem = graph.problem(as_arrays(rows, columns))
    solution = solve(problem) if method == "optimal" else solve_greedily(problem)
    seconds = perf_counter() - start
    if isinf(solution.cost[0]):
        raise unmappable(graph, as_arrays(rows, columns))
    return _mapping(graph, problem, solution, rows, columns, method, seconds)


def chosen_mapping(
    network: Network, model: CostModel, rows: int, columns: int, labels: Mapping[str, Label]
) -> NetworkMapping:
    """The mapping of given labels by layer; what is no layer takes its first. KeyError: one lacks.

    ``method`` of the result is "chosen".
    """
    start = perf_counter()
    graph = cost_graph(network, model, None)
    problem = graph.problem(as_arrays(rows, columns))
    choice = [
        0 if vertex.conv is None else vertex.labels.index(labels[vertex.name])
        for vertex in graph.vertices
    ]
    cost = sum(float(costs[0, label]) for costs, label in zip(problem.costs, choice, strict=True))
    cost += sum(
        float(edge.costs[0, choice[edge.source], choice[edge.target]]) for edge in problem.edges
    )
    solution = Solution(np.array([choice]), np.array([cost]), 0)
    seconds = perf_counter() - start
    return _mapping(graph, problem, solution, rows, columns, "chosen", seconds)


def certify_mapping(
    network: Network,
    model: CostModel,
    mapping: NetworkMapping,
    *,
    restriction: Restriction | None = None,
) -> Certificate:
    """Let HiGHS solve the mapping's whole problem; ``gap`` is 0 if the mapping is optimal."""
    graph = cost_graph(network, model, restriction)
    return certify(graph.problem(as_arrays(mapping.rows, mapping.columns)), mapping.cycles)


def unmappable(graph: CostGraph, arrays: IntArray) -> Infeasible:
    """The refusal of a network that none of some arrays can execute; it names the layer."""
    problem = graph.problem(arrays)
    impossible = [
        vertex
        for vertex, costs in zip(graph.vertices, problem.costs, strict=True)
        if np.isinf(costs).all()
    ]
    culprit = "a pair of neighbouring layers"
    if impossible and impossible[0].conv is not None:
        conv = impossible[0].conv
        culprit = (
            f"layer {impossible[0].name!r} ({conv.kernel[0]} x {conv.kernel[1]}, {conv.cin} to "
            f"{conv.cout} channels, {conv.o1} x {conv.o2} pixels)"
        )
    rows, columns = arrays[0].tolist()
    place = f"a {rows} x {columns} array" if len(arrays) == 1 else f"any of {len(arrays):,} arrays"
    return Infeasible(
        f"{graph.network}: {culprit} has no label on {place}",
        bound="labels",
        needed=1,
        available=0,
        remedy="allow further algorithms, dataflows or arrays, or deeper buffers",
    )


def _mapping(
    graph: CostGraph,
    problem: PbqpProblem,
    solution: Solution,
    rows: int,
    columns: int,
    method: Method,
    seconds: float,
) -> NetworkMapping:
    model = graph.model
    arrays = as_arrays(rows, columns)
    choice = [int(label) for label in solution.choice[0]]
    around, arriving = _edge_costs(problem, choice)
    peak = float(model.peak_macs(arrays)[0])
    layers: list[LayerChoice] = []
    stores: list[StoreChoice] = []
    for i, vertex in enumerate(graph.vertices):
        chosen = vertex.labels[choice[i]]
        if vertex.kind == "store":
            stores.append(StoreChoice(vertex.name, chosen, arriving[i]))
        if vertex.conv is None:
            continue
        parts = dict(split(model, vertex.conv, chosen, arrays))
        behind = parts.pop(POOLING, 0.0)
        compute = float(problem.costs[i][0, choice[i]]) - behind
        extra = problem.costs[i][0] + around[i]
        extra = extra - extra[choice[i]]
        extra[choice[i]] = np.inf
        best = int(extra.argmin())
        known = bool(np.isfinite(extra[best]))
        layers.append(
            LayerChoice(
                vertex.name,
                chosen,
                vertex.conv.macs,
                compute,
                arriving[i] + behind,
                vertex.conv.macs / (compute * peak),
                vertex.labels[best] if known else None,
                float(extra[best]) if known else None,
                parts,
            )
        )
    return NetworkMapping(
        network=graph.network,
        model=model.name,
        method=method,
        rows=rows,
        columns=columns,
        dsp=int(model.resources(arrays)["dsp"][0]),
        clock_hz=model.clock_hz,
        cycles=float(solution.cost[0]),
        layers=tuple(layers),
        stores=tuple(stores),
        core=solution.core,
        seconds=seconds,
        peak_macs=peak,
    )


def _edge_costs(problem: PbqpProblem, choice: list[int]) -> tuple[list[FloatArray], list[float]]:
    """Of each node: edge costs per own label, neighbours as chosen; and what arrives as chosen."""
    around = [np.zeros(problem.labels(i)) for i in range(len(choice))]
    arriving = [0.0] * len(choice)
    for edge in problem.edges:
        costs, s, t = edge.costs[0], choice[edge.source], choice[edge.target]
        around[edge.source] += costs[:, t]
        around[edge.target] += costs[s]
        arriving[edge.target] += float(costs[s, t])
    return around, arriving
