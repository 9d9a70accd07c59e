"""The programs of a network in segments: one for each time that the overlay runs for an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dse.assembly.program import Program
from dse.assembly.program_error import ProgramError
from dse.compile.compiler import compile_network
from dse.network.graph import Network
from dse.network.segments import segments
from dse.tiling.layer_mapping import Choice, LayerMapping
from hw.isa.config import OverlayConfig


def compile_segments(
    network: Network,
    config: OverlayConfig,
    mapping: LayerMapping | None = None,
    batch: int = 1,
) -> tuple[Program, ...]:
    """The programs that execute a network, between which the host works.

    A mapping is of the whole network; ``batch``: images of a run.  ProgramError and NetworkError
    as of ``compile_network``.
    """
    mapping = mapping or LayerMapping()
    parts = segments(network)
    if len(parts) > 1:
        mapping.check(_names(network, mapping))
        members = {name for group in mapping.merge for name in group} | {*mapping.apart}
        if unknown := sorted(members - {conv.name for conv in network.convolutions()}):
            raise ProgramError(f"mapping: no convolution named {', '.join(map(repr, unknown))}")
    return tuple(
        compile_network(part, config, mapping if len(parts) == 1 else _share(part, mapping), batch)
        for part in parts
    )


def _names(network: Network, mapping: LayerMapping) -> list[str]:
    """The layers of a mapping: those that it merges have a name of all of a group."""
    merged = ["+".join(group) for group in mapping.merge]
    return [*(conv.name for conv in network.convolutions()), *merged]


def _share(part: Network, mapping: LayerMapping) -> LayerMapping:
    """What a mapping says of a segment."""
    names = {conv.name for conv in part.convolutions()}
    groups = tuple(group for group in mapping.merge if names.issuperset(group))
    names.update("+".join(group) for group in groups)
    layers: Mapping[str, Choice] = {n: c for n, c in mapping.layers.items() if n in names}
    apart = tuple(name for name in mapping.apart if name in names)
    return replace(mapping, layers=layers, merge=groups, apart=apart)
