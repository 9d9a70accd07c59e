"""The drain: finished Winograd tiles, element by element, from the accumulators to the output."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.conv.array.output_turn import GROUPS
from hw.conv.array.wave import drain_layout
from hw.isa.config import OverlayConfig
from hw.isa.timing import DRAINED_LATENCY, SETTLE_CYCLES, output_latency
from hw.lib.algorithm import multiple, of_transform
from hw.lib.pipelining import delayed
from hw.lib.queue import Queue

DRAINS = 2  # banks of accumulators

# A finished tile: units (WS: tiles of pixels, IS: channels) whose elements are `units` apart; the
# first record.
JOB = data.StructLayout(
    {
        "by_channel": 1,
        "units": unsigned(16),
        "pixels": unsigned(16),  # IS: columns with a tile, minus one
        "bank": 1,
        "transform": 1,
        "record": unsigned(16),
    }
)


class UnitWalk(wiring.Component):
    """The accumulators of a unit's elements: column by column, as the output transform wants them.

    Members
    -------
    i_begin, i_unit : to the first element of that unit.
    i_step : to the next element. i_units, i_transform : of the tile; held.
    o_address : of the element. o_last : it is the unit's last.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i_begin": In(1),
                "i_unit": In(unsigned(16)),
                "i_step": In(1),
                "i_units": In(unsigned(16)),
                "i_transform": In(1),
                "o_address": Out(config.address_bits),
                "o_last": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        edge = of_transform(self._config, self.i_transform, lambda t: t.alpha - 1)
        row = of_transform(
            self._config, self.i_transform, lambda t: multiple(self.i_units, t.alpha)
        )
        i, j = Signal(3), Signal(3)
        column = Signal(self._config.address_bits)  # of its first element
        m.d.comb += self.o_last.eq((i == edge) & (j == edge))
        with m.If(self.i_step):
            m.d.sync += [i.eq(i + 1), self.o_address.eq(self.o_address + row)]
        with m.If(self.i_step & (i == edge)):
            following = column + self.i_units
            m.d.sync += [i.eq(0), j.eq(j + 1), column.eq(following), self.o_address.eq(following)]
        with m.If(self.i_begin):
            m.d.sync += [i.eq(0), j.eq(0)]
            m.d.sync += [column.eq(self.i_unit), self.o_address.eq(self.i_unit)]
        return m


class UnitRoom(wiring.Component):
    """Whether the next unit's results have room: in the output FIFO, or IS in the output turn.

    Members
    -------
    i_by_channel, i_last_unit, i_transform : of the tile and the unit; held while it lasts.
    i_active : a unit is under way. i_begin : the next one begins. i_end : one ends.
    i_room : free words of the output FIFO. i_turn_done : the output turn has delivered a group.
    o_room : the next unit may begin. o_reserve : words that it reserves as it begins.
    o_close : the unit is the last of its group. o_empty : no group is under way.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        words = unsigned(config.output_depth.bit_length())
        names = ("by_channel", "last_unit", "transform", "active", "begin", "end", "turn_done")
        super().__init__(
            {
                **{f"i_{name}": In(1) for name in names},
                "i_room": In(words),
                "o_room": Out(1),
                "o_reserve": Out(words),
                "o_close": Out(1),
                "o_empty": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        columns = self._config.columns
        pixels = of_transform(self._config, self.i_transform, lambda t: t.pixels)
        member = Signal(range(columns))  # of the group
        groups = Signal(range(GROUPS + 1))
        fresh = Mux(self.i_active, self.o_close, member == 0)  # the next unit starts a group
        starts = self.i_begin & self.i_by_channel & fresh
        m.d.sync += groups.eq(groups + starts - self.i_turn_done)
        with m.If(self.i_end):
            m.d.sync += member.eq(Mux(self.o_close, 0, member + 1))
        turn = ~fresh | (groups != GROUPS)
        m.d.comb += [
            self.o_close.eq((member == columns - 1) | self.i_last_unit),
            self.o_room.eq(Mux(self.i_by_channel, turn, self.i_room >= pixels)),
            self.o_reserve.eq(Mux(self.i_begin & ~self.i_by_channel, pixels, 0)),
            self.o_empty.eq(groups == 0),
        ]
        return m


class Drain(wiring.Component):
    """Reads a finished bank: for unit: for column of elements: for row, as the transform wants it.

    WS: a unit starts when the output FIFO has room for its pixels.  IS: a group of C units starts
    when the `OutputTurn` has room for it, and each unit brings the parameters of its channel.  An
    element a cycle.

    Parameters
    ----------
    config : the overlay's, with Winograd.

    Members
    -------
    i : tiles whose last wave is issued in this cycle; at most DRAINS may be under way.
    i_room : free words of the output FIFO. o_reserve : words that this unit will deliver.
    i_turn_done : the output turn has delivered a group.
    o_begin, o_record, i_parameters, o_swap : of `ParameterSchedule`: a burst is wanted; it may be
    swapped in; it has been.
    o_drain : this cycle's element.
    o_free : a bank is free. A tile leaves its own when its last element has been issued and its
    parameters have been swapped.
    o_idle : nothing is under way, and the last result has left the feet.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        words = unsigned(config.output_depth.bit_length())
        super().__init__(
            {
                "i": In(stream.Signature(JOB)),
                "i_room": In(words),
                "o_reserve": Out(words),
                "i_turn_done": In(1),
                "o_begin": Out(1),
                "o_record": Out(unsigned(16)),
                "i_parameters": In(1),
                "o_swap": Out(1),
                "o_drain": Out(drain_layout(config)),
                "o_free": Out(1),
                "o_idle": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        queue: Any = Queue(shape=JOB, depth=DRAINS)
        m.submodules.queue = queue
        m.submodules.walk = walk = UnitWalk(config=self._config)
        m.submodules.room = room = UnitRoom(config=self._config)
        connect(m, flipped(self.i), queue.i)
        job, drain = queue.o.payload, self.o_drain
        unit = Signal(16)
        begin, elements, last_unit = Signal(), Signal(), unit == job.units - 1
        ends = elements & walk.o_last
        m.d.comb += [
            walk.i_begin.eq(begin),
            walk.i_unit.eq(unit + elements),
            walk.i_step.eq(elements),
            walk.i_units.eq(job.units),
            walk.i_transform.eq(job.transform),
            room.i_by_channel.eq(job.by_channel),
            room.i_last_unit.eq(last_unit),
            room.i_transform.eq(job.transform),
            room.i_active.eq(elements),
            room.i_begin.eq(begin),
            room.i_end.eq(ends),
            room.i_turn_done.eq(self.i_turn_done),
            room.i_room.eq(self.i_room),
            self.o_reserve.eq(room.o_reserve),
            self.o_record.eq(job.record),
            self.o_free.eq(queue.level != DRAINS),
            drain.valid.eq(elements),
            drain.take.eq(ends & (job.by_channel | (unit == 0))),
            drain.by_channel.eq(job.by_channel),
            drain.close.eq(room.o_close),
            drain.pixels.eq(job.pixels),
            drain.record.eq(job.record + unit),
            drain.bank.eq(job.bank),
            drain.transform.eq(job.transform),
            drain.address.eq(walk.o_address),
        ]
        with m.If(ends):
            m.d.sync += unit.eq(Mux(last_unit, 0, unit + 1))
        swapped = self._swap(m, ends & (unit == 0) & ~job.by_channel)
        settle, cool = self._timers(m, elements)
        with m.FSM() as fsm:
            idle = fsm.ongoing("IDLE") & ~queue.o.valid
            m.d.comb += self.o_idle.eq(idle & cool & room.o_empty)
            with m.State("IDLE"):
                m.d.sync += [settle.eq(SETTLE_CYCLES), swapped.eq(0)]
                with m.If(queue.o.valid):
                    m.d.comb += self.o_begin.eq(~job.by_channel)
                    m.next = "PARAMETERS"
            with m.State("PARAMETERS"):
                with m.If((settle == 0) & (job.by_channel | self.i_parameters)):
                    m.next = "UNIT"
            with m.State("UNIT"):
                m.d.comb += begin.eq(room.o_room)
                with m.If(room.o_room):
                    m.next = "ELEMENTS"
            with m.State("ELEMENTS"):
                m.d.comb += [elements.eq(1), begin.eq(walk.o_last & room.o_room & ~last_unit)]
                with m.If(walk.o_last & ~room.o_room):
                    m.next = "UNIT"
                with m.If(walk.o_last & last_unit):
                    m.next = "SWAP"
            with m.State("SWAP"):
                with m.If(swapped | job.by_channel):
                    m.d.comb += queue.o.ready.eq(1)
                    m.next = "IDLE"
        return m

    def _longest(self) -> int:
        return max(output_latency(t, self._config.transforms) for t in self._config.transforms)

    def _swap(self, m: Module, taken: Any) -> Signal:
        """WS: the parameters are swapped in when the first unit reaches the feet."""
        swapped = Signal()
        late = delayed(m, taken, self._longest(), name="swap", reset_less=False)
        m.d.comb += self.o_swap.eq(late)
        with m.If(self.o_swap):
            m.d.sync += swapped.eq(1)
        return swapped

    def _timers(self, m: Module, elements: Any) -> tuple[Signal, Any]:
        """Cycles until a tile's sums are in their accumulators; whether all results are out."""
        transforms = self._config.transforms
        tail = self._longest() + max(t.alpha * t.m for t in transforms) + DRAINED_LATENCY
        settle, cooling = Signal(range(SETTLE_CYCLES + 1)), Signal(range(tail + 1))
        with m.If(settle != 0):
            m.d.sync += settle.eq(settle - 1)
        with m.If(elements):
            m.d.sync += cooling.eq(tail)
        with m.Elif(cooling != 0):
            m.d.sync += cooling.eq(cooling - 1)
        return settle, cooling == 0
