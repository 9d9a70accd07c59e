"""The way of a pass's sums out of the multipliers: beat by beat, requantised."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.isa.timing import BANK_LATENCY, DRAIN_LATENCY, REQUANTISE_LATENCY, ROUND_LATENCY
from hw.lib.pipelining import delayed
from hw.lib.requantise import Requantise, Round
from hw.stages.pass_walk import below
from hw.stages.shape import StageShape
from hw.stages.stage_parameters import StageParameters, parameter_bits


class ResultDrain(wiring.Component):
    """Takes the sums of all segments at once; they leave at a fixed rate, segment by segment.

    A beat holds ``drain_channels`` channels of ``drain_segments`` neighbouring segments.  It
    follows the sums by ``drain_latency`` cycles, and one for each beat before it.  A pass leaves
    before the sums of the next come.

    Parameters
    ----------
    shape : of the stage.

    Members
    -------
    i : In. Sums: channels of each segment. i_load : In. They are those of a whole pass.
    i_parameters : stream, as `StageParameters` takes it.
    o : Out. Results of a beat. o_valid : Out. There is one.
    o_padding : Out. What lies outside of the input.
    o_there : Out. Parameters have come.
    """

    def __init__(self, *, shape: StageShape) -> None:
        self._shape = shape
        self._words = shape.drain_channels * shape.drain_segments
        sums = data.ArrayLayout(signed(shape.accumulator_bits), shape.para_out)
        super().__init__(
            {
                "i": In(sums).array(shape.para_seg),
                "i_load": In(1),
                "i_parameters": In(stream.Signature(parameter_bits(shape))),
                "o": Out(data.ArrayLayout(signed(shape.bits), self._words)),
                "o_valid": Out(1),
                "o_padding": Out(shape.bits),
                "o_there": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape = self._shape
        left = Signal(range(shape.drain_beats + 1))
        with m.If(self.i_load):
            m.d.sync += left.eq(shape.drain_beats)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)

        m.submodules.parameters = parameters = StageParameters(shape=shape)
        wiring.connect(m, wiring.flipped(self.i_parameters), parameters.i)
        header = parameters.o_header
        m.d.comb += [
            parameters.i_row.eq(self._row(m, left != 0)),
            self.o_there.eq(parameters.o_there),
            self.o_padding.eq(header.padding),
        ]
        beat = delayed(m, self._chain(m), BANK_LATENCY, name="beat")
        results = []
        for word in range(self._words):
            record = parameters.o[word % shape.drain_channels]
            value = beat.word_select(word, shape.accumulator_bits).as_signed()
            results.append(self._requantise(m, word, value, record, header))
        latency = DRAIN_LATENCY + (REQUANTISE_LATENCY if shape.scaled else ROUND_LATENCY)
        m.d.comb += [
            self.o.eq(Cat(results)),
            self.o_valid.eq(delayed(m, left != 0, latency, name="valid", reset_less=False)),
        ]
        return m

    def _chain(self, m: Module) -> Any:
        """The beat at the end of the sums that move on.

        A register for each beat: Amaranth makes none of 2**16 bits.
        """
        shape = self._shape
        step = self._words * shape.accumulator_bits
        beats = shape.para_out // shape.drain_channels  # of segments that leave together
        behind: Any = Const(0, step)
        for first in reversed(range(0, shape.para_seg, shape.drain_segments)):
            together = self.i[first : first + shape.drain_segments]
            sums = Cat(segment.as_value() for segment in together)
            for beat in reversed(range(beats)):
                held = Signal(step, name=f"held_{first}_{beat}", reset_less=True)
                loaded = sums[beat * step : (beat + 1) * step]
                m.d.sync += held.eq(Mux(self.i_load, loaded, behind))
                behind = held
        return behind

    def _row(self, m: Module, active: Any) -> Signal:
        """The beat of a pixel's channels: for each segment of a step, then the next tile's."""
        shape = self._shape
        of_tile = shape.para_out // shape.drain_channels
        segments = -(-shape.para_seg // shape.drain_segments)
        beat, first = Signal(below(of_tile)), Signal(below(shape.parameter_rows))
        segment, step_pass = Signal(below(segments)), Signal(below(shape.step_passes))
        step, row = Signal(below(shape.steps)), Signal(below(shape.parameter_rows))
        rest = shape.passes - (shape.steps - 1) * shape.step_passes
        last_step = step == shape.steps - 1
        last_pass = step_pass == Mux(last_step, rest, shape.step_passes) - 1
        last_tile = first == shape.parameter_rows - of_tile
        m.d.comb += row.eq(first + beat)
        with m.If(active):
            m.d.sync += beat.eq(beat + 1)
            with m.If(beat == of_tile - 1):
                m.d.sync += [beat.eq(0), segment.eq(segment + 1)]
                with m.If(segment == segments - 1):
                    m.d.sync += [segment.eq(0), step_pass.eq(step_pass + 1)]
                    with m.If(last_pass):
                        m.d.sync += [step_pass.eq(0), first.eq(first + of_tile)]
                        with m.If(last_tile):
                            m.d.sync += [first.eq(0), step.eq(Mux(last_step, 0, step + 1))]
        return row

    def _requantise(self, m: Module, word: int, value: Any, record: Any, header: Any) -> Any:
        shape = self._shape
        total = Signal(signed(shape.accumulator_bits), name=f"total_{word}", reset_less=True)
        m.d.sync += total.eq(value + record.bias)
        shift = delayed(m, record.shift, 1, name=f"shift_{word}")
        unit: Any
        if shape.scaled:
            unit = Requantise(accumulator_bits=shape.accumulator_bits)
            mantissa = delayed(m, record.mantissa, 1, name=f"mantissa_{word}")
            m.d.comb += [unit.i_accumulator.eq(total), unit.i_mantissa.eq(mantissa)]
        else:
            unit = Round(bits=shape.accumulator_bits, result_bits=shape.bits)
            m.d.comb += unit.i_value.eq(total)
        m.submodules[f"requantise_{word}"] = unit
        m.d.comb += [
            unit.i_shift.eq(shift),
            unit.i_zero_point.eq(header.zero_point),
            unit.i_low.eq(header.low),
            unit.i_high.eq(header.high),
        ]
        return unit.o_result
