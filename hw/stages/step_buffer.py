"""Results of a step, put in the order of pixels."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.isa.timing import BANK_LATENCY
from hw.lib.pipelining import delayed
from hw.lib.queue import Queue
from hw.stages.pass_walk import below
from hw.stages.result_beat import result_layout
from hw.stages.ring_bank import RingBank
from hw.stages.shape import StageShape

OUT_DEPTH = 8  # beats between the banks and the stream: more than are under way


class StepBuffer(wiring.Component):
    """Takes a step tile by tile, gives it pixel by pixel with all channels.

    ``drain_segments`` banks take the segments of a beat.  A bank's word holds as many tiles, so
    that one word a cycle is as fast.

    Parameters
    ----------
    shape : of the stage, LINE or BAND.

    Members
    -------
    i, i_valid : In. Beats of the drain; the step's room was reserved.
    i_step : In. Room for a step is reserved.
    o : stream of beats.
    o_room : Out. There is room for a step.
    """

    def __init__(self, *, shape: StageShape) -> None:
        self._shape = shape
        words = shape.drain_channels * shape.drain_segments
        super().__init__(
            {
                "i": In(data.ArrayLayout(signed(shape.bits), words)),
                "i_valid": In(1),
                "i_step": In(1),
                "o": Out(stream.Signature(result_layout(shape.beat_channels, shape.bits))),
                "o_room": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape = self._shape
        slots = shape.step_slots
        part = shape.drain_channels * shape.bits
        banks = [
            RingBank(depth=slots * shape.step_words, part_bits=part, parts=shape.drain_segments)
            for _ in range(shape.drain_segments)
        ]
        write, written = self._write(m), Signal()
        m.d.comb += written.eq(write["over"])
        read = self._read(m)
        free, full = Signal(range(slots + 1), init=slots), Signal(range(slots + 1))
        m.d.sync += [
            free.eq(free - self.i_step + read["over"]),
            full.eq(full + delayed(m, written, 1, name="written") - read["over"]),
        ]
        m.d.comb += [self.o_room.eq(free != 0), read["some"].eq(full != 0)]
        for number, bank in enumerate(banks):
            m.submodules[f"bank_{number}"] = bank
            m.d.comb += [
                bank.i_row.eq(read["row"]),
                bank.i_write.eq(self.i_valid << write["part"]),
                bank.i_write_row.eq(write["row"]),
                bank.i_values.eq(self.i.as_value().word_select(number, part)),
            ]
        m.submodules.queue = queue = Queue(
            shape=result_layout(shape.beat_channels, shape.bits), depth=OUT_DEPTH
        )
        m.d.comb += [
            queue.i.valid.eq(delayed(m, read["go"], BANK_LATENCY, name="go", reset_less=False)),
            queue.i.payload.short.eq(delayed(m, read["short"], BANK_LATENCY, name="short")),
            queue.i.payload.values.eq(
                Array(bank.o for bank in banks)[delayed(m, read["bank"], BANK_LATENCY, name="bank")]
            ),
        ]
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        credits = Signal(range(OUT_DEPTH + 1), init=OUT_DEPTH)
        m.d.sync += credits.eq(credits - read["go"] + (self.o.valid & self.o.ready))
        m.d.comb += read["credit"].eq(credits != 0)
        return m

    def _write(self, m: Module) -> dict[str, Any]:
        """Tile by tile, pass by pass, segment by segment."""
        shape = self._shape
        of_tile = shape.para_out // shape.drain_channels
        segments = -(-shape.para_seg // shape.drain_segments)
        words = below(shape.step_slots * shape.step_words)
        slot, pixel = Signal(words), Signal(words)
        tile = Signal(below(shape.stored_beats))
        beat, segment = Signal(below(of_tile)), Signal(below(segments))
        step_pass, step = Signal(below(shape.step_passes)), Signal(below(shape.steps))
        part, number = Signal(below(shape.drain_segments)), Signal(below(shape.tiles))
        rest = shape.passes - (shape.steps - 1) * shape.step_passes
        last_step = step == shape.steps - 1
        last_pass = step_pass == Mux(last_step, rest, shape.step_passes) - 1
        last_tile = number == shape.tiles - 1
        over = Signal()
        with m.If(self.i_valid):
            m.d.sync += beat.eq(beat + 1)
            with m.If(beat == of_tile - 1):
                m.d.sync += [
                    beat.eq(0),
                    segment.eq(segment + 1),
                    pixel.eq(pixel + shape.stored_beats),
                ]
                with m.If(segment == segments - 1):
                    m.d.sync += [segment.eq(0), step_pass.eq(step_pass + 1)]
                    with m.If(last_pass):
                        m.d.sync += [step_pass.eq(0), pixel.eq(slot), number.eq(number + 1)]
                        if shape.drain_segments > 1:
                            turns = part == shape.drain_segments - 1
                            m.d.sync += [
                                part.eq(Mux(turns, 0, part + 1)),
                                tile.eq(tile + turns),
                            ]
                        else:
                            m.d.sync += tile.eq(tile + of_tile)
                        with m.If(last_tile):
                            m.d.comb += over.eq(1)
                            following = self._slot(slot)
                            m.d.sync += [
                                slot.eq(following),
                                pixel.eq(following),
                                number.eq(0),
                                part.eq(0),
                                tile.eq(0),
                                step.eq(Mux(last_step, 0, step + 1)),
                            ]
        return {"row": (pixel + tile + beat)[: words.width], "part": part, "over": over}

    def _slot(self, slot: Any) -> Any:
        shape = self._shape
        return Mux(slot == (shape.step_slots - 1) * shape.step_words, 0, slot + shape.step_words)

    def _read(self, m: Module) -> dict[str, Any]:
        """Pixel by pixel, only those of the map; `some` and `credit` are for others to drive."""
        shape = self._shape
        some, credit, go, over = (Signal(name=n) for n in ("some", "credit", "go", "read_over"))
        words = below(shape.step_slots * shape.step_words)
        slot, pixel = Signal(words, name="read_slot"), Signal(words, name="read_pixel")
        beat = Signal(below(shape.pixel_beats), name="read_beat")
        bank, segment = Signal(below(shape.drain_segments)), Signal(below(shape.para_seg))
        step_pass, left = Signal(below(shape.step_passes)), Signal(below(shape.pixels))
        last_segment = segment == shape.para_seg - 1
        last_pixel = left == shape.pixels - 1
        m.d.comb += go.eq(some & credit)
        with m.If(go):
            m.d.sync += beat.eq(beat + 1)
            with m.If(beat == shape.pixel_beats - 1):
                turns = (bank == shape.drain_segments - 1) | last_segment
                m.d.sync += [
                    beat.eq(0),
                    left.eq(Mux(last_pixel, 0, left + 1)),
                    segment.eq(segment + 1),
                    bank.eq(Mux(turns, 0, bank + 1)),
                    pixel.eq(Mux(turns, pixel + shape.stored_beats, pixel)),
                ]
                with m.If(last_segment):
                    m.d.sync += [segment.eq(0), step_pass.eq(step_pass + 1)]
                last_pass = step_pass == shape.step_passes - 1
                with m.If((last_segment & last_pass) | last_pixel):
                    following = self._slot(slot)
                    m.d.comb += over.eq(1)
                    m.d.sync += [
                        segment.eq(0),
                        step_pass.eq(0),
                        bank.eq(0),
                        slot.eq(following),
                        pixel.eq(following),
                    ]
        short = Signal(name="short_now")
        if shape.n_out % shape.beat_channels:
            m.d.comb += short.eq(beat == shape.pixel_beats - 1)
        return {
            "some": some,
            "credit": credit,
            "go": go,
            "over": over,
            "row": (pixel + beat)[: words.width],
            "bank": bank,
            "short": short,
        }
