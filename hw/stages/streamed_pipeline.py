"""A layer pipeline with its memory: images and results on streams, all else through AXI4."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.bus.axi import ADDRESS_BITS, AXI4Read, connect_flat, flat_members
from hw.stages.layer_pipeline import LayerPipeline, image_ports
from hw.stages.shape import StageShape
from hw.stages.weight_fetch import WeightFetch
from hw.stages.weight_region import WeightBus, weight_regions


def master_name(port: int) -> str:
    """The pins of an AXI4 master."""
    return f"m_axi_gmem{port}"


class StreamedPipeline(wiring.Component):
    """Stages that read parameters and weights from memory; `LayerPipeline` says the rest.

    Parameters
    ----------
    stages : each takes what the one before gives.
    bus : AXI4 masters that parameters and weights are striped over.

    Members
    -------
    i, o, o_busy, o_ends, o_there : as of `LayerPipeline`.
    m_axi_gmemK_* : AXI4 masters, which only read.
    i_base_K : In. Where the stripe of master K lies; held.
    i_start : In. The memory holds all regions (`weight_regions`); stays.
    o_failed : Out. The memory has answered with an error; stays until reset.
    """

    def __init__(self, *, stages: Sequence[StageShape], bus: WeightBus) -> None:
        self._stages = tuple(stages)
        self._bus = bus
        members = image_ports(stages) | {"i_start": In(1), "o_failed": Out(1)}
        for port in range(bus.ports):
            members[f"i_base_{port}"] = In(ADDRESS_BITS)
            members |= flat_members(master_name(port), Out(AXI4Read(data_bytes=bus.data_bytes)))
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.stages = stages = LayerPipeline(stages=self._stages)
        m.submodules.fetch = fetch = WeightFetch(
            regions=weight_regions(self._stages, self._bus), bus=self._bus
        )
        connect(m, flipped(self.i), stages.i)
        connect(m, stages.o, flipped(self.o))
        m.d.comb += [
            self.o_busy.eq(stages.o_busy),
            self.o_ends.eq(stages.o_ends),
            self.o_there.eq(stages.o_there),
            fetch.i_start.eq(self.i_start),
            self.o_failed.eq(fetch.o_failed),
        ]
        for port in range(self._bus.ports):
            connect_flat(m, self, master_name(port), fetch.axi[port])
            m.d.comb += fetch.i_bases[port].eq(getattr(self, f"i_base_{port}"))
        for number in range(len(self._stages)):
            for name in ("parameters", "weights"):
                given = getattr(fetch, f"o_{name}_{number}")
                taken = getattr(stages, f"i_{name}_{number}")
                payload = taken.payload
                flat = payload.as_value() if hasattr(payload, "as_value") else payload
                m.d.comb += [
                    flat.eq(given.payload),
                    taken.valid.eq(given.valid),
                    given.ready.eq(taken.ready),
                ]
        return m
