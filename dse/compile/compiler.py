"""The compiler: from the network IR to a program, pass by pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import permutations

from dse.assembly.instruction import Instruction, make, seal
from dse.assembly.program import Program
from dse.compile.bands import Bands, chains, find_bands
from dse.compile.beside import beside
from dse.compile.dependencies import assign_tokens, verify_tokens
from dse.compile.describe import Compiled, describe
from dse.compile.entries import without_host
from dse.compile.layers import Layer
from dse.compile.lifetime import lifetimes, waited_for
from dse.compile.memory import MemoryPlan, plan_memory, room
from dse.compile.prefetch import prefetch
from dse.compile.residual import fuse, insert_identities
from dse.compile.schedule import schedule
from dse.compile.transform import transform
from dse.compile.turns import orders
from dse.compile.views import Layout, lay_out
from dse.network.batches import joint
from dse.network.graph import Network, NetworkError
from dse.network.prune import prune
from dse.network.segments import segments
from dse.passes.concat import insert_copies
from dse.passes.copies import batched, copies
from dse.passes.layer_shapes import layer_shapes
from dse.tiling.layer_mapping import LayerMapping
from dse.tiling.legality import against_depthwise
from hw.isa import Opcode
from hw.isa.config import ISA_VERSION, OverlayConfig


def compile_network(
    network: Network,
    config: OverlayConfig,
    mapping: LayerMapping | None = None,
    batch: int = 1,
) -> Program:
    """Compile a network for an overlay; ProgramError says what does not fit and why.

    ``batch``: images that a run computes, see ``dse.passes.copies``.

    NetworkError of an outline: it has no numbers.
    """
    network.require_numbers()
    if network.arrivals:
        raise NetworkError(f"network {network.name!r} is of segments, which compile one by one")
    mapping = mapping or LayerMapping()
    network = prune(network)
    own, rearranged = without_host(transform(network, mapping))
    own_adds = insert_identities(own)
    whole = batched(own_adds, batch)
    single, lowered = (
        insert_copies(one, mapping.concat_in_place) for one in (own_adds, whole.network)
    )
    whole = replace(whole, network=lowered)
    beside_array = beside(single, lay_out(single), config, mapping)
    own_mapping, mapping = mapping, replace(mapping, layers=whole.copied(mapping.layers))
    layout = lay_out(lowered)
    ordered = orders(single, whole, beside_array, config, own_mapping)
    layers, plan = _planned(lowered, ordered, layout, config, mapping)
    scheduled = schedule(whole, layers, layout, plan, config, mapping)
    actions = assign_tokens(prefetch(scheduled.actions))
    entries = {one.output: one for op in rearranged.values() for one in copies(op, batch)}
    single_macs = {conv.name: own.conv_shape(conv).macs for conv in own.convolutions()}
    macs = whole.copied(single_macs)
    macs |= {joint(name): batch * single_macs[name] for name in whole.shared}
    compiled = Compiled(lowered, layers, layout, plan, actions, scheduled, entries, macs, batch)
    manifest = describe(compiled, config, mapping)
    begin = {
        "isa_version": ISA_VERSION,
        "configuration": config.hash,
        "instructions": manifest.instructions,
    }
    instructions = seal(
        (
            make(Opcode.BEGIN, network.name, begin),
            *(action.instruction for action in actions),
            Instruction(Opcode.END, {}),
        )
    )
    verify_tokens(instructions, config)
    return Program(instructions, compiled.weights, manifest)


def whole_memory(network: Network, depthwise: bool = False) -> int:
    """The least tensor memory in which all activations of a network find room.

    Layers follow each other in their own order; poolings run beside their neighbours, and with
    ``depthwise`` so do all convolutions that can.  Of a network in segments: of the largest.
    """
    parts = segments(network)
    if len(parts) > 1:
        return max(whole_memory(part, depthwise) for part in parts)
    lowered = insert_copies(insert_identities(without_host(prune(network))[0]))
    able = {name for name, conv in layer_shapes(lowered).items() if not against_depthwise(conv)}
    layers, layout = fuse(lowered, able if depthwise else ()), lay_out(lowered)
    together = waited_for(lowered, layers)
    for conv, pools in chains(lowered, layers):
        together += permutations((conv, *pools), 2)
    return room(lifetimes(lowered, layers, layout, together), layout)


def _planned(
    network: Network,
    ordered: Iterable[tuple[Layer, ...]],
    layout: Layout,
    config: OverlayConfig,
    mapping: LayerMapping,
) -> tuple[tuple[Layer, ...], MemoryPlan]:
    """The layers with their memory plan, in the order that keeps most on chip and side by side."""
    plans = []
    for layers in ordered:
        for bands in _offers(network, layers, layout, config, mapping):
            plan = plan_memory(network, layers, layout, config, bands)
            if not plan.moved and plan.beside == (bands is not None):
                return layers, plan
            plans.append((layers, plan))
    return min(plans, key=lambda one: (one[1].moved, not one[1].beside))


def _offers(
    network: Network,
    layers: tuple[Layer, ...],
    layout: Layout,
    config: OverlayConfig,
    mapping: LayerMapping,
) -> Iterator[tuple[Bands, ...] | None]:
    """Bands of chains of poolings, and if there are such, those that hold less at a time."""
    if config.tensor_copies == 1:
        yield None
        return
    found = find_bands(network, layers, layout, config, mapping)
    yield found
    if any(len(bands.pools) > 1 for bands in found):
        yield find_bands(network, layers, layout, config, mapping, poolings=1)
