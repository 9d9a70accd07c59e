"""Memories that a network asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dse.assembly.program import Program
from dse.compile.segmented import compile_segments
from dse.explore.needs import needs
from dse.network.graph import Network
from dse.onnx.importer import Imported
from dse.tiling.layer_mapping import LayerMapping
from hw.isa import Opcode
from hw.isa.config import OverlayConfig, power_of_two

LARGEST_TENSOR_MEMORY = 1 << 25  # bytes; a U200 has room for that in UltraRAM
LARGEST_WEIGHT_BUFFER = 1 << 15  # words


def with_tensors(
    network: Network,
    config: OverlayConfig,
    mapping: LayerMapping | None = None,
    batch: int = 1,
) -> tuple[OverlayConfig, tuple[Program, ...]]:
    """The configuration with tensor memory for all activations of a network, and its programs."""
    ample = replace(config, tensor_bytes=max(config.tensor_bytes, LARGEST_TENSOR_MEMORY))
    used = _tensor_bytes(compile_segments(network, ample, mapping, batch))
    fitting = replace(config, tensor_bytes=max(config.tensor_bytes, used))
    return fitting, compile_segments(network, fitting, mapping, batch)


def _tensor_bytes(programs: Sequence[Program]) -> int:
    return power_of_two(max(program.manifest.tensor_bytes_used for program in programs))


def fit(
    model: Imported,
    config: OverlayConfig,
    mapping: LayerMapping | None = None,
    batch: int = 1,
) -> OverlayConfig:
    """The configuration with its memories enlarged to what the network needs.

    The tensor memory then holds all activations that are alive, of a run of ``batch`` images, and
    the weight buffer every segment that would be streamed again, each up to its largest size.
    Nothing shrinks, so that usual networks share one overlay. What few networks need of the pooling
    engine is there if this one does.
    """
    asked = needs(model.network)
    config = replace(
        config,
        pairs=max(config.pairs, asked.pairs),
        normalisation=max(config.normalisation, asked.normalisation),
        depthwise=max(config.depthwise, asked.depthwise),
    )
    ample = replace(config, tensor_bytes=max(config.tensor_bytes, LARGEST_TENSOR_MEMORY))
    programs = compile_segments(model.network, ample, mapping, batch)
    again = [
        instruction.field("segment_words")
        for program in programs
        for instruction in program.instructions
        if instruction.opcode is Opcode.WEIGHTS and instruction.field("repeats") > 1
    ]
    buffers = [power_of_two(words) for words in again if words <= LARGEST_WEIGHT_BUFFER]
    return replace(
        config,
        tensor_bytes=max(config.tensor_bytes, _tensor_bytes(programs)),
        weight_words=max([config.weight_words, *buffers]),
    )
