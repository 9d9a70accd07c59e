"""The array: edges, columns, feet and collector behind one fixed-rate interface."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.conv.array.collector import Collector
from hw.conv.array.column import Column, column_ports
from hw.conv.array.edges import CornerTurn, LeftEdge, TopEdge
from hw.conv.array.foot import TAKE, Foot, foot_ports
from hw.conv.array.output_turn import OutputTurn, unit_layout
from hw.conv.array.parameter_chain import ParameterPort, record_address
from hw.conv.array.primitive import BEHAVIOURAL, Primitive
from hw.conv.array.wave import drain_layout, read_layout, tag_layout, wave_layout
from hw.isa import PARAMETER
from hw.isa.config import OverlayConfig
from hw.isa.timing import (
    CROSSING,
    DRAINED_LATENCY,
    FOOT_LATENCY,
    PARAMETER_LATENCY,
    crossing_latency,
    foot_delay,
    output_latency,
)
from hw.lib.emit import Shared
from hw.lib.pipelining import delayed


class FootColumn(wiring.Component):
    """A column of PEs with its foot: the unit that is emitted once and instanced C times.

    The parameters are those of `Column`, the members those of `Column` and `Foot`.
    """

    def __init__(self, *, config: OverlayConfig, primitive: Primitive = BEHAVIOURAL) -> None:
        self._config = config
        self._primitive = primitive
        ports = column_ports(config) | foot_ports(config)
        super().__init__({k: v for k, v in ports.items() if k not in ("i_sum", "o_sum")})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.column = column = Column(config=self._config, primitive=self._primitive)
        m.submodules.foot = foot = Foot(config=self._config)
        for part in (column, foot):
            for name, member in part.signature.members.items():
                if name in ("i_sum", "o_sum"):
                    continue
                here, there = getattr(self, name), getattr(part, name)
                m.d.comb += there.eq(here) if member.flow is In else here.eq(there)
        m.d.comb += foot.i_sum.eq(column.o_sum)
        return m


class Passage(wiring.Component):
    """A column's streams without its elements: one cycle from left to right."""

    def __init__(self, *, config: OverlayConfig) -> None:
        ports = column_ports(config)
        self._names = ("stream", "swap", "local", "clear")
        super().__init__({k: v for k, v in ports.items() if k[2:] in self._names})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for name in self._names:
            value = getattr(self, f"i_{name}")
            late = delayed(m, value, 1, name=name, reset_less=name == "stream")
            m.d.comb += getattr(self, f"o_{name}").eq(late)
        return m


class Array(wiring.Component):
    """Takes a wave a cycle and delivers int8 words; see docs/architecture.md, section 2.

    Where it crosses from a die into the next, all that goes on takes CROSSING cycles more.  Results
    come back as late, and those of nearer dies wait for them: ``crossing_latency`` for all.

    Parameters
    ----------
    config : the overlay's.
    primitive : what the PEs are made of.

    Members
    -------
    i_wave : control of this cycle, `wave_layout`.
    i_activation, i_weight : L operands, and bytes of weights, of this cycle; used only where the
    wave says so.
    i_load_parameters, i_first_record : start of a parameter burst, see `ParameterPort`.
    o_parameter_address, i_parameter_record : read port of the parameter memory.
    i_turn_room, o_turn_reserve, o_turn_done : with Winograd, of the `OutputTurn`.
    o_valid, o_word : C result bytes; see `Collector` for which lanes hold what.
    """

    def __init__(self, *, config: OverlayConfig, primitive: Primitive = BEHAVIOURAL) -> None:
        self._config = config
        self._primitive = primitive
        self._dies = primitive.dies(config.columns, config.crossings)
        self._back = crossing_latency(config.crossings)
        record = record_address(config)
        turn = {"i_turn_room": In(1), "o_turn_reserve": Out(1), "o_turn_done": Out(1)}
        super().__init__(
            {
                **(turn if config.transforms else {}),
                "i_wave": In(wave_layout(config)),
                "i_activation": In(config.activation_bits),
                "i_weight": In(8 * config.weight_word_bytes),
                "i_load_parameters": In(1),
                "i_first_record": In(record),
                "o_parameter_address": Out(record),
                "i_parameter_record": In(PARAMETER),
                "o_valid": Out(1),
                "o_word": Out(8 * config.columns),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        m.submodules.left = left = LeftEdge(config=config)
        m.submodules.top = top = TopEdge(config=config)
        self._edges(m, left, top)

        columns: list[Any] = []
        for c in range(config.columns):
            unit = FootColumn(config=config, primitive=self._primitive)
            column: Any = Shared(unit, "foot_column", hier_block=True)
            m.submodules[f"column_{c}"] = column
            columns.append(column)
        first = self._before_columns(m, left, columns[0])
        for port in ("stream", "swap", "local", "clear"):
            source = getattr(first, f"o_{port}")
            for c, column in enumerate(columns):
                m.d.comb += getattr(column, f"i_{port}").eq(self._across(m, c, port, source))
                source = getattr(column, f"o_{port}")
        for c, column in enumerate(columns):
            shadow = top.o_shadow.word_select(c, config.operand_bits * config.lanes)
            m.d.comb += [
                column.i_shadow.eq(self._out(m, c, "shadow", shadow)),
                column.i_enable.eq(self._out(m, c, "enable", top.o_enable[c])),
                column.i_start.eq(self._out(m, c, "start", top.o_start[c])),
            ]
        self._feet(m, columns)
        return m

    def _across(self, m: Module, column: int, name: str, value: Value) -> Value:
        """What the column before hands on, at this one: later if a border lies between them."""
        crosses = column > 0 and self._dies[column] > self._dies[column - 1]
        return self._later(m, CROSSING * crosses, f"{name}_across_{column}", value)

    def _out(self, m: Module, column: int, name: str, value: Value) -> Value:
        """What comes from the edges, at a column: later for each border between."""
        return self._later(m, CROSSING * self._dies[column], f"{name}_out_{column}", value)

    def _home(self, m: Module, column: int, value: Value) -> Value:
        """A column's result, with those of the farthest die."""
        later = self._back - CROSSING * self._dies[column]
        return self._later(m, later, f"result_{column}", value)

    def _later(self, m: Module, cycles: int, name: str, value: Value) -> Value:
        return delayed(m, value, cycles, name=name, reset_less=False)

    def _before_columns(self, m: Module, left: LeftEdge, first: Any) -> Any:
        """What column 0's streams pass first: they come a cycle behind the shadow chains.

        With 2 lanes it is column -1, an ordinary column without operands of its own, whose sums
        are the correction; with 1 lane a register.
        """
        if self._config.lanes == 2:
            column = Column(config=self._config, primitive=self._primitive)
            before: Any = Shared(column, "column")
            late = delayed(m, before.o_sum, 1, name="correction")
            m.d.comb += first.i_correction.eq(late)
        else:
            before = Passage(config=self._config)
        m.submodules.before = before
        for port in ("stream", "swap", "local", "clear"):
            m.d.comb += getattr(before, f"i_{port}").eq(getattr(left, f"o_{port}"))
        return before

    def _edges(self, m: Module, left: LeftEdge, top: TopEdge) -> None:
        config, wave = self._config, self.i_wave
        m.submodules.turn = turn = CornerTurn(
            rows=config.rows, operand_bits=config.operand_bits * config.lanes
        )
        m.d.comb += [
            turn.i_valid.eq(wave.serial),
            turn.i_first.eq(wave.serial_first),
            turn.i_word.eq(self.i_activation),
            left.i_word.eq(
                Mux(wave.left.activation, self.i_activation, 0)
                | Mux(wave.left.weight, self._operands(config.reduction), 0)
            ),
            left.i_operands.eq(turn.o_operands),
            left.i_streaming.eq(wave.streaming),
            left.i_swap.eq(wave.swap),
            left.i_clear.eq(wave.clear),
            left.i_drop.eq(wave.drop),
            top.i_word.eq(Mux(wave.top, self._operands(config.top_bytes), 0)),
            top.i_operands.eq(turn.o_operands),
            top.i_turned.eq(wave.turned),
            top.i_enable.eq(wave.enable),
            top.i_start.eq(wave.start),
        ]

    def _operands(self, count: int) -> Value:
        """So many weights of the weight word: bytes, or transformed ones of two bytes."""
        bits = self._config.operand_bits
        values = (self.i_weight.word_select(i, 8).as_signed() for i in range(count))
        plain = Cat(Cat(v, v[-1].replicate(bits - 8)) for v in values)
        if not self._config.transforms:
            return plain
        wide = Cat(self.i_weight.word_select(i, 16)[:bits] for i in range(count))
        return Mux(self.i_wave.wide, wide, plain)

    def _feet(self, m: Module, columns: list[Any]) -> None:
        config = self._config
        layout = tag_layout(config)
        travel = foot_delay(config.rows) - PARAMETER_LATENCY
        early = layout(delayed(m, self.i_wave.tag.as_value(), travel, name="early"))
        late = layout(delayed(m, early.as_value(), PARAMETER_LATENCY, name="late"))
        m.submodules.port = port = ParameterPort(config=config)
        m.submodules.collector = collector = Collector(config=config)
        m.d.comb += [
            port.i_load.eq(self.i_load_parameters),
            port.i_first.eq(self.i_first_record),
            port.i_wave_record.eq(early.record),
            self.o_parameter_address.eq(port.o_address),
        ]
        tag: Any = late
        read: Any = self._reads(m)
        record: Any = self.i_parameter_record
        for c, column in enumerate(columns):
            m.d.comb += [
                column.i_tag.eq(self._across(m, c, "tag", tag.as_value())),
                column.i_read.eq(self._across(m, c, "read", read.as_value())),
                column.i_record.eq(self._across(m, c, "record", record.as_value())),
                column.i_latch.eq(self._out(m, c, "latch", port.o_latch)),
                collector.i_results.word_select(c, 8).eq(self._home(m, c, column.o_result)),
            ]
            if c > 0:
                correction = self._across(m, c, "correction", columns[c - 1].o_correction)
                m.d.comb += column.i_correction.eq(correction)
            tag, read, record = column.o_tag, column.o_read, column.o_record
        drained = self._drains(m, columns, port) if config.transforms else Const(0)

        word = late.valid & late.last & ~late.by_channel
        latency = FOOT_LATENCY + self._back
        m.d.comb += [
            collector.i_wave.eq(self._later(m, latency, "word", word) | drained),
            collector.i_close.eq(self._later(m, latency, "close", late.close)),
            collector.i_pixels.eq(delayed(m, late.pixels, latency, name="pixels")),
            self.o_valid.eq(collector.o_valid),
            self.o_word.eq(collector.o_word),
        ]
        if config.transforms:
            turn = self._output_turn
            m.d.comb += turn.i_results.eq(collector.i_results)
            with m.If(turn.o_valid):
                m.d.comb += [self.o_valid.eq(1), self.o_word.eq(turn.o_word)]

    def _reads(self, m: Module) -> Any:
        """Where the first foot reads its accumulators: a cycle ahead of its wave or element."""
        config, wave = self._config, self.i_wave
        layout = read_layout(config)
        read = Signal(layout)
        for bank, name in enumerate(layout.members):
            address: Any = wave.tag.address
            if config.transforms:
                drains = wave.drain.valid & (wave.drain.bank == bank)
                address = Mux(drains, wave.drain.address, address)
            m.d.comb += read[name].eq(address)
        return layout(delayed(m, read.as_value(), foot_delay(config.rows) - 1, name="read"))

    def _drains(self, m: Module, columns: list[Any], port: ParameterPort) -> Value:
        """Winograd: elements to read and parameters to take; column 0's word is complete."""
        config = self._config
        layout = drain_layout(config)
        travel = foot_delay(config.rows)
        drain: Any = layout(
            delayed(m, self.i_wave.drain.as_value(), travel, name="drain", reset_less=False)
        )
        # Parameters swap a cycle before the first result that they are for.
        early: Any = Signal(layout)
        for index, transform in enumerate(config.transforms):
            latency = output_latency(transform, config.transforms) - PARAMETER_LATENCY
            mine = Signal(layout, name=f"take_of_{index}")
            m.d.comb += mine.eq(
                delayed(m, drain.as_value(), latency, name=f"take_{index}", reset_less=False)
            )
            with m.If(mine.take & (mine.transform == index)):
                m.d.comb += early.eq(mine)
        with m.If(early.take & early.by_channel):
            m.d.comb += port.i_wave_record.eq(early.record)
        late = layout(
            delayed(m, early.as_value(), PARAMETER_LATENCY, name="late_take", reset_less=False)
        )
        take: Any = Signal(TAKE)
        m.d.comb += [take.valid.eq(late.take), take.by_channel.eq(late.by_channel)]
        for c, column in enumerate(columns):
            m.d.comb += [
                column.i_drain.eq(self._across(m, c, "drain", drain.as_value())),
                column.i_take.eq(self._across(m, c, "take", take.as_value())),
            ]
            drain, take = column.o_drain, column.o_take
        drained = self._later(m, DRAINED_LATENCY + self._back, "drained", columns[0].o_drained)
        return self._turn(m, late, drained)

    def _turn(self, m: Module, take: Any, drained: Value) -> Value:
        """The output turn; whether column 0's result is a WS word's."""
        config = self._config
        m.submodules.output_turn = turn = OutputTurn(config=config)
        latency = 1 + DRAINED_LATENCY + self._back
        first = drain_layout(config)(self._later(m, latency, "unit", take.as_value()))
        layout = unit_layout(config)
        unit = Signal(layout)
        with m.If(first.take):
            m.d.sync += [getattr(unit, name).eq(getattr(first, name)) for name in layout.members]
        self._output_turn = turn
        m.d.comb += [
            turn.i_valid.eq(drained & unit.by_channel),
            turn.i_unit.eq(unit),
            turn.i_room.eq(self.i_turn_room),
            self.o_turn_reserve.eq(turn.o_reserve),
            self.o_turn_done.eq(turn.o_done),
        ]
        return drained & ~unit.by_channel
