"""The drain: finished Winograd tiles, element by element, from the accumulators to the output."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.conv.array.wave import drain_layout
from hw.conv.sequence.drained_units import UnitRoom, UnitWalk
from hw.isa.config import OverlayConfig
from hw.isa.timing import DRAINED_LATENCY, SETTLE_CYCLES, output_latency
from hw.lib.counted_steps import Steps
from hw.lib.pipelining import delayed
from hw.lib.queue import Queue

DRAINS = 2  # banks of accumulators


def job_layout(config: OverlayConfig) -> data.StructLayout:
    """A finished tile.

    units : WS: tiles of pixels, IS: channels, whose elements are so many apart. single : there is
    one. pixels : IS, columns with a tile, minus one. record : the first one.
    """
    return data.StructLayout(
        {
            "by_channel": 1,
            "units": unsigned(16),
            "single": 1,
            "pixels": unsigned(16),
            "bank": 1,
            "transform": unsigned(config.transform_bits),
            "record": unsigned(16),
        }
    )


class DrainSteps(wiring.Component):
    """The steps of a tile: its sums settle and its parameters come, its units follow, it leaves.

    A tile is taken up when it is there, and left when its last element has been issued and its
    parameters have been swapped (IS: each unit brings its own).

    Members
    -------
    i_tile : a tile is there, until it is left. i_by_channel : of which kind, once it is taken up.
    i_parameters : its parameters may be swapped in. i_swap : they are, in this cycle.
    i_room : the next unit may begin.
    i_last_element, i_last_unit : this element is its unit's last; this unit is its tile's.
    o_take : the tile is taken up.
    o_begin : a unit begins in the next cycle. o_elements : an element is issued.
    o_leave : the tile is left. o_idle : no tile is there.
    """

    def __init__(self) -> None:
        inputs = ("tile", "by_channel", "parameters", "swap", "room", "last_element", "last_unit")
        outputs = ("take", "begin", "elements", "leave", "idle")
        super().__init__(
            {f"i_{name}": In(1) for name in inputs} | {f"o_{name}": Out(1) for name in outputs}
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        settle = Signal(range(SETTLE_CYCLES + 1))  # until the sums are in their accumulators
        swapped = Signal()
        with m.If(settle != 0):
            m.d.sync += settle.eq(settle - 1)
        with m.If(self.i_swap):
            m.d.sync += swapped.eq(1)
        m.d.comb += self.o_idle.eq(~self.i_tile)  # it stays until it is left
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [settle.eq(SETTLE_CYCLES), swapped.eq(0)]
                with m.If(self.i_tile):
                    m.d.comb += self.o_take.eq(1)
                    m.next = "PARAMETERS"
            with m.State("PARAMETERS"):
                with m.If((settle == 0) & (self.i_by_channel | self.i_parameters)):
                    m.next = "UNIT"
            with m.State("UNIT"):
                m.d.comb += self.o_begin.eq(self.i_room)
                with m.If(self.i_room):
                    m.next = "ELEMENTS"
            with m.State("ELEMENTS"):
                follows = self.i_last_element & self.i_room & ~self.i_last_unit
                m.d.comb += [self.o_elements.eq(1), self.o_begin.eq(follows)]
                with m.If(self.i_last_element & ~self.i_room):
                    m.next = "UNIT"
                with m.If(self.i_last_element & self.i_last_unit):
                    m.next = "SWAP"
            with m.State("SWAP"):
                with m.If(swapped | self.i_by_channel):
                    m.d.comb += self.o_leave.eq(1)
                    m.next = "IDLE"
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
    i_room : free words of the output FIFO. o_reserve : WS, a unit will deliver ``o_words``; IS, the
    output turn takes so many at a time.
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
                "i": In(stream.Signature(job_layout(config))),
                "i_room": In(words),
                "o_reserve": Out(1),
                "o_words": Out(words),
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
        layout = job_layout(self._config)
        queue: Any = Queue(shape=layout, depth=DRAINS)
        m.submodules.queue = queue
        m.submodules.steps = steps = DrainSteps()
        m.submodules.walk = walk = UnitWalk(config=self._config)
        m.submodules.room = room = UnitRoom(config=self._config)
        connect(m, flipped(self.i), queue.i)
        m.submodules.units = units = Steps(bits=16)
        job, unit = Signal(layout), Signal(16)
        with m.If(steps.o_take):
            m.d.sync += job.eq(queue.o.payload)
        last_unit, ends = units.o_last, Signal()
        m.d.comb += [
            ends.eq(steps.o_elements & walk.o_last),
            units.i_count.eq(job.units),
            units.i_single.eq(job.single),
            units.i_advance.eq(ends),
        ]
        with m.If(ends):
            m.d.sync += unit.eq(Mux(last_unit, 0, unit + 1))
        m.d.comb += [
            queue.o.ready.eq(steps.o_leave),
            steps.i_tile.eq(queue.o.valid),
            steps.i_by_channel.eq(job.by_channel),
            steps.i_parameters.eq(self.i_parameters),
            steps.i_swap.eq(self.o_swap),
            steps.i_room.eq(room.o_room),
            steps.i_last_element.eq(walk.o_last),
            steps.i_last_unit.eq(last_unit),
            self.o_begin.eq(steps.o_take & ~queue.o.payload.by_channel),
            self.o_record.eq(queue.o.payload.record),
            self.o_drain.valid.eq(steps.o_elements),
            self.o_drain.address.eq(walk.o_address),
            self.o_free.eq(queue.i.ready),
            self.o_idle.eq(steps.o_idle & self._cool(m, steps.o_elements) & room.o_empty),
        ]
        self._walk(m, walk, steps, job, unit)
        self._reserve(m, room, steps, job, ends)
        first_ends = ends & units.o_first
        self._issue(m, job, unit, (ends & job.by_channel) | first_ends, room.o_close)
        self._swap(m, first_ends & ~job.by_channel)
        return m

    def _walk(self, m: Module, walk: UnitWalk, steps: DrainSteps, job: Any, unit: Any) -> None:
        """The walk goes through this unit; in its last cycle, the next one may begin already."""
        m.d.comb += [
            walk.i_begin.eq(steps.o_begin),
            walk.i_unit.eq(unit + steps.o_elements),
            walk.i_step.eq(steps.o_elements),
            walk.i_units.eq(job.units),
            walk.i_transform.eq(job.transform),
        ]

    def _reserve(self, m: Module, room: UnitRoom, steps: DrainSteps, job: Any, ends: Any) -> None:
        """Each unit takes the room for its results as it begins."""
        m.d.comb += [
            room.i_by_channel.eq(job.by_channel),
            room.i_last_unit.eq(steps.i_last_unit),
            room.i_transform.eq(job.transform),
            room.i_active.eq(steps.o_elements),
            room.i_begin.eq(steps.o_begin),
            room.i_end.eq(ends),
            room.i_turn_done.eq(self.i_turn_done),
            room.i_room.eq(self.i_room),
            self.o_reserve.eq(room.o_reserve),
            self.o_words.eq(room.o_words),
        ]

    def _issue(self, m: Module, job: Any, unit: Any, take: Any, close: Any) -> None:
        """What the feet must know of the element, beside its address."""
        drain = self.o_drain
        m.d.comb += [
            drain.take.eq(take),
            drain.by_channel.eq(job.by_channel),
            drain.close.eq(close),
            drain.pixels.eq(job.pixels),
            drain.record.eq(job.record + unit),
            drain.bank.eq(job.bank),
            drain.transform.eq(job.transform),
        ]

    def _longest(self) -> int:
        return max(output_latency(t, self._config.transforms) for t in self._config.transforms)

    def _swap(self, m: Module, taken: Any) -> None:
        """WS: the parameters are swapped in when the first unit reaches the feet."""
        late = delayed(m, taken, self._longest(), name="swap", reset_less=False)
        m.d.comb += self.o_swap.eq(late)

    def _cool(self, m: Module, elements: Any) -> Any:
        """Whether the results of all elements have left the feet."""
        transforms = self._config.transforms
        tail = self._longest() + max(t.drained for t in transforms) + DRAINED_LATENCY
        cooling = Signal(range(tail + 1))  # cycles to wait
        cools = Signal()  # there are some
        with m.If(elements):
            m.d.sync += [cooling.eq(tail), cools.eq(1)]
        with m.Elif(cools):
            m.d.sync += [cooling.eq(cooling - 1), cools.eq(cooling != 1)]
        return ~cools
