"""What each part of the design space is worth: ``python -m benchmarks.ablation [NETWORK ..]``.

Markdown tables of GoogLeNet and Inception-v4 on a U200: the best overlay, that of 92 x 66 PEs,
and the best without each of the choices: chosen by the closed form, then compiled (with random
weights of the network's shapes) for the exact cycles of the whole program.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from boards.board import U200
from dse.cost.clock import clock
from dse.explore.exploration import Exploration
from dse.explore.families import Space
from dse.explore.search import explore, predict
from dse.mapping import Restriction
from dse.mapping.sweep import processes
from dse.network.prune import without_dense
from dse.networks.catalogue import benchmark
from dse.passes import Passes
from dse.process import interrupt

NETWORKS = ("googlenet", "inception-v4")
DATAFLOWS = ("WS", "IS", "NS")
WORST = 3
"""Layers that are named, those that waste most cycles."""
HEADER = (
    *("variant", "ms exact", "ms closed form", "array", "lanes, transforms", "DSP", "utilisation"),
    "array at work",
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
    yield Variant("no copies", passes=Passes(apart=False))
    yield Variant("pooling behind concat", passes=Passes(pool_parts=False))
    yield Variant("no space-to-depth", passes=Passes(space_to_depth=False))


def table(network: str) -> str:
    """The Markdown table of one network."""
    lines = ["| " + " | ".join(HEADER) + " |", "|---" * len(HEADER) + "|"]
    outline = without_dense(benchmark(network))
    with processes() as pool:
        for variant in variants():
            found = explore(
                outline,
                U200,
                array=variant.array,
                restriction=variant.restriction,
                space=variant.space,
                passes=variant.passes,
                executor=pool,
            )
            found = predict(found, outline)
            lines.append("| " + " | ".join(cells_of(variant.name, found)) + " |")
    return "\n".join(lines)


def cells_of(name: str, found: Exploration) -> list[str]:
    """A row, by ``HEADER``; of a compiled exploration."""
    mapping = found.mapping
    parts = {
        part: sum(layer.split[part] for layer in mapping.layers) / mapping.cycles
        for part in ("array", "load", "fill", "drain")
    }
    peak = mapping.peak_macs
    waste = sorted(mapping.layers, key=lambda layer: layer.macs / peak - layer.compute)
    worst = (f"{la.name} ({la.compute:,.0f}, {la.utilisation:.0%})" for la in waste[:WORST])
    assert found.execution is not None
    return [
        name,
        f"{found.execution.cycles.total / mapping.clock_hz * 1e3:.3f}",
        f"{mapping.latency_ms:.3f}",
        f"{mapping.rows} x {mapping.columns}",
        f"{found.lanes}, {found.winograd}",
        f"{mapping.dsp:,}",
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
        f"{U200.name.upper()}, {clock(U200.clock_hz, U200.clock_standing)}, the bare device of "
        f"{U200.dsp:,} DSPs. "
        "Shares are of the closed form's cycles: the array at work, waiting for weights, filling "
        "and draining, poolings and input that nothing hides.\n"
    )
    for network in networks or NETWORKS:
        print(f"**{network}**\n\n{table(network)}\n", flush=True)


if __name__ == "__main__":
    sys.exit(interrupt.command(lambda: main(*sys.argv[1:]), "ablation"))
