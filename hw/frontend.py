"""Everything between the AXI buses and the arithmetic: control, instruction flow, data movers."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.bus.axi import ADDRESS_BITS, AXI4, AXI4Lite, AXI4Read
from hw.bus.masters import Masters
from hw.bus.registers import ControlSlave
from hw.control.flow import InstructionFlow
from hw.control.issue import EVENT
from hw.control.supervisor import Counters, Supervisor
from hw.conv.array.parameter_chain import parameter_write
from hw.isa import CONV, POOL, Base, Error
from hw.isa.config import ISA_VERSION, OverlayConfig
from hw.isa.register_map import (
    COUNTED_ENGINES,
    MAP_ADDRESS_BITS,
    SIZES,
    STALLS,
    WEIGHT_BASES,
    Status,
)
from hw.lib.replay import WeightBuffer, WeightRead
from hw.lib.reset_register import in_reset
from hw.lib.sizes import check_sizes
from hw.lib.table_lanes import table_write
from hw.lib.tensor_memory import read_request, write_request
from hw.move.load import Load
from hw.move.store import Store
from hw.move.weights import WeightReader

STALL = data.StructLayout({name: 1 for name in STALLS if name != "tokens"})


class Frontend(wiring.Component):
    """Control, supervision, fetch, tokens, LOAD, STORE and WEIGHTS, with their AXI masters.

    CONV and POOL get their instructions when the tokens are there and answer with one ``retire``
    pulse each, in order and at least a cycle later; tokens, traces and counters follow from that.
    A cycle or two behind ``o_reset``, which is high after every run for at least ``RESET_CYCLES``,
    the rest of the overlay must be in synchronous reset: see `in_reset`.

    Parameters
    ----------
    config : the overlay's.
    address_bits : of the regions' addresses and sizes.

    Members
    -------
    control : AXI4-Lite slave, see ``hw.isa.register_map``.
    o_interrupt : to the host.
    gmem0 : AXI4 master of program, LOAD and STORE.
    gmem_weights : read-only AXI4 masters of WEIGHTS.
    o_reset : for everything outside, see above.
    o_conv, o_pool : instructions.
    i_retire_conv, i_retire_pool : pulses, the engine's oldest instruction has done its last write.
    i_progress : something moved outside (watchdog).
    i_stall : CONV waits for activations, weights or room at its output (counters).
    o_write : tensor memory writes of LOAD.
    o_read, i_read, i_read_valid : tensor memory reads of STORE, and their answers.
    o_parameter, o_parameter_valid : parameter memory writes.
    o_table : writes of the tables.
    weights : the weight buffer's reading side.
    o_events : starts and retirements, by ``COUNTED_ENGINES``.
    """

    def __init__(self, *, config: OverlayConfig, address_bits: int = ADDRESS_BITS) -> None:
        check_sizes(1, ADDRESS_BITS, address_bits=address_bits)
        self._config = config
        self._address_bits = address_bits
        self._buffer = {"depth": config.weight_words, "word_bits": 8 * config.weight_word_bytes}
        super().__init__(
            {
                "control": In(AXI4Lite(address_bits=MAP_ADDRESS_BITS)),
                "o_interrupt": Out(1),
                "gmem0": Out(AXI4(data_bytes=config.axi_bytes)),
                "gmem_weights": Out(AXI4Read(data_bytes=config.axi_bytes)).array(
                    config.weight_ports
                ),
                "o_reset": Out(1),
                "o_conv": Out(stream.Signature(CONV)),
                "o_pool": Out(stream.Signature(POOL)),
                "i_retire_conv": In(1),
                "i_retire_pool": In(1),
                "i_progress": In(1),
                "i_stall": In(STALL),
                "o_write": Out(stream.Signature(write_request(config))),
                "o_read": Out(stream.Signature(read_request())),
                "i_read": In(8 * config.tensor_word),
                "i_read_valid": In(1),
                "o_parameter": Out(parameter_write(config)),
                "o_parameter_valid": Out(1),
                "o_table": Out(table_write(config)),
                "weights": Out(WeightRead(**self._buffer)),
                "o_events": Out(EVENT).array(len(COUNTED_ENGINES)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        m.submodules.slave = slave = ControlSlave(
            watchdog_cycles=config.watchdog_cycles, address_bits=self._address_bits
        )
        m.submodules.supervisor = supervisor = Supervisor(failures=8)
        m.submodules.masters = masters = Masters(
            data_bytes=config.axi_bytes, weight_ports=config.weight_ports
        )
        flow = InstructionFlow(config=config)
        in_reset(m, "flow", flow, self.o_reset)
        connect(m, flipped(self.control), slave.bus)
        connect(m, masters.gmem0, flipped(self.gmem0))
        for port in range(config.weight_ports):
            connect(m, masters.gmem_weights[port], flipped(self.gmem_weights[port]))
            m.d.comb += masters.i_weight_bases[port].eq(slave.o_settings[WEIGHT_BASES[port]])
        for name in ("conv", "pool"):
            connect(m, getattr(flow, f"o_{name}"), flipped(getattr(self, f"o_{name}")))
            m.d.comb += getattr(flow, f"i_retire_{name}").eq(getattr(self, f"i_retire_{name}"))
        for outer, inner in zip(self.o_events, flow.o_events, strict=True):
            m.d.comb += outer.eq(inner)
        connect(m, flow.o_command, masters.fetch.command)
        connect(m, flow.i_beat, masters.fetch.beat)

        self._connect_movers(m, flow, masters, slave)
        self._connect_supervisor(m, flow, masters, slave, supervisor)
        self._connect_status(m, flow, slave, supervisor)
        return m

    def _connect_movers(self, m: Module, flow: Any, masters: Any, slave: Any) -> None:
        load, store = Load(config=self._config), Store(config=self._config)
        reader = WeightReader(config=self._config)
        self._movers = (load, store, reader)
        buffer = WeightBuffer(**self._buffer)
        for name, part in (("load", load), ("store", store), ("weight_reader", reader)):
            in_reset(m, name, part, self.o_reset)
        in_reset(m, "weight_buffer", buffer, self.o_reset)

        for name, engine in (("load", load), ("store", store), ("weights", reader)):
            client = getattr(masters, name)
            connect(m, getattr(flow, f"o_{name}"), engine.i)
            connect(m, engine.o_command, client.command)
            m.d.comb += getattr(flow, f"i_retire_{name}").eq(engine.o_retire)
        connect(m, load.i_beat, masters.load.beat)
        connect(m, reader.i_beat, masters.weights.beat)
        connect(m, store.o_beat, masters.store.beat)
        for base in Base:
            address = slave.o_settings[base.name.lower()]
            size = slave.o_settings[SIZES[base.name.lower()]]
            m.d.comb += [
                load.i_bases[base].eq(address),
                load.i_sizes[base].eq(size),
                store.i_bases[base].eq(address),
                store.i_sizes[base].eq(size if base is Base.OUTPUT else 0),
            ]

        connect(m, load.o_write, flipped(self.o_write))
        connect(m, store.o_read, flipped(self.o_read))
        connect(m, reader.o, buffer.i)
        connect(m, buffer.o, flipped(self.weights))
        m.d.comb += [
            flow.i_base.eq(slave.o_settings.program),
            flow.i_size.eq(slave.o_settings.program_bytes),
            reader.i_size.eq(slave.o_settings.weights_bytes),
            self.o_parameter.eq(load.o_parameter),
            self.o_parameter_valid.eq(load.o_parameter_valid),
            self.o_table.eq(load.o_table),
            store.i_read.eq(self.i_read),
            store.i_read_valid.eq(self.i_read_valid),
            store.i_writer_idle.eq(masters.store.idle),
        ]

    def _connect_supervisor(
        self, m: Module, flow: Any, masters: Any, slave: Any, supervisor: Any
    ) -> None:
        failures = [
            (flow.o_failed, flow.o_failure.code, flow.o_failure.tag),
            *((part.o_failed, part.o_failure.code, part.o_failure.tag) for part in self._movers),
            (masters.fetch.error, Error.BUS_READ, flow.o_failure.tag),
            (masters.load.error, Error.BUS_READ, flow.o_tags.load),
            (masters.weights.error, Error.BUS_READ, flow.o_tags.weights),
            (masters.store.error, Error.BUS_WRITE, flow.o_tags.store),
        ]
        for failure, (valid, code, tag) in zip(supervisor.i_failures, failures, strict=True):
            m.d.comb += [
                failure.valid.eq(valid),
                failure.payload.code.eq(code),
                failure.payload.tag.eq(tag),
            ]
        # What happened is told a cycle later: it comes from all over the overlay.
        moved = [masters.o_moved, self.i_progress]
        moved += [event.start | event.retire for event in flow.o_events]
        m.d.sync += supervisor.i_progress.eq(Cat(moved).any())
        m.d.comb += [
            supervisor.i_start.eq(slave.o_start),
            supervisor.i_finished.eq(flow.o_done),
            supervisor.i_watchdog.eq(slave.o_settings.watchdog),
            supervisor.i_cycle_limit.eq(slave.o_settings.cycle_limit),
            supervisor.i_abort.eq(slave.o_abort),
            supervisor.i_oldest_tag.eq(flow.o_oldest_tag),
            supervisor.i_quiet.eq(masters.o_quiet),
            flow.i_start.eq(supervisor.o_accept),
            masters.i_abort.eq(supervisor.o_drain),
            self.o_reset.eq(supervisor.o_drain),
            slave.i_accept.eq(supervisor.o_accept),
            slave.i_running.eq(supervisor.o_running),
            slave.i_done.eq(supervisor.o_done),
            slave.i_idle.eq(supervisor.o_idle),
            self.o_interrupt.eq(slave.o_interrupt),
        ]

    def _connect_status(self, m: Module, flow: Any, slave: Any, supervisor: Any) -> None:
        conditions = {f"busy_{name}": flow.o_running[name] for name in COUNTED_ENGINES}
        stalls = {name: self.i_stall[name] for name in STALL.members}
        stalls["tokens"] = flow.o_blocked.conv
        conditions |= {f"stall_{name}": stall for name, stall in stalls.items()}
        m.submodules.counters = counters = Counters(names=tuple(conditions))
        m.d.comb += [
            counters.i_clear.eq(supervisor.o_accept),
            counters.i_enable.eq(supervisor.o_running),
        ]
        for name, condition in conditions.items():
            m.d.comb += [counters.i[name].eq(condition), slave.i_values[name].eq(counters.o[name])]
        status = {
            Status.RUNNING: supervisor.o_running,
            Status.ERROR: supervisor.o_error != Error.NONE,
            Status.DRAINING: supervisor.o_drain,
        }
        m.d.comb += [
            slave.i_values.status.eq(Cat(status[bit] for bit in Status)),
            slave.i_values.error.eq(supervisor.o_error),
            slave.i_values.error_tag.eq(supervisor.o_error_tag),
            slave.i_values.isa_version.eq(ISA_VERSION),
            slave.i_values.configuration.eq(self._config.hash),
            slave.i_values.cycles.eq(supervisor.o_cycles),
        ]
