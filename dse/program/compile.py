"""The compiler: from the network IR to a program, pass by pass."""

from __future__ import annotations

from dse.network.graph import Network, verify
from dse.program.concat import insert_copies
from dse.program.describe import Compiled, describe
from dse.program.instruction import Instruction, make
from dse.program.mapping import LayerMapping
from dse.program.memory import plan_memory
from dse.program.prefetch import prefetch
from dse.program.program import Program
from dse.program.prune import prune
from dse.program.residual import fuse, insert_identities
from dse.program.schedule import schedule
from dse.program.tokens import assign_tokens, verify_tokens
from dse.program.views import lay_out
from hw.config import ISA_VERSION, OverlayConfig
from hw.isa import Opcode


def compile_network(
    network: Network, config: OverlayConfig, mapping: LayerMapping | None = None
) -> Program:
    """Compile a network for an overlay; ProgramError says what does not fit and why."""
    mapping = mapping or LayerMapping()
    mapping.check(conv.name for conv in network.convolutions())
    lowered = insert_copies(insert_identities(prune(network)))
    verify(lowered)
    layers = fuse(lowered)
    layout = lay_out(lowered)
    plan = plan_memory(lowered, layers, layout, config)
    scheduled = schedule(lowered, layers, layout, plan, config, mapping)
    actions = assign_tokens(prefetch(scheduled.actions))
    weights = scheduled.weights
    compiled = Compiled(lowered, layers, layout, plan, actions, scheduled.costs, weights)
    manifest = describe(compiled, config, mapping)
    begin = {
        "isa_version": ISA_VERSION,
        "configuration": config.hash,
        "instructions": manifest.instructions,
    }
    instructions = (
        make(Opcode.BEGIN, network.name, begin),
        *(action.instruction for action in actions),
        Instruction(Opcode.END, {}),
    )
    verify_tokens(instructions, config)
    return Program(instructions, weights, manifest)
