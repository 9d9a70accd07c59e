"""From an exploration's results to what its report shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from dse.assembly.program import Program
from dse.cost import CostModel
from dse.explore.card import Card
from dse.explore.execution import Execution
from dse.mapping import NetworkMapping, ParetoPoint
from dse.mapping.sweep import SearchGrid
from dse.network.blocks import from_host
from dse.network.graph import Network
from dse.passes import layer_shapes
from hw.isa import Opcode
from hw.isa.config import OverlayConfig
from polymap.report import timeline
from polymap.report.baselines import Baseline
from polymap.report.data import ReportData, Rival, Roof, SearchedArrays

_TAPS = 3
_PARTS = ("fill", "compute", "load", "stall", "drain")


def report_data(
    network: Network,
    model: CostModel,
    mapping: NetworkMapping,
    board: Card,
    *,
    lanes: int,
    certified_gap: float | None,
    seconds: float,
    baselines: Iterable[Baseline] = (),
    grids: Sequence[SearchGrid] = (),
    pareto: Iterable[ParetoPoint] = (),
    config: OverlayConfig | None = None,
    execution: Execution | None = None,
) -> ReportData:
    """All that a report shows of a mapping.

    Parameters
    ----------
    certified_gap : cycles above the certificate's; None: not certified.
    seconds : of the exploration.
    baselines : what the mapping is compared with.
    grids, pareto : of the array search, if there was one.
    config : the overlay, if the cost model's hardware is one: its transfers stay on chip, those of
        other models cross the memory's bus.
    execution : if the network could be compiled for it.
    """
    array = {"rows": mapping.rows, "columns": mapping.columns, "lanes": lanes}
    memories = [Roof(f"memory of {board.name}", board.memory_bandwidth)]
    if config is not None:
        memories.append(Roof("weight ports", config.weight_beat_bytes * mapping.clock_hz))
    off_chip = board.memory_bandwidth / mapping.clock_hz if config is None else 0.0
    return ReportData(
        mapping=mapping,
        board=board,
        lanes=lanes,
        certified_gap=certified_gap,
        seconds=seconds,
        configuration=array if config is None else config.to_json(),
        resources={} if config is None else board.blocks(config),
        splits=_splits(mapping, execution),
        traffic=_traffic(network, mapping, off_chip, execution),
        peaks=tuple(_peaks(network, model, mapping)),
        memories=tuple(memories),
        candidates=_candidates(grids) if grids else None,
        pareto=tuple(pareto),
        rivals=tuple(_rivals(network, mapping, baselines, execution)),
        timeline=timeline.of_mapping(network, mapping)
        if execution is None
        else timeline.of_program(execution.program, execution.cycles),
    )


def _candidates(grids: Sequence[SearchGrid]) -> SearchedArrays:
    """The arrays of all kinds of hardware."""
    return SearchedArrays(
        np.concatenate([grid.arrays for grid in grids]),
        np.concatenate([grid.bound for grid in grids]),
        np.concatenate([grid.cycles for grid in grids]),
    )


def _splits(mapping: NetworkMapping, execution: Execution | None) -> dict[str, Mapping[str, float]]:
    """Of the program, and in closed form of what it has not as a layer of its own."""
    closed: dict[str, Mapping[str, float]] = {
        layer.name: {**(layer.split or {"compute": layer.compute}), "transfer": layer.transfer}
        for layer in mapping.layers
    }
    if execution is None:
        return closed
    layers = execution.cycles.layers
    exact = {layer.name: {part: getattr(layer, part) for part in _PARTS} for layer in layers}
    return {**exact, **{name: closed[name] for name in closed if name not in exact}}


def _traffic(
    network: Network, mapping: NetworkMapping, off_chip: float, execution: Execution | None
) -> dict[str, float]:
    least = _least_traffic(network, mapping, off_chip)
    return least if execution is None else {**least, **_program_traffic(execution.program)}


def _least_traffic(network: Network, mapping: NetworkMapping, off_chip: float) -> dict[str, float]:
    """Bytes of each layer: weights once, input and output of the network, and what transfers move.

    The network's inputs are the first layer's, its outputs the last one's.  ``off_chip``: bytes
    over the memory's bus in a cycle of transfer.
    """
    bytes_of = {
        name: float(shape.taps * shape.cin // shape.groups * shape.cout)
        for name, shape in layer_shapes(network).items()
    }
    for layer in mapping.layers:
        bytes_of[layer.name] += layer.transfer * off_chip
    if bytes_of:
        first, last = next(iter(bytes_of)), next(reversed(bytes_of))
        bytes_of[first] += sum(network.tensors[name].size for name in from_host(network))
        bytes_of[last] += sum(network.tensors[name].size for name in network.outputs)
    return bytes_of


def _program_traffic(program: Program) -> dict[str, float]:
    """Bytes of each layer's LOADs, STOREs and WEIGHTS."""
    beat = program.manifest.overlay.weight_beat_bytes
    names = {entry.tag: entry.name for entry in program.manifest.layers}
    bytes_of = dict.fromkeys(names.values(), 0.0)
    for instruction in program.instructions:
        field = instruction.field
        if instruction.opcode in (Opcode.LOAD, Opcode.STORE):
            bytes_of[names[field("tag")]] += field("bytes")
        elif instruction.opcode is Opcode.WEIGHTS:
            words = (field("segments") - 1) * field("segment_words") + field("last_words")
            beats = words * field("beats_per_word") * field("repeats")
            bytes_of[names[field("tag")]] += beats * beat
    return bytes_of


def _peaks(network: Network, model: CostModel, mapping: NetworkMapping) -> Iterator[Roof]:
    """The array's rate of direct convolution, and what each transform makes of it."""
    direct = _peak(mapping)
    yield Roof("direct", direct)
    labels = {label for shape in layer_shapes(network).values() for label in model.labels(shape)}
    for m in sorted({tile for label in labels if (tile := model.winograd_tile(label))}):
        saved = (m * _TAPS) ** 2 / (m + _TAPS - 1) ** 2
        yield Roof(f"Winograd F({m},{_TAPS})", direct * saved)


def _rivals(
    network: Network,
    mapping: NetworkMapping,
    others: Iterable[Baseline],
    execution: Execution | None,
) -> Iterator[Rival]:
    yield Rival("this mapping", mapping.latency_ms, mapping.model, chosen=True)
    if execution is not None:
        exact = execution.cycles.total / mapping.clock_hz * 1e3
        yield Rival("this mapping, compiled", exact, "exact model of the whole program")
    for other in others:
        latency = None if other.mapping is None else other.mapping.latency_ms
        yield Rival(other.name, latency, other.note)
    peak = _peak(mapping)
    yield Rival("every multiplier busy", network.macs() / peak * 1e3, "bound of direct convolution")


def _peak(mapping: NetworkMapping) -> float:
    """Multiply-accumulates per second of the full array."""
    return mapping.peak_macs * mapping.clock_hz
