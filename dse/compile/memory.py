"""The memory plan: which buffers stay on chip and where, which live in DRAM, and the strips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations

from dse.assembly.program_error import ProgramError
from dse.compile.allocate import Demand, allocate, gaps
from dse.compile.bands import Bands
from dse.compile.layers import Layer
from dse.compile.lifetime import Lifetime, lifetimes, waited_for
from dse.compile.strips import StripPlan, plan_strips, strip_bytes
from dse.compile.views import Layout
from dse.network.graph import Network
from hw.isa import Base
from hw.isa.config import OverlayConfig, power_of_two

DRAM_ALIGNMENT = 128
LINGERING = (2, 1, 0)
"""Layers for which a place stays free behind its last reader: what there is room for."""


@dataclass(frozen=True)
class Home:
    """Where a buffer lives: an address on chip (``base`` None), or an offset in DRAM."""

    base: Base | None
    address: int


@dataclass(frozen=True)
class HostSpan:
    """A tensor of the host's: an offset from the base INPUT or OUTPUT."""

    offset: int
    bytes: int


@dataclass(frozen=True)
class MemoryPlan:
    """Everything that has an address.

    ``homes`` and ``lifetimes``: by buffer.  ``strips``: by layer number, for those that are cut.
    ``inputs``/``outputs``: by tensor.  ``input_bytes``/``output_bytes``: what INPUT and OUTPUT
    must offer, the latter with the buffers in DRAM.  ``peak``: bytes of tensor memory in use.
    ``beside``: whether poolings may run beside convolutions.  ``woven``: of a pooling between
    whose bands another one's stand, by that one's number.
    """

    homes: Mapping[str, Home]
    lifetimes: Mapping[str, Lifetime]
    strips: Mapping[int, StripPlan]
    inputs: Mapping[str, HostSpan]
    outputs: Mapping[str, HostSpan]
    input_bytes: int
    output_bytes: int
    peak: int
    beside: bool
    woven: Mapping[int, int]

    @property
    def moved(self) -> int:
        """Buffers that live in DRAM."""
        return sum(home.base is not None for home in self.homes.values())


def plan_memory(
    network: Network,
    layers: Sequence[Layer],
    layout: Layout,
    config: OverlayConfig,
    bands: Sequence[Bands] | None = None,
) -> MemoryPlan:
    """Keep all buffers on chip if they fit, else move the largest at the worst time to DRAM.

    ``bands``: poolings run beside convolutions, and some of both in bands; not so if any buffer had
    to move.  None: one layer after the other.
    """
    beside = [] if bands is None else waited_for(network, layers)
    for pair in bands or ():
        beside += permutations((pair.conv, *pair.pools), 2)
    live = lifetimes(network, layers, layout, beside)
    sources, results = (
        {layout.views[name].buffer for name in names} for names in (network.inputs, network.outputs)
    )
    spilled: frozenset[str] = frozenset()
    while True:
        demands = _demands(layers, layout, live, spilled)
        placed = _placed(demands, config.tensor_bytes)
        if placed is not None:
            break
        if bands is not None:
            return plan_memory(network, layers, layout, config)
        spilled |= {_victim(demands, live, sources & results, layers, config)}
    strips = {
        time: StripPlan.of_bands(ends) for pair in bands or () for time, ends in pair.ends.items()
    }
    strips |= {
        time: _strips(layer, time, layout, spilled, demands, placed, config)
        for time, layer in enumerate(layers)
        if strip_bytes(layer, layout, spilled, 1)
    }
    inputs, input_bytes = _stack({name: network.tensors[name].size for name in network.inputs})
    homes, outputs, output_bytes = _dram(network, layout, live, spilled, inputs)
    homes |= {name: Home(None, placed[name]) for name in live if name not in spilled}
    peak = max((placed[name] + demand.bytes for name, demand in demands.items()), default=0)
    return MemoryPlan(
        homes,
        live,
        strips,
        inputs,
        outputs,
        input_bytes,
        output_bytes,
        peak,
        bands is not None,
        {later: pool for pair in bands or () for pool, later in pairwise(pair.pools)},
    )


def _placed(demands: Mapping[str, Demand], capacity: int) -> dict[str, int] | None:
    """Addresses; where there is room, a place stays free for some layers behind its last reader.

    Otherwise the next writer of the place waits for that reader, which may be a transfer or a
    pooling that the array has left behind.
    """
    for layers in LINGERING:
        longer = {
            name: Demand(one.bytes, Lifetime(one.lifetime.first, one.lifetime.last + layers))
            for name, one in demands.items()
        }
        if (placed := allocate(longer, capacity)) is not None:
            return placed
    return None


def room(live: Mapping[str, Lifetime], layout: Layout) -> int:
    """The least power of two of bytes in which all buffers find their places."""
    demands = {name: Demand(layout.buffers[name], lifetime) for name, lifetime in live.items()}
    capacity = power_of_two(max((demand.bytes for demand in demands.values()), default=1))
    while allocate(demands, capacity) is None:
        capacity *= 2
    return capacity


def _demands(
    layers: Sequence[Layer],
    layout: Layout,
    live: Mapping[str, Lifetime],
    spilled: frozenset[str],
) -> dict[str, Demand]:
    """On-chip buffers, and the least strip buffers of each layer that touches DRAM."""
    demands = {
        name: Demand(layout.buffers[name], lifetime)
        for name, lifetime in live.items()
        if name not in spilled
    }
    for time, layer in enumerate(layers):
        need = sum(strip_bytes(layer, layout, spilled, 1).values())
        if need:
            demands[_workspace(time)] = Demand(need, Lifetime(time, time))
    return demands


def _victim(
    demands: Mapping[str, Demand],
    live: Mapping[str, Lifetime],
    fixed: set[str],
    layers: Sequence[Layer],
    config: OverlayConfig,
) -> str:
    """The largest buffer on chip at the time that asks for most, or an error if there is none."""

    def total(time: int) -> int:
        now = Lifetime(time, time)
        return sum(d.bytes for d in demands.values() if d.lifetime.meets(now))

    for time in sorted(range(max(len(layers), 1)), key=total, reverse=True):
        now = Lifetime(time, time)
        candidates = [
            name
            for name, demand in demands.items()
            if name in live and name not in fixed and demand.lifetime.meets(now)
        ]
        if candidates:
            return max(candidates, key=lambda name: demands[name].bytes)
        if total(time) > config.tensor_bytes:
            where = f"layer {layers[time].name!r}" if layers else "the network"
            raise ProgramError(
                f"{where} needs at least {total(time)} bytes of tensor memory for strips of a "
                f"single row, the overlay has {config.tensor_bytes}: raise tensor_bytes"
            )
    raise ProgramError(
        f"the network does not fit the tensor memory of {config.tensor_bytes} bytes: "
        "raise tensor_bytes"
    )


def _strips(
    layer: Layer,
    time: int,
    layout: Layout,
    spilled: frozenset[str],
    demands: Mapping[str, Demand],
    placed: Mapping[str, int],
    config: OverlayConfig,
) -> StripPlan:
    """Let the strips of a layer grow into the largest free range at their time."""
    others = {name: start for name, start in placed.items() if name != _workspace(time)}
    free = gaps(demands, others, time, config.tensor_bytes)
    return plan_strips(layer, layout, spilled, max(free, key=lambda gap: gap[1] - gap[0]))


def _dram(
    network: Network,
    layout: Layout,
    live: Mapping[str, Lifetime],
    spilled: frozenset[str],
    inputs: Mapping[str, HostSpan],
) -> tuple[dict[str, Home], dict[str, HostSpan], int]:
    """Homes of the buffers in DRAM and spans of the outputs, which come first."""
    stored = dict.fromkeys(network.outputs)
    roots = {name: layout.views[name].buffer for name in stored}
    sizes = {
        f"output {name}" if root not in spilled else root: (
            network.tensors[name].size if root not in spilled else layout.buffers[root]
        )
        for name, root in roots.items()
    }
    sources = {layout.views[name].buffer: span for name, span in inputs.items()}
    sizes |= {name: layout.buffers[name] for name in live if name in spilled - set(sources)}
    spans, total = _stack(sizes)
    homes = {
        name: Home(Base.INPUT, sources[name].offset)
        if name in sources
        else Home(Base.OUTPUT, spans[name].offset)
        for name in spilled
    }
    outputs = {}
    for name, root in roots.items():
        if root in spilled:
            start = homes[root].address + layout.views[name].start
        else:
            start = spans[f"output {name}"].offset
        outputs[name] = HostSpan(start, network.tensors[name].size)
    return homes, outputs, total


def _stack(sizes: Mapping[str, int]) -> tuple[dict[str, HostSpan], int]:
    spans, position = {}, 0
    for name, size in sizes.items():
        spans[name] = HostSpan(position, size)
        position += -(-size // DRAM_ALIGNMENT) * DRAM_ALIGNMENT
    return spans, position


def _workspace(time: int) -> str:
    return f"strips of layer {time}"
