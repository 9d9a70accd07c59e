"""The overlay: everything between the AXI pins."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect

from hw.bus.axi import ADDRESS_BITS, AXI4, AXI4Lite, AXI4Read, connect_flat, flat_members
from hw.conv.array.parameter_chain import ParameterMemory
from hw.conv.array.primitive import Primitive, suited
from hw.conv.convolution import ConvEngine
from hw.frontend import Frontend
from hw.isa import HEAD, Engine
from hw.isa.config import OverlayConfig
from hw.isa.register_map import MAP_ADDRESS_BITS
from hw.lib.reset_register import in_reset
from hw.lib.sizes import check_sizes
from hw.lib.tensor_memory import TensorMemory, write_request
from hw.pool.engine import PoolEngine

# Ports of the tensor memory, by priority; with two copies, the second is the feeder's own.
RESIDUAL, POOL, STORE, FEED = range(4)
READERS = {1: (4,), 2: (3, 1)}
WRITE, POOL_WRITE, LOAD = range(3)


def trace_layout(config: OverlayConfig) -> data.StructLayout:
    """What a simulation may watch: tensor memory writes, and what the engines start and end.

    start, retire: a bit for each of `Engine`; start_tag, retire_tag: 16 bits for each.
    """
    write = write_request(config).members
    engines = len(Engine)
    return data.StructLayout(
        {
            "write_valid": 1,
            "write_address": write["address"],
            "write_low": write["low"],
            "write_high": write["high"],
            "write_data": write["data"],
            "start": engines,
            "start_tag": engines * HEAD["tag"].width,
            "retire": engines,
            "retire_tag": engines * HEAD["tag"].width,
        }
    )


class Overlay(wiring.Component):
    """The accelerator; see docs/architecture.md.

    Parameters
    ----------
    config : its parameters.
    ram_style : the vendor's attribute on the tensor memory's banks, such as "ultra", or None.
    primitive : what the PEs are made of; None: what suits the platform.
    address_bits : of the regions' addresses and sizes in DRAM; registers have no more.

    Members
    -------
    s_axi_control_* : AXI4-Lite slave, `hw.isa.register_map`.
    m_axi_gmem0_* : AXI4 master of program, LOAD and STORE; m_axi_gmem1_* and on: of the weights.
    interrupt : to the host.
    trace_* : see `trace_layout`; left open on a card.
    """

    def __init__(
        self,
        *,
        config: OverlayConfig,
        ram_style: str | None = None,
        primitive: Primitive | None = None,
        address_bits: int = ADDRESS_BITS,
    ) -> None:
        check_sizes(1, ADDRESS_BITS, address_bits=address_bits)
        self._config = config
        self._address_bits = address_bits
        self._ram_style = ram_style
        self._primitive = primitive
        trace = trace_layout(config).members
        width = config.axi_bytes
        weights: dict[str, wiring.Member] = {}
        for port in range(config.weight_ports):
            weights |= flat_members(_weight_port(port), Out(AXI4Read(data_bytes=width)))
        super().__init__(
            {
                **flat_members("s_axi_control", In(AXI4Lite(address_bits=MAP_ADDRESS_BITS))),
                **flat_members("m_axi_gmem0", Out(AXI4(data_bytes=width))),
                **weights,
                "interrupt": Out(1),
                **{f"trace_{name}": Out(shape) for name, shape in trace.items()},
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        m.submodules.frontend = frontend = Frontend(config=config, address_bits=self._address_bits)
        primitive = suited(platform) if self._primitive is None else self._primitive
        conv, pool = ConvEngine(config=config, primitive=primitive), PoolEngine(config=config)
        readers = READERS[config.tensor_copies]
        memory = TensorMemory(config=config, readers=readers, writers=3, ram_style=self._ram_style)
        parameters = ParameterMemory(config=config)
        parts = {"conv": conv, "pool": pool, "memory": memory, "parameters": parameters}
        for name, part in parts.items():
            in_reset(m, name, part, frontend.o_reset)

        self._pins(m, frontend)
        connect(m, frontend.o_conv, conv.i)
        connect(m, frontend.o_pool, pool.i)
        connect(m, frontend.weights, conv.weights)
        self._tensors(m, memory, frontend, conv, pool)
        m.d.comb += [
            parameters.i_write.eq(frontend.o_parameter),
            parameters.i_write_valid.eq(frontend.o_parameter_valid),
            conv.i_table.eq(frontend.o_table),
            pool.i_table.eq(frontend.o_table),
            parameters.i_address_0.eq(conv.o_record_address),
            parameters.i_address_1.eq(pool.o_record_address),
            conv.i_record.eq(parameters.o_record_0),
            pool.i_record.eq(parameters.o_record_1),
            frontend.i_retire_conv.eq(conv.o_retire),
            frontend.i_retire_pool.eq(pool.o_done),
            frontend.i_progress.eq(conv.o_progress | pool.o_progress),
            frontend.i_stall.eq(conv.o_stall),
        ]
        self._trace(m, memory, frontend)
        return m

    def _pins(self, m: Module, frontend: Frontend) -> None:
        """The buses and the interrupt reach the host and DRAM."""
        connect_flat(m, self, "s_axi_control", frontend.control)
        connect_flat(m, self, "m_axi_gmem0", frontend.gmem0)
        for k, port in enumerate(frontend.gmem_weights):
            connect_flat(m, self, _weight_port(k), port)
        m.d.comb += self.interrupt.eq(frontend.o_interrupt)

    def _tensors(
        self,
        m: Module,
        memory: TensorMemory,
        frontend: Frontend,
        conv: ConvEngine,
        pool: PoolEngine,
    ) -> None:
        """Every reader and writer of tensors has its port of the tensor memory."""
        for k, read in (
            (RESIDUAL, conv.o_residual),
            (POOL, pool.o_read),
            (STORE, frontend.o_read),
            (FEED, conv.o_feed),
        ):
            connect(m, read, getattr(memory, f"i_read_{k}"))
        for k, write in (
            (WRITE, conv.o_write),
            (POOL_WRITE, pool.o_write),
            (LOAD, frontend.o_write),
        ):
            connect(m, write, getattr(memory, f"i_write_{k}"))
        m.d.comb += [
            conv.i_feed_valid.eq(getattr(memory, f"o_valid_{FEED}")),
            frontend.i_read_valid.eq(getattr(memory, f"o_valid_{STORE}")),
            conv.i_residual.eq(memory.o_data_0),
            conv.i_feed.eq(getattr(memory, f"o_data_{self._config.tensor_copies - 1}")),
            pool.i_data.eq(memory.o_data_0),
            frontend.i_read.eq(memory.o_data_0),
        ]

    def _trace(self, m: Module, memory: TensorMemory, frontend: Frontend) -> None:
        """Shows the writes of tensors, and what the engines start and end."""
        events = [frontend.o_events[engine] for engine in Engine]
        m.d.comb += self.trace_write_valid.eq(memory.o_snoop_valid)
        for name in ("address", "low", "high", "data"):
            m.d.comb += getattr(self, f"trace_write_{name}").eq(getattr(memory.o_snoop, name))
        for name in ("start", "start_tag", "retire", "retire_tag"):
            bits = Cat(getattr(event, name) for event in events)
            m.d.comb += getattr(self, f"trace_{name}").eq(bits)


def _weight_port(port: int) -> str:
    return f"m_axi_gmem{1 + port}"
