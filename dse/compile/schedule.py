"""The schedule: all instructions of a network in their natural order, with what they touch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dse.assembly.instruction import Action
from dse.assembly.program_error import ProgramError
from dse.compile.depthwise_ring import DepthwiseRing
from dse.compile.layer_emission import Emitter, LayerCost
from dse.compile.layers import ConvLayer, DepthwiseLayer, Layer, PoolLayer
from dse.compile.lifetime import output_times
from dse.compile.memory import Home, MemoryPlan
from dse.compile.movement import load, store
from dse.compile.stores import ALIGNMENT, Blob, ParameterRing
from dse.compile.strips import cuts
from dse.compile.table_ring import TableRing
from dse.compile.views import Layout
from dse.compile.weight_stream import stripes
from dse.network.graph import Network
from dse.passes.copies import Batch
from dse.tiling.layer_mapping import LayerMapping
from hw.isa import Base
from hw.isa.config import OverlayConfig, ceil_div

MAX_LAYERS = 1 << 16  # tags are layer numbers
INPUT_PIECES = 8


@dataclass(frozen=True)
class Schedule:
    """Actions in natural order, parameter records, weights by port, and the cost of each layer."""

    actions: tuple[Action, ...]
    parameters: bytes
    stripes: tuple[bytes, ...]
    costs: tuple[LayerCost, ...]


def schedule(
    batch: Batch,
    layers: Sequence[Layer],
    layout: Layout,
    plan: MemoryPlan,
    config: OverlayConfig,
    mapping: LayerMapping,
) -> Schedule:
    """Load, compute and store layer by layer; tags are layer numbers."""
    network = batch.network
    if len(layers) > MAX_LAYERS:
        raise ProgramError(f"{len(layers)} layers are too many: at most {MAX_LAYERS}")
    ring, parameters = ParameterRing(config.parameter_depth), Blob()
    weights = Blob(ALIGNMENT * config.weight_ports)
    tables, depthwise = TableRing(config, parameters), DepthwiseRing(config, parameters)
    emitter = Emitter(batch, layout, plan, config, ring, tables, depthwise, parameters, weights)
    actions: list[Action] = []
    costs: list[LayerCost] = []
    starts: list[int] = []  # of each layer, among the actions
    for time, layer in enumerate(layers):
        if isinstance(layer, ConvLayer):
            computed, cost = emitter.conv(time, layer, mapping.choice(layer.name))
        elif isinstance(layer, DepthwiseLayer):
            computed, cost = emitter.depthwise(time, layer)
        elif isinstance(layer, PoolLayer):
            computed, cost = emitter.pool(time, layer)
        else:
            computed, cost = emitter.combine(time, layer)
        emitted = [
            *_fed(list(_inputs(layout, plan, time)), computed),
            *_outputs(network, layers, layout, plan, time),
        ]
        starts.append(len(actions))
        tagged = [action.with_fields(tag=time) for action in emitted]
        if time in plan.woven:
            start = starts[plan.woven[time]]
            tagged = _woven(actions[start:], tagged)
            del actions[start:]
        actions += tagged
        costs.append(cost)
    if not layers:
        actions += [*_inputs(layout, plan, 0), *_outputs(network, layers, layout, plan, 0)]
    striped = stripes(weights.bytes(), config)
    return Schedule(tuple(actions), parameters.bytes(), striped, tuple(costs))


def _woven(actions: Sequence[Action], later: Sequence[Action]) -> list[Action]:
    """Each of the later ones as soon as no action behind it has to come first; in their order."""
    found, place = list(actions), 0
    for action in later:
        needs = (k for k in range(len(found), place, -1) if action.conflicts(found[k - 1]))
        place = next(needs, place)
        found.insert(place, action)
        place += 1
    return found


def _inputs(layout: Layout, plan: MemoryPlan, time: int) -> Iterator[Action]:
    """LOADs of the network's inputs that are used on chip from now on, in pieces of some rows.

    So a convolution in bands can start when the first piece is there.
    """
    for name, span in plan.inputs.items():
        buffer = layout.views[name].buffer
        if buffer not in plan.lifetimes:
            continue
        home = plan.homes[buffer]
        if home.base is None and plan.lifetimes[buffer].first == time:
            view = layout.views[name]
            for _, first, last in cuts(view.height, ceil_div(view.height, INPUT_PIECES)):
                start, size = first * view.row_pitch, (last - first) * view.row_pitch
                source = Home(Base.INPUT, span.offset + start)
                yield load(name, source, home.address + start, size)


def _fed(loads: Sequence[Action], computed: Sequence[Action]) -> Iterator[Action]:
    """The actions with each LOAD in front of the first one that needs it.

    The last one waits for rows that nobody reads, too: else another tensor could take their place
    before they come.
    """
    pending = list(loads)
    *before, last = computed
    for action in before:
        needed = [one for one in pending if action.conflicts(one)]
        pending = [one for one in pending if one not in needed]
        yield from (*needed, action)
    brought = tuple(region for one in pending for region in one.writes)
    yield from (*pending, replace(last, reads=(*last.reads, *brought)))


def _outputs(
    network: Network, layers: Sequence[Layer], layout: Layout, plan: MemoryPlan, time: int
) -> Iterator[Action]:
    """STOREs of the network's outputs that are complete now and still on chip."""
    for name, done in output_times(network, layers).items():
        view = layout.views[name]
        home = plan.homes[view.buffer]
        if home.base is None and done == time:
            span = plan.outputs[name]
            yield store(name, home.address + view.start, Home(Base.OUTPUT, span.offset), span.bytes)
