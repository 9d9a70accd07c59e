"""What each part of the design space is worth: ``python -m polymap.ablation [NETWORK ..]``.

Markdown tables of GoogLeNet and Inception-v4 on a U200: the best overlay, that of 92 x 66 PEs,
and the best without each of the choices, all by the closed form.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from boards.board import U200
from dse.mapping import Restriction
from dse.networks import benchmark
from dse.passes import Passes
from polymap.exploration import Exploration
from polymap.families import Space
from polymap.search import explore

NETWORKS = ("googlenet", "inception-v4")
DATAFLOWS = ("WS", "IS", "NS")
WORST = 3
"""Layers that are named, those that waste most cycles."""
HEADER = (
    *("variant", "ms", "array", "lanes, transforms", "DSP", "cycles", "utilisation", "array"),
    *("weights", "fill and drain", "pools and input", "worst layers (cycles, utilisation)"),
)


@dataclass(frozen=True)
class Variant:
    """A restricted exploration."""

    name: str
    array: tuple[int, int] | None = None
    space: Space = field(default_factory=Space)
    passes: Passes = field(default_factory=Passes)
    restriction: Restriction = field(default_factory=Restriction)


def variants() -> Iterator[Variant]:
    """The rows of the table."""
    yield Variant("everything")
    yield Variant("92 x 66, one lane", (92, 66), Space(lanes=(1,)))
    yield Variant("one lane", space=Space(lanes=(1,)))
    yield Variant("no Winograd", space=Space(winograd=("none",)))
    yield Variant("F(2,3) only", space=Space(winograd=("none", "f2")))
    for flow in DATAFLOWS:
        yield Variant(f"{flow} only", restriction=Restriction(dataflows=(flow,)))
    yield Variant("no folding", passes=Passes(fold=False))
    yield Variant("no merging", passes=Passes(merge=False))
    yield Variant("no space-to-depth", passes=Passes(space_to_depth=False))


def table(network: str) -> str:
    """The Markdown table of one network."""
    lines = ["| " + " | ".join(HEADER) + " |", "|---" * len(HEADER) + "|"]
    workload = benchmark(network).without_dense()
    with ThreadPoolExecutor() as pool:
        for variant in variants():
            found = explore(
                workload,
                U200,
                array=variant.array,
                restriction=variant.restriction,
                space=variant.space,
                passes=variant.passes,
                executor=pool,
            )
            lines.append("| " + " | ".join(_cells(variant.name, found)) + " |")
    return "\n".join(lines)


def _cells(name: str, found: Exploration) -> list[str]:
    mapping = found.mapping
    parts = {
        part: sum(layer.split[part] for layer in mapping.layers) / mapping.cycles
        for part in ("array", "load", "fill", "drain")
    }
    peak = mapping.peak_macs
    waste = sorted(mapping.layers, key=lambda layer: layer.macs / peak - layer.compute)
    worst = (f"{la.name} ({la.compute:,.0f}, {la.utilisation:.0%})" for la in waste[:WORST])
    return [
        name,
        f"{mapping.latency_ms:.3f}",
        f"{mapping.rows} x {mapping.columns}",
        f"{found.lanes}, {found.winograd}",
        f"{mapping.dsp:,}",
        f"{mapping.cycles:,.0f}",
        f"{mapping.utilisation:.1%}",
        f"{parts['array']:.1%}",
        f"{parts['load']:.1%}",
        f"{parts['fill'] + parts['drain']:.1%}",
        f"{mapping.transfer / mapping.cycles:.1%}",
        ", ".join(worst),
    ]


def main(*networks: str) -> None:
    """Print the tables."""
    print(
        f"{U200.name.upper()}, {U200.clock_hz / 1e6:.0f} MHz, at most {U200.dsp:,} DSPs, closed "
        "form. Shares are of the cycles: the array at work, waiting for weights, filling and "
        "draining, poolings and input that nothing hides.\n"
    )
    for network in networks or NETWORKS:
        print(f"**{network}**\n\n{table(network)}\n", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
