"""The manifest of a compiled program."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from dse.assembly.instruction import Action
from dse.assembly.manifest import (
    MANIFEST_VERSION,
    HostTensor,
    LayerEntry,
    LayerKind,
    Manifest,
    Memory,
    TensorPlace,
)
from dse.compile.layers import ConvLayer, DepthwiseLayer, Layer, PairLayer, PoolLayer
from dse.compile.lifetime import completions
from dse.compile.limit import cycle_limit
from dse.compile.memory import HostSpan, MemoryPlan
from dse.compile.schedule import Schedule
from dse.compile.views import Layout
from dse.network.graph import Network, SpaceToDepth
from dse.tiling.layer_mapping import LayerMapping
from hw.isa import Base, Opcode
from hw.isa.config import ISA_VERSION, OverlayConfig

FIRST_ACTION = 1  # number of the first instruction after BEGIN

MEMORY_NAMES: Mapping[Base | None, Memory] = {
    None: "tensor",
    Base.INPUT: "input",
    Base.OUTPUT: "output",
}


@dataclass(frozen=True)
class Compiled:
    """All that the passes found out about a network.

    ``actions``: of the program, with tokens.  ``entries``: what the host rearranges, by tensor.
    ``macs``: useful ones, by layer.  ``images``: of a run.
    """

    network: Network
    layers: Sequence[Layer]
    layout: Layout
    plan: MemoryPlan
    actions: Sequence[Action]
    scheduled: Schedule
    entries: Mapping[str, SpaceToDepth]
    macs: Mapping[str, int]
    images: int

    @cached_property
    def weights(self) -> bytes:
        """weights.bin."""
        return self.scheduled.parameters + b"".join(self.scheduled.stripes)


def describe(compiled: Compiled, config: OverlayConfig, mapping: LayerMapping) -> Manifest:
    """What manifest.json says."""
    network, plan = compiled.network, compiled.plan
    return Manifest(
        version=MANIFEST_VERSION,
        network=network.name,
        isa_version=ISA_VERSION,
        configuration_hash=config.hash,
        configuration=config.to_json(),
        sha256={
            "model": network.source_sha256,
            "configuration": _sha256(config.to_json()),
            "mapping": _sha256(mapping.to_json()),
        },
        instructions=len(compiled.actions) + FIRST_ACTION + 1,
        parameter_bytes=len(compiled.scheduled.parameters),
        weights_bytes=len(compiled.weights),
        weights_crc32=zlib.crc32(compiled.weights),
        input_bytes=plan.input_bytes,
        output_bytes=plan.output_bytes,
        cycle_limit=cycle_limit(
            (action.instruction for action in compiled.actions), compiled.scheduled.costs, config
        ),
        tensor_bytes_used=plan.peak,
        inputs=tuple(_input(compiled, name, span) for name, span in plan.inputs.items()),
        outputs=tuple(_host(network, name, span) for name, span in plan.outputs.items()),
        layers=tuple(_layers(compiled)),
        tensors=tuple(_tensors(compiled)),
        images=compiled.images,
    )


def _input(compiled: Compiled, name: str, span: HostSpan) -> HostTensor:
    found = _host(compiled.network, name, span)
    op = compiled.entries.get(name)
    if op is None:
        return found
    return replace(
        found, name=op.input, shape=compiled.network.tensors[op.input].shape, block=op.block
    )


def _host(network: Network, name: str, span: HostSpan) -> HostTensor:
    tensor = network.tensors[name]
    scale, zero_point = tensor.scale, tensor.zero_point
    return HostTensor(name, span.offset, tensor.shape, scale, zero_point)


def _layers(compiled: Compiled) -> Iterator[LayerEntry]:
    for tag, (layer, cost) in enumerate(
        zip(compiled.layers, compiled.scheduled.costs, strict=True)
    ):
        convolution = isinstance(layer, ConvLayer)
        yield LayerEntry(
            tag=tag,
            name=layer.name,
            kind=_kind(layer),
            output=layer.output,
            fused=layer.add.name if isinstance(layer, ConvLayer) and layer.add else "",
            algorithm=cost.algorithm if convolution else "",
            dataflow=cost.dataflow,
            macs=compiled.macs.get(layer.name, 0),
            cycles=cost.cycles,
            weight_beats=cost.weight_beats,
            tile=cost.tile,
        )


def _kind(layer: Layer) -> LayerKind:
    match layer:
        case ConvLayer():
            return "conv"
        case DepthwiseLayer():
            return "depthwise"
        case PairLayer(combine=combine):
            return "product" if combine.combination == "product" else "combine"
        case PoolLayer(pool=pool):
            return pool.kind


def _tensors(compiled: Compiled) -> Iterator[TensorPlace]:
    """Places of all tensors that are written as such: fused results are not."""
    plan, last = compiled.plan, _last_numbers(compiled.actions)
    for name, tags in completions(compiled.network, compiled.layers).items():
        view = compiled.layout.views[name]
        if view.buffer not in plan.homes:
            continue
        home, lifetime = plan.homes[view.buffer], plan.lifetimes[view.buffer]
        opcodes = (Opcode.CONV, Opcode.POOL) if home.base is None else (Opcode.STORE,)
        numbers = {
            opcode: max((last[tag, opcode] for tag in tags if (tag, opcode) in last), default=-1)
            for opcode in opcodes
        }
        complete = [number for number in numbers.values() if number >= 0]
        if not tags and home.base is None:
            complete = [_load_number(compiled, view.buffer)]
        yield TensorPlace(
            name=name,
            shape=(view.height, view.width, view.channels),
            memory=MEMORY_NAMES[home.base],
            address=home.address + view.start + view.channel,
            pitch=view.pitch,
            lifetime=(lifetime.first, lifetime.last),
            complete_after=tuple(sorted(complete)),
            tags=tuple(sorted(tags)),
            gap=view.gap,
        )


def _last_numbers(actions: Sequence[Action]) -> dict[tuple[int, Opcode], int]:
    """The number of the last instruction of each layer and opcode."""
    return {
        (action.instruction.field("tag"), action.instruction.opcode): number
        for number, action in enumerate(actions, FIRST_ACTION)
    }


def _load_number(compiled: Compiled, buffer: str) -> int:
    """The number of the LOAD that brings the last piece of an input."""
    return max(
        number
        for number, action in enumerate(compiled.actions, FIRST_ACTION)
        if action.instruction.opcode is Opcode.LOAD
        and action.layer == buffer
        and action.instruction.field("base") == Base.INPUT
    )


def _sha256(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
