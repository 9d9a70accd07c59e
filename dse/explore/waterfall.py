"""Where a compiled network's cycles go: from what its multiply-accumulates take to the total."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
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


def waterfall(
    programs: Sequence[Program], turns: Sequence[ProgramCycles], config: OverlayConfig
) -> dict[str, float]:
    """Cycles by part, all of ``PARTS``: exact, and in sum those of all programs."""
    found: Counter[str] = Counter(dict.fromkeys(PARTS, 0))
    for program, cycles in zip(programs, turns, strict=True):
        found.update(_program(program, cycles, config))
    return {name: float(found[name]) for name in PARTS}


def _program(program: Program, cycles: ProgramCycles, config: OverlayConfig) -> Counter[str]:
    macs = {entry.name: entry.macs for entry in program.manifest.layers if entry.kind == "conv"}
    convs = sorted((la for la in cycles.layers if la.name in macs), key=_first)
    waves = sum(layer.compute for layer in convs)
    ideal = sum(macs.values()) / (config.lanes * config.rows * config.columns)
    parts: Counter[str] = Counter(
        {
            "multipliers": ideal,
            "algorithms, edges": waves - ideal,
            "weights": sum(layer.load for layer in convs),
        }
    )
    if not convs:
        parts["end"] = cycles.total
        return parts
    parts["begin"] = _first(convs[0])
    latest = convs[0]
    for layer in convs[1:]:
        parts.update(_gap(latest, layer))
        latest = max(latest, layer, key=_last)
    parts["end"] = cycles.total - _last(latest)
    parts["activations, room"] = cycles.total - sum(parts.values())
    return parts


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
