"""What each layer of a run took, and what the exact model foretells of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dse.assembly.manifest import LayerEntry
from dse.assembly.program import Program
from dse.cycles.whole_program import ProgramCycles
from hw.isa import Engine, Opcode
from hw.isa.config import OverlayConfig
from sim.fast.simulated_run import EVENT, Run


@dataclass(frozen=True, kw_only=True)
class LayerResult:
    """What one layer took, in the slowest image.

    Parameters
    ----------
    tile : Winograd, edge of an output tile, or "4x1" of one dimension.
    cycles : from its start, or the end of the layer before it on the same engine, to its end.
    predicted_cycles : the same by the exact model; equal if the memory is ideal.
    utilisation : multiply-accumulates per cycle and multiplier of the array; 0 without any.
    """

    name: str
    kind: str
    algorithm: str
    tile: int | str | None
    dataflow: str
    macs: int
    cycles: int
    predicted_cycles: int
    utilisation: float


def layer_results(
    run: Run, foretold: ProgramCycles, program: Program, config: OverlayConfig
) -> list[LayerResult]:
    """Cycles of each layer from the events of a run, beside those of the model's."""
    predicted = _events(foretold)
    return [
        _layer_result(entry, _cycles(run.events, entry), _cycles(predicted, entry), config)
        for entry in program.manifest.layers
    ]


def utilisation(macs: int, cycles: int, config: OverlayConfig) -> float:
    """Multiply-accumulates per cycle and multiplier of the array."""
    return macs / (max(1, cycles) * config.rows * config.columns * config.lanes)


def _layer_result(
    entry: LayerEntry, cycles: int, predicted: int, config: OverlayConfig
) -> LayerResult:
    return LayerResult(
        name=entry.name,
        kind=entry.kind,
        algorithm=entry.algorithm,
        tile=entry.tile,
        dataflow=entry.dataflow,
        macs=entry.macs,
        cycles=cycles,
        predicted_cycles=predicted,
        utilisation=utilisation(entry.macs, cycles, config),
    )


def _events(foretold: ProgramCycles) -> npt.NDArray:
    """Starts and retirements as a run records them, but for the cycles of its acceptance."""
    found = [
        (entry, cycle, retire)
        for entry in foretold.instructions
        if entry.opcode is not Opcode.WEIGHTS
        for retire, cycle in enumerate((entry.start, entry.retire))
    ]
    events = np.zeros(len(found), EVENT)
    events["cycle"] = [cycle for _, cycle, _ in found]
    events["engine"] = [Engine[entry.opcode.name] for entry, _, _ in found]
    events["retire"] = [retire for _, _, retire in found]
    events["tag"] = [entry.tag for entry, _, _ in found]
    return events


def _cycles(events: npt.NDArray, entry: LayerEntry) -> int:
    engine = Engine.CONV if entry.kind == "conv" else Engine.POOL
    events = events[events["engine"] == engine]
    mine = events[events["tag"] == entry.tag]
    ends = mine["cycle"][mine["retire"] == 1]
    if not len(ends):
        return 0
    start, end = int(mine["cycle"].min()), int(ends.max())
    before = events["cycle"][(events["retire"] == 1) & (events["tag"] != entry.tag)]
    return end - max(start, int(before[before < end].max(initial=0)))
