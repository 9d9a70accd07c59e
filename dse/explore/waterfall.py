"""Where a compiled network's cycles go: from what its multiply-accumulates take to the total."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from dse.assembly.program import Program
from dse.cycles.whole_program import LayerCycles, ProgramCycles
from hw.isa.config import OverlayConfig

PARTS = {
    "multipliers": "multiply-accumulates of direct convolution / (rows x columns x lanes)",
    "algorithms, edges": "other cycles of waves: the array's and the tiles' edges, dataflows, "
    "merges; below zero where Winograd saves multiplications",
    "weights": "between the waves of a layer, its weights were missing",
    "activations, room": "between the waves of a layer, its activations or parameters were "
    "missing, or room behind the array",
    "fill": "from a layer's start to its first wave, no other layer's waves meanwhile",
    "drain": "from a layer's last wave to its end or the next one's start",
    "other engines": "between the end of a layer and the next one's start: poolings, and other "
    "layers off the array, transfers",
    "begin": "before the first layer's first wave: the program's and the image's load",
    "end": "behind the last wave: the last layers off the array, and the store",
}
"""What each part of a waterfall counts."""


Parts = Mapping[str, float]
"""Cycles by part, all of ``PARTS``."""


def waterfall(layers: Mapping[str, Parts]) -> Parts:
    """Cycles by part, of all layers together."""
    return {part: sum(parts[part] for parts in layers.values()) for part in PARTS}


def waterfall_by_layer(
    programs: Sequence[Program], turns: Sequence[ProgramCycles], config: OverlayConfig
) -> dict[str, Parts]:
    """Cycles by part of the layers that have waves, exact, and in sum those of all programs.

    A layer's cycles are those from the last wave of all before to its own last one, so that what
    delays its first wave counts as its own, and a layer inside of another saves that one cycles.
    The last layer has those behind its last wave as well.
    """
    found: dict[str, Counter[str]] = {}
    for program, cycles in zip(programs, turns, strict=True):
        for name, parts in _program(program, cycles, config):
            found.setdefault(name, Counter()).update(parts)
    return {name: {part: float(parts[part]) for part in PARTS} for name, parts in found.items()}


def _program(
    program: Program, cycles: ProgramCycles, config: OverlayConfig
) -> Iterator[tuple[str, Mapping[str, float]]]:
    macs = {entry.name: entry.macs for entry in program.manifest.layers if entry.kind == "conv"}
    convs = sorted((la for la in cycles.layers if la.name in macs), key=_first)
    done, latest = 0, None
    for layer in convs:
        ideal = macs[layer.name] / (config.lanes * config.rows * config.columns)
        parts = {
            "multipliers": ideal,
            "algorithms, edges": layer.compute - ideal,
            "weights": layer.load,
            **({"begin": _first(layer)} if latest is None else _gap(latest, layer)),
        }
        spent = max(done, _last(layer))
        parts["activations, room"] = spent - done - sum(parts.values())
        yield layer.name, parts
        done, latest = spent, layer if latest is None else max(latest, layer, key=_last)
    yield latest.name if latest else program.manifest.network, {"end": cycles.total - done}


def _gap(before: LayerCycles, layer: LayerCycles) -> dict[str, int]:
    """Between the last wave of all before and a layer's first; nothing where they interleave."""
    marks = [_last(before), min(before.end, layer.start), layer.start, _first(layer)]
    marks = [max(mark, _last(before)) for mark in marks]
    spans = [max(0, after - mark) for mark, after in pairwise(marks)]
    return dict(zip(("drain", "other engines", "fill"), spans, strict=True))


def _first(layer: LayerCycles) -> int:
    """The cycle of its first wave."""
    return layer.start + layer.fill


def _last(layer: LayerCycles) -> int:
    """The cycle behind its last wave."""
    return layer.end - layer.drain
