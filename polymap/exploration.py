"""The array and the mapping of least latency for a network on a board."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from boards.board import Board
from dse.cost import CostModel, Dynamap
from dse.cost.budget import require
from dse.mapping import (
    LayerChoice,
    NetworkMapping,
    ParetoPoint,
    Restriction,
    certify_mapping,
    map_network,
    sweep,
)
from dse.networks import Workload
from polymap.choices import CostModelName, Objective
from polymap.errors import InputError

MAPPING_FILE, CONFIGURATION_FILE, RESULT_FILE = (
    "mapping.json",
    "configuration.json",
    "exploration.json",
)
SLACK = 1.1
"""How many times the least latency the array of fewest DSPs may take, unless said otherwise."""


@dataclass(frozen=True)
class Candidate:
    """A kind of hardware of which only R x C is open: its cost model, and its lanes per PE."""

    model: CostModel
    lanes: int


def _dynamap(board: Board) -> list[Candidate]:
    return [Candidate(Dynamap(clock_hz=board.clock_hz, bandwidth=board.memory_bandwidth), 1)]


CANDIDATES: Mapping[CostModelName, Callable[[Board], Sequence[Candidate]]] = {
    CostModelName.DYNAMAP: _dynamap,
}
"""The hardware that each model judges; what is missing here is not available yet."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Exploration:
    """The chosen array and mapping.

    ``pareto``: the arrays that no other beats in latency and DSPs, empty if the array was fixed.
    ``certified_gap``: cycles by which the mapping exceeds the optimum that HiGHS finds.
    """

    board: Board
    objective: Objective
    lanes: int
    mapping: NetworkMapping
    pareto: tuple[ParetoPoint, ...]
    certified_gap: float
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain data, ready for ``json.dumps``."""
        mapping = self.mapping
        return {
            "network": mapping.network,
            "board": self.board.name,
            "model": mapping.model,
            "objective": self.objective.value,
            "array": f"{mapping.rows}x{mapping.columns}",
            "lanes": self.lanes,
            "dsp": mapping.dsp,
            "cycles": mapping.cycles,
            "compute_cycles": mapping.compute,
            "transfer_cycles": mapping.transfer,
            "clock_hz": mapping.clock_hz,
            "latency_ms": mapping.latency_ms,
            "mapping_seconds": mapping.seconds,
            "explore_seconds": self.seconds,
            "certified_gap": self.certified_gap,
            "layers": [_layer_json(layer) for layer in mapping.layers],
            "pareto": [
                {"array": f"{p.rows}x{p.columns}", "dsp": p.dsp, "latency_ms": p.latency_ms}
                for p in self.pareto
            ],
        }

    def save(self, folder: str | Path) -> None:
        """Writes the mapping, the configuration, and everything."""
        mapping = self.mapping
        array = {"rows": mapping.rows, "columns": mapping.columns, "lanes": self.lanes}
        choices = {
            layer.name: {"algorithm": layer.label.algorithm, "dataflow": layer.label.dataflow}
            for layer in mapping.layers
        }
        for name, data in (
            (MAPPING_FILE, {"layers": choices}),
            (CONFIGURATION_FILE, array),
            (RESULT_FILE, self.to_json()),
        ):
            (Path(folder) / name).write_text(json.dumps(data, indent=1) + "\n")


def explore(
    network: Workload,
    board: Board,
    *,
    model: CostModelName = CostModelName.OVERLAY,
    objective: Objective = Objective.LATENCY,
    latency_ms: float | None = None,
    array: tuple[int, int] | None = None,
    restriction: Restriction | None = None,
) -> Exploration:
    """The best array within a board's budget, or the given one, and its optimal mapping.

    Parameters
    ----------
    latency_ms : the latency within which DSPs are least; by default ``SLACK`` times the least.
    restriction : which algorithms and dataflows the mapping may use.
    """
    start = perf_counter()
    candidates = _candidates(model, board)
    _check(network, candidates, restriction)
    designs = [
        _design(network, candidate, board, objective, latency_ms, array, restriction)
        for candidate in candidates
    ]
    best = min(designs, key=lambda design: _merit(design.mapping, objective))
    certificate = certify_mapping(
        network, best.candidate.model, best.mapping, restriction=restriction
    )
    return Exploration(
        board=board,
        objective=objective,
        lanes=best.candidate.lanes,
        mapping=best.mapping,
        pareto=best.pareto,
        certified_gap=certificate.gap,
        seconds=perf_counter() - start,
    )


@dataclass(frozen=True)
class _Design:
    candidate: Candidate
    mapping: NetworkMapping
    pareto: tuple[ParetoPoint, ...]


def _candidates(model: CostModelName, board: Board) -> Sequence[Candidate]:
    if model not in CANDIDATES:
        known = " or ".join(f"--model {name}" for name in CANDIDATES)
        raise InputError(f"the cost model {model.value!r} is not available yet: use {known}")
    return CANDIDATES[model](board)


def _check(
    network: Workload, candidates: Iterable[Candidate], restriction: Restriction | None
) -> None:
    """Names of algorithms and dataflows must be some layer's."""
    if restriction is None:
        return
    labels = {
        label
        for candidate in candidates
        for layer in network.convolutions
        for label in candidate.model.labels(layer.conv)
    }
    for what, asked, known in (
        ("algorithm", restriction.algorithms, {label.algorithm for label in labels}),
        ("dataflow", restriction.dataflows, {label.dataflow for label in labels}),
    ):
        if unknown := sorted(set(asked or ()) - known):
            raise InputError(f"no {what} {unknown[0]!r} here: choose of {', '.join(sorted(known))}")


def _design(
    network: Workload,
    candidate: Candidate,
    board: Board,
    objective: Objective,
    latency_ms: float | None,
    array: tuple[int, int] | None,
    restriction: Restriction | None,
) -> _Design:
    """The best design of one kind of hardware."""
    model = candidate.model
    if array is not None:
        require(model, *array, board.budget)
        return _Design(candidate, map_network(network, model, *array, restriction=restriction), ())
    found = sweep(network, model, board.budget, restriction=restriction)
    if objective is Objective.LATENCY:
        return _Design(candidate, found.best, found.pareto)
    point = found.cheapest(latency_ms or SLACK * found.best.latency_ms)
    mapping = map_network(network, model, point.rows, point.columns, restriction=restriction)
    return _Design(candidate, mapping, found.pareto)


def _merit(mapping: NetworkMapping, objective: Objective) -> tuple[float, float]:
    merits = mapping.latency_ms, mapping.dsp
    return merits if objective is Objective.LATENCY else merits[::-1]


def _layer_json(layer: LayerChoice) -> dict[str, Any]:
    return {
        "name": layer.name,
        "algorithm": layer.label.algorithm,
        "dataflow": layer.label.dataflow,
        "variant": layer.label.variant,
        "macs": layer.macs,
        "cycles": layer.compute + layer.transfer,
        "compute": layer.compute,
        "transfer": layer.transfer,
        "utilisation": layer.utilisation,
        "alternative": None if layer.alternative is None else str(layer.alternative),
        "alternative_extra": layer.alternative_extra,
    }
