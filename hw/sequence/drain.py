"""The drain: finished Winograd tiles, element by element, from the accumulators to the output."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.algorithm import multiple, of_transform
from hw.array.foot import DRAINED_LATENCY, REUSE_DISTANCE
from hw.array.output_turn import GROUPS
from hw.array.wave import drain_layout
from hw.bus.queue import Queue
from hw.config import OverlayConfig
from hw.pipeline import delayed
from hw.winograd.output_transform import output_latency

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
        config = self._config
        queue: Any = Queue(shape=JOB, depth=DRAINS)
        m.submodules.queue = queue
        m.d.comb += [
            queue.i.payload.eq(self.i.payload),
            queue.i.valid.eq(self.i.valid),
            self.i.ready.eq(queue.i.ready),
            self.o_free.eq(queue.level != DRAINS),
        ]
        job = queue.o.p
        drain = self.o_drain
        edge = of_transform(config, job.transform, lambda t: t.alpha - 1)
        pixels = of_transform(config, job.transform, lambda t: t.pixels)
        step = of_transform(config, job.transform, lambda t: multiple(job.units, t.alpha))
        unit = Signal(16)
        i, j = Signal(3), Signal(3)
        column, address = Signal(config.address_bits), Signal(config.address_bits)
        last = (i == edge) & (j == edge)
        last_unit = unit == job.units - 1
        member = Signal(range(config.columns))  # of the group
        last_member = (member == config.columns - 1) | last_unit
        groups = Signal(range(GROUPS + 1))
        begin_group = Signal()
        m.d.sync += groups.eq(groups + begin_group - self.i_turn_done)
        # The next unit starts a group.
        fresh = Mux(drain.valid, last_member, member == 0)
        room = Mux(job.by_channel, ~fresh | (groups != GROUPS), self.i_room >= pixels)
        following = Signal(16)
        begin_unit = Signal()
        settle = Signal(range(REUSE_DISTANCE + 2))
        longest = max(output_latency(t, config.transforms) for t in config.transforms)
        tail = longest + max(t.alpha * t.m for t in config.transforms) + DRAINED_LATENCY
        cooling = Signal(range(tail + 1))
        swapped = Signal()
        m.d.comb += [
            self.o_record.eq(job.record),
            begin_group.eq(begin_unit & job.by_channel & fresh),
            self.o_reserve.eq(Mux(begin_unit & ~job.by_channel, pixels, 0)),
            self.o_swap.eq(
                delayed(m, drain.take & ~drain.by_channel, longest, name="swap", reset_less=False)
            ),
            drain.by_channel.eq(job.by_channel),
            drain.close.eq(last_member),
            drain.pixels.eq(job.pixels),
            drain.record.eq(job.record + unit),
            drain.bank.eq(job.bank),
            drain.transform.eq(job.transform),
            drain.address.eq(address),
        ]
        with m.If(self.o_swap):
            m.d.sync += swapped.eq(1)
        with m.If(drain.valid):
            m.d.sync += cooling.eq(tail)
        with m.Elif(cooling != 0):
            m.d.sync += cooling.eq(cooling - 1)
        with m.If(settle != 0):
            m.d.sync += settle.eq(settle - 1)
        with m.FSM() as fsm:
            m.d.comb += self.o_idle.eq(
                fsm.ongoing("IDLE") & ~queue.o.valid & (cooling == 0) & (groups == 0)
            )
            with m.State("IDLE"):
                m.d.sync += [settle.eq(REUSE_DISTANCE + 1), swapped.eq(0)]
                with m.If(queue.o.valid):
                    m.d.comb += self.o_begin.eq(~job.by_channel)
                    m.next = "PARAMETERS"
            with m.State("PARAMETERS"):
                with m.If((settle == 0) & (job.by_channel | self.i_parameters)):
                    m.next = "UNIT"
            with m.State("UNIT"):
                m.d.comb += begin_unit.eq(room)
                with m.If(room):
                    m.next = "ELEMENTS"
            with m.State("ELEMENTS"):
                takes = job.by_channel | (unit == 0)
                m.d.comb += [drain.valid.eq(1), drain.take.eq(last & takes)]
                m.d.sync += [i.eq(i + 1), address.eq(address + step)]
                with m.If(i == edge):
                    m.d.sync += [i.eq(0), j.eq(j + 1)]
                    m.d.sync += [column.eq(column + job.units), address.eq(column + job.units)]
                with m.If(last):
                    m.d.sync += [unit.eq(unit + 1), member.eq(Mux(last_member, 0, member + 1))]
                    m.d.comb += begin_unit.eq(room & ~last_unit)
                    with m.If(~room):
                        m.next = "UNIT"
                    with m.If(last_unit):
                        m.d.sync += unit.eq(0)
                        m.next = "SWAP"
            with m.State("SWAP"):
                with m.If(swapped | job.by_channel):
                    m.d.comb += queue.o.ready.eq(1)
                    m.next = "IDLE"
        m.d.comb += following.eq(unit + drain.valid)
        with m.If(begin_unit):
            m.d.sync += [i.eq(0), j.eq(0), column.eq(following), address.eq(following)]
        return m
