"""The search for the overlay and the mapping of least latency for a network on a board."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from dse.compile.turns import TOGETHER
from dse.cost import Dynamap, as_arrays
from dse.cost.array_budget import rectangles
from dse.cost.cost_model import IntArray
from dse.cost.overlay_model import LEAST_SIDE, OverlayModel
from dse.explore.arranging import Arrangements
from dse.explore.candidate import Candidate, mapped
from dse.explore.card import Card
from dse.explore.exploration import Exploration
from dse.explore.families import Space
from dse.explore.needs import Needs, needs
from dse.explore.objectives import CostModelName, Objective
from dse.explore.subject import Subject
from dse.explore.trials import Decision, Mapper, Trials
from dse.mapping import (
    Executor,
    Hardware,
    ParetoPoint,
    Restriction,
    Single,
    Sweep,
    certify_mapping,
    sweep,
)
from dse.mapping.front import front
from dse.mapping.sweep import NEAR, processes
from dse.network.graph import Combine, Conv, Network, Pool
from dse.network.numbers import with_random_numbers, without_numbers
from dse.onnx.importer import Imported
from dse.passes import Arrangement, Passes, apply, fold, layer_shapes
from dse.tiling.legality import ConvAlgorithm, against_combining, against_pooling, against_walking
from hw.isa.config import OverlayConfig
from hw.isa.errors import InputError

SLACK = 1.1
"""How many times the least latency the array of fewest DSPs may take, unless said otherwise."""
UNLIMITED = 1 << 30
"""DSPs without a board."""


def explore(
    network: Network,
    board: Card | None,
    *,
    model: CostModelName = CostModelName.OVERLAY,
    objective: Objective = Objective.LATENCY,
    latency_ms: float | None = None,
    array: tuple[int, int] | None = None,
    restriction: Restriction | None = None,
    space: Space | None = None,
    passes: Passes | None = None,
    certify: bool = True,
    trials: bool = True,
    executor: Executor | None = None,
    whole: Network | None = None,
    batch: int = 1,
) -> Exploration:
    """The best hardware within a board's budget, and its optimal mapping of a network.

    Parameters
    ----------
    network : an outline will do; of one with numbers, accumulators hold its biases, too.
    board : what it is for; None: any, which needs ``array``.
    latency_ms : the latency within which DSPs are least; by default ``SLACK`` times the least.
    array : rows and columns, if they are given.
    restriction : which algorithms and dataflows the mapping may use.
    space : which hardware may be chosen, of our overlay.
    passes : what may be done to the graph, for our overlay.  Siblings are merged, and results
        copied, where it pays, on each of the arrays that are fastest without, and those that
        ``objective`` looks into.
    trials : whether the exact model decides between the closed form's best few mappings, and makes
        a better one of them, see ``Trials``; for our overlay on a board.
    executor : where the search's numpy calls run; by default one process per core.
    whole : the network that the overlay must hold, if ``network`` is a part of it.
    batch : images of a run, which the throughput is that of.
    """
    start = perf_counter()
    ours = model is CostModelName.OVERLAY
    passes = passes or Passes()
    asked = _asked(network if whole is None else whole, passes)
    network = without_numbers(network)
    plain = apply(network, passes, Arrangement()) if ours else network
    if board is None and array is None:
        raise InputError("without a board, the array must be given")
    space = space or Space()
    families = _families(
        asked,
        board,
        model,
        space if passes.fold else replace(space, folds=(1,)),
        fixed=array is not None,
    )
    if ours:
        _check_walks(plain, families)
    _check(plain, families, restriction)
    found = sweep(
        plain,
        families,
        {"dsp": UNLIMITED} if board is None else board.budget,
        arrays=_legal(board, ours) if array is None else as_arrays(*array),
        restriction=restriction,
        executor=executor,
    )
    arrangements = Arrangements(network, passes) if ours else None
    on = partial(mapped, network, passes if ours else None, arrangements, restriction)
    candidates = sorted((on(point) for point in found.fastest), key=lambda one: one.mapping.cycles)
    best = candidates[0]
    if objective is Objective.DSP:
        limit = latency_ms or SLACK * best.mapping.latency_ms
        best = _fewest_dsps(found, best, limit, on)
        candidates = [best, *candidates]
    optimum, decided = best, None
    if trials and ours and board is not None:
        runners = [best] if objective is Objective.DSP else candidates
        images = min(batch, TOGETHER) if objective is Objective.THROUGHPUT else 1
        decided = _decided(network, board, asked, passes, on, runners, executor, images)
    if decided is not None:
        best = decided.candidate
        optimum = next(one for one in candidates if one.point.design == best.point.design)
    gap = None
    if certify:
        gap = certify_mapping(
            optimum.network, optimum.point.model, optimum.mapping, restriction=restriction
        ).gap
    mapping, chosen = best.mapping, best.point.model
    return Exploration(
        board=board,
        objective=objective,
        network=best.network,
        passes=passes,
        arrangement=best.arrangement,
        restriction=restriction or Restriction(),
        model=chosen,
        configuration=_configuration(best, board, asked),
        mapping=mapping,
        pareto=_unbeaten([*found.pareto, *(one.point for one in candidates)])
        if array is None
        else (),
        grids=found.grids,
        certified_gap=gap,
        decision=decided,
        seconds=perf_counter() - start,
    )


def _decided(
    network: Network,
    board: Card,
    asked: Needs,
    passes: Passes,
    on: Mapper,
    candidates: Sequence[Candidate],
    executor: Executor | None,
    images: int,
) -> Decision | None:
    """The fastest by the exact model with so many images; None if programs are too long for it."""

    def configure(one: Candidate) -> OverlayConfig | None:
        return _configuration(one, board, asked, images)

    with processes() as pool:
        found = Trials(network, passes, configure, on, executor or pool, images)
        return found.best(candidates)


def _asked(network: Network, passes: Passes) -> Needs:
    """What a network needs of an overlay of ours."""
    numbers = None if network.is_outline else network
    return needs(apply(without_numbers(network), passes, Arrangement()), numbers)


def _configuration(
    best: Candidate, board: Card | None, asked: Needs, images: int = 1
) -> OverlayConfig | None:
    """The chosen overlay, with memory for what has been merged, copied or folded, and for images
    that take turns, if the board has room; and with registers where its array crosses dies."""
    model, mapping = best.point.model, best.mapping
    if not isinstance(model, OverlayModel):
        return None
    config = model.config(mapping.rows, mapping.columns)
    folds = {layer.name: model.way(layer.label).fold for layer in mapping.layers}
    folded = fold(best.network, {name: factor for name, factor in folds.items() if factor > 1})
    least = asked.tensor_bytes, needs(folded).tensor_bytes
    whole = max(config.tensor_bytes, *(images * size for size in least))
    larger = OverlayConfig.raised(**{**vars(config), "tensor_bytes": whole})
    if board is None:
        return larger
    config = larger if board.fits(larger) else config
    return replace(config, crossings=board.crossings(config))


def explore_all(
    networks: Sequence[Network],
    boards: Sequence[Card],
    *,
    executor: Executor,
    **options: Any,
) -> dict[tuple[str, str], Exploration]:
    """Every network on every board, side by side: explorations by names of network and board.

    ``executor``: one of ``concurrent.futures``, or whatever else has its ``map``.
    ``options``: as ``explore``'s.
    """
    tasks = [(network, board) for network in networks for board in boards]
    found = executor.map(partial(_explore_one, options), tasks)
    return {(n.name, b.name): one for (n, b), one in zip(tasks, found, strict=True)}


def _explore_one(options: Mapping[str, Any], task: tuple[Network, Card]) -> Exploration:
    return explore(*task, **options)


def predict(found: Exploration, subject: Subject, batch: int = 1) -> Exploration:
    """The same with the compiled program and its exact cycles, also of several images at a time.

    ``subject`` : the network explored; cycles do not depend on its weights.
    """
    network = subject.network if isinstance(subject, Imported) else subject
    return found.compiled(with_random_numbers(network) if network.is_outline else network, batch)


def _families(
    asked: Needs, board: Card | None, model: CostModelName, space: Space, *, fixed: bool
) -> Sequence[Hardware]:
    if board is not None and model is CostModelName.OVERLAY:
        return space.families(board, asked, fixed=fixed)
    if model is CostModelName.OVERLAY:
        return [
            Single(OverlayModel(template=template, folds=space.folds), {})
            for template in space.templates(asked)
        ]
    if board is None:
        return [Single(Dynamap(), {})]
    paper = Dynamap(clock_hz=board.clock_hz, bandwidth=board.memory_bandwidth)
    return [Single(paper, board.budget)]


def _legal(board: Card | None, ours: bool) -> IntArray | None:
    """The arrays that can be built at all, the least one even if the board lacks the DSPs, so that
    it is what is refused; None: any."""
    if board is None or not ours:
        return None
    arrays = rectangles(max(board.dsp, LEAST_SIDE**2))
    return arrays[(arrays >= LEAST_SIDE).all(axis=1)]


def _fewest_dsps(
    found: Sweep, fastest: Candidate, limit: float, mapped: Callable[[ParetoPoint], Candidate]
) -> Candidate:
    """The design of fewest DSPs within a latency; Infeasible if none is that fast.

    Designs that are slower by more than arranging could make up for are not looked into.
    """
    points = dict.fromkeys([*found.pareto, *found.fastest])
    for point in sorted(points, key=lambda point: (point.dsp, point.cycles)):
        if point.latency_ms <= NEAR * limit:
            candidate = mapped(point)
            if candidate.mapping.latency_ms <= limit:
                return candidate
    if fastest.mapping.latency_ms <= limit:
        return fastest
    raise found.too_slow(fastest.point, limit)


def _unbeaten(points: Sequence[ParetoPoint]) -> tuple[ParetoPoint, ...]:
    """The points that no other beats in both latency and DSPs; DSPs ascend."""
    dsp = np.array([point.dsp for point in points])
    cycles = np.array([point.cycles for point in points])
    return tuple(points[index] for index in front(dsp, cycles))


def _check_walks(network: Network, families: Sequence[Hardware]) -> None:
    """Refuse layers that the instruction set cannot say, in the compiler's words."""
    shapes = layer_shapes(network)
    for op in network.operators:
        why = ""
        match op:
            case Pool():
                why = against_pooling(network, op)
            case Combine():
                why = against_combining(network, op)
            case Conv() if not any(f.bound.labels(shapes[op.name]) for f in families):
                why = against_walking(shapes[op.name], ConvAlgorithm.IM2COL)
        if why:
            raise InputError(f"layer {op.name!r} does not fit the instruction set: {why}")


def _check(network: Network, families: Sequence[Hardware], restriction: Restriction | None) -> None:
    """Names of algorithms and dataflows must be some layer's."""
    if restriction is None:
        return
    labels = {
        label
        for family in families
        for shape in layer_shapes(network).values()
        for label in family.bound.labels(shape)
    }
    for what, asked, known in (
        ("algorithm", restriction.algorithms, {label.algorithm for label in labels}),
        ("dataflow", restriction.dataflows, {label.dataflow for label in labels}),
    ):
        if unknown := sorted(set(asked or ()) - known):
            named = ", ".join(sorted(known - {""}))  # beside the array, there is no dataflow
            choices = f"choose of {named}" if named else "no layer has one to choose, leave it out"
            raise InputError(f"no {what} {unknown[0]!r} here: {choices}")
