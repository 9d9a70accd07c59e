"""LOAD and STORE: the host's tensors, parameter records, and the strips of tensors in DRAM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dse.assembly.instruction import Action, make
from dse.assembly.region import Memory, Region
from dse.compile.layers import Layer, Role
from dse.compile.memory import Home, MemoryPlan
from dse.compile.strips import Rows, source_rows
from dse.compile.views import Layout, View
from hw.isa import Base, MemorySpace, Opcode
from hw.isa.config import PARAMETER_BYTES


@dataclass(frozen=True)
class StripMove:
    """One strip of a layer: where its tensors' rows are, and what brings and takes them."""

    rows: Mapping[Role, Rows]
    loads: tuple[Action, ...]
    stores: tuple[Action, ...]


def load(layer: str, source: Home, address: int, size: int) -> Action:
    """Bytes from DRAM into the tensor memory."""
    assert source.base is not None
    fields = {
        "base": int(source.base),
        "space": int(MemorySpace.TENSOR),
        "offset": source.address,
        "local": address,
        "bytes": size,
    }
    reads = (Region(Memory.OUTPUT, source.address, size),) if source.base is Base.OUTPUT else ()
    writes = (Region(Memory.TENSOR, address, size),)
    return Action(make(Opcode.LOAD, layer, fields), layer, reads, writes)


def load_parameters(layer: str, offset: int, record: int, records: int) -> Action:
    """Parameter records into the parameter memory."""
    fields = {
        "base": int(Base.PARAMETERS),
        "space": int(MemorySpace.PARAMETER),
        "offset": offset,
        "local": record,
        "bytes": records * PARAMETER_BYTES,
    }
    writes = (Region(Memory.PARAMETER, record, records),)
    return Action(make(Opcode.LOAD, layer, fields), layer, (), writes)


def store(layer: str, address: int, target: Home, size: int) -> Action:
    """Bytes from the tensor memory into DRAM."""
    assert target.base is Base.OUTPUT
    fields = {
        "base": int(target.base),
        "space": int(MemorySpace.TENSOR),
        "offset": target.address,
        "local": address,
        "bytes": size,
    }
    reads = (Region(Memory.TENSOR, address, size),)
    writes = (Region(Memory.OUTPUT, target.address, size),)
    return Action(make(Opcode.STORE, layer, fields), layer, reads, writes)


def move_strip(
    layer: Layer, layout: Layout, plan: MemoryPlan, time: int, index: int, rows: tuple[int, int]
) -> StripMove:
    """Strip number ``index``, output rows ``rows``, of the layer that runs at ``time``.

    A tensor that shares its pixels with others in DRAM is loaded before its channels are written.
    """
    found: dict[Role, Rows] = {}
    loads: list[Action] = []
    stores: list[Action] = []
    for role, name in layer.operands.items():
        view = layout.views[name]
        home = plan.homes[view.buffer]
        if home.base is None:
            found[role] = Rows(view, home.address + view.start, 0, view.height)
            continue
        first, last = rows
        if role is Role.SOURCE:
            first, last = source_rows(layer.window, view.height, *rows)
        elif role is Role.OPERAND and view.height == 1:
            first, last = 0, 1
        buffers = plan.strips[time].addresses[role]
        held = Rows(view, buffers[index % len(buffers)], first, last - first)
        found[role] = held
        remote, size = _remote(home, view, first), view.span(held.count) * view.pitch
        if role is not Role.TARGET or not view.whole:
            loads.append(load(layer.name, remote, held.address, size))
        if role is Role.TARGET:
            stores.append(store(layer.name, held.address, remote, size))
    return StripMove(found, tuple(loads), tuple(stores))


def _remote(home: Home, view: View, row: int) -> Home:
    return Home(home.base, home.address + view.start + row * view.row_pitch)
