"""The frontend with the real tensor memory, flat AXI ports, and CONV and POOL left to the bench."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.bus.axi import AXI4, AXI4Lite, AXI4Read, connect_flat, flat_members
from hw.conv.array.parameter_chain import parameter_write
from hw.frontend import STALL, Frontend
from hw.isa import CONV, POOL
from hw.isa.config import OverlayConfig
from hw.isa.register_map import MAP_ADDRESS_BITS
from hw.lib.replay import WeightRead
from hw.lib.tensor_memory import TensorMemory


class FrontendDesign(wiring.Component):
    """``Frontend`` and ``TensorMemory``; LOAD writes it, STORE reads it.

    Parameters
    ----------
    config : the overlay's.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        self._ports = [f"m_axi_gmem{1 + port}" for port in range(config.weight_ports)]
        buses = {
            "m_axi_gmem0": Out(AXI4(data_bytes=config.axi_bytes)),
            **{name: Out(AXI4Read(data_bytes=config.axi_bytes)) for name in self._ports},
            "s_axi_control": In(AXI4Lite(address_bits=MAP_ADDRESS_BITS)),
        }
        members: dict[str, Any] = {}
        for name, member in buses.items():
            members |= flat_members(name, member)
        weights = WeightRead(depth=config.weight_words, word_bits=8 * config.weight_word_bytes)
        super().__init__(
            {
                **members,
                "interrupt": Out(1),
                "engine_reset": Out(1),
                "o_conv": Out(stream.Signature(CONV)),
                "o_pool": Out(stream.Signature(POOL)),
                "retire_conv": In(1),
                "retire_pool": In(1),
                "progress": In(1),
                "stall": In(STALL),
                "o_parameter": Out(parameter_write(config)),
                "o_parameter_valid": Out(1),
                "weights": Out(weights),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.frontend = frontend = Frontend(config=self._config)
        m.submodules.memory = memory = TensorMemory(config=self._config, readers=(1,), writers=1)
        connect_flat(m, self, "m_axi_gmem0", frontend.gmem0)
        for name, port in zip(self._ports, frontend.gmem_weights, strict=True):
            connect_flat(m, self, name, port)
        connect_flat(m, self, "s_axi_control", frontend.control)
        connect(m, frontend.o_write, memory.i_write_0)
        connect(m, frontend.o_read, memory.i_read_0)
        for name in ("o_conv", "o_pool", "weights"):
            connect(m, getattr(frontend, name), flipped(getattr(self, name)))
        for name in ("retire_conv", "retire_pool", "progress", "stall"):
            m.d.comb += getattr(frontend, f"i_{name}").eq(getattr(self, name))
        for name in ("o_parameter", "o_parameter_valid"):
            m.d.comb += getattr(self, name).eq(getattr(frontend, name))
        m.d.comb += [
            self.interrupt.eq(frontend.o_interrupt),
            self.engine_reset.eq(frontend.o_reset),
            frontend.i_read.eq(memory.o_data_0),
            frontend.i_read_valid.eq(memory.o_valid_0),
        ]
        return m
