"""The compiler: from the network IR to a program, pass by pass."""

from __future__ import annotations

from dse.assembly.instruction import Instruction, make, seal
from dse.assembly.program import Program
from dse.compile.bands import find_bands, pairs
from dse.compile.dependencies import assign_tokens, verify_tokens
from dse.compile.describe import Compiled, describe
from dse.compile.entries import without_host
from dse.compile.layers import Layer
from dse.compile.lifetime import lifetimes, waited_for
from dse.compile.memory import MemoryPlan, plan_memory, room
from dse.compile.order import interleave
from dse.compile.prefetch import prefetch
from dse.compile.residual import fuse, insert_identities
from dse.compile.schedule import schedule
from dse.compile.transform import transform
from dse.compile.views import Layout, lay_out
from dse.network.graph import Network, NetworkError
from dse.network.prune import prune
from dse.passes.concat import insert_copies
from dse.tiling.layer_mapping import LayerMapping
from hw.isa import Opcode
from hw.isa.config import ISA_VERSION, OverlayConfig


def compile_network(
    network: Network, config: OverlayConfig, mapping: LayerMapping | None = None
) -> Program:
    """Compile a network for an overlay; ProgramError says what does not fit and why.

    NetworkError of an outline: it has no numbers.
    """
    network.require_numbers()
    if network.arrivals:
        raise NetworkError(f"network {network.name!r} is of segments, which compile one by one")
    mapping = mapping or LayerMapping()
    network = prune(network)
    own, entries = without_host(transform(network, mapping))
    lowered = insert_copies(insert_identities(own), mapping.concat_in_place)
    layout = lay_out(lowered)
    layers, plan = _ordered(lowered, layout, config, mapping)
    scheduled = schedule(lowered, layers, layout, plan, config, mapping)
    actions = assign_tokens(prefetch(scheduled.actions))
    macs = {conv.name: own.conv_shape(conv).macs for conv in own.convolutions()}
    compiled = Compiled(lowered, layers, layout, plan, actions, scheduled, entries, macs)
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


def whole_memory(network: Network) -> int:
    """The least tensor memory in which all activations of a network find room.

    Layers follow each other in their own order; poolings run beside their neighbours.
    """
    lowered = insert_copies(insert_identities(without_host(prune(network))[0]))
    layers, layout = fuse(lowered), lay_out(lowered)
    beside = waited_for(lowered, layers)
    for conv, _, pool, _ in pairs(lowered, layers):
        beside += [(conv, pool), (pool, conv)]
    return room(lifetimes(lowered, layers, layout, beside), layout)


def _ordered(
    network: Network, layout: Layout, config: OverlayConfig, mapping: LayerMapping
) -> tuple[tuple[Layer, ...], MemoryPlan]:
    """The layers interleaved, with their memory plan; as they are if that keeps more on chip.

    With one copy of the tensor memory poolings would take the feeder's turns: nothing to gain.
    """
    natural = fuse(network)
    if config.tensor_copies == 1:
        return natural, plan_memory(network, natural, layout, config)
    plans = []
    for layers in (interleave(network, natural, config), natural):
        bands = find_bands(network, layers, layout, config, mapping)
        plans.append((layers, plan_memory(network, layers, layout, config, bands)))
    return min(plans, key=lambda one: one[1].moved)
