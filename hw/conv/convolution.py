"""The convolution engine: feeder, sequencer, array and writer, with the FIFOs between them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from amaranth.hdl import Cat, Module, ResetSignal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.conv.array.array import Array
from hw.conv.array.parameter_chain import record_address
from hw.conv.array.primitive import BEHAVIOURAL, Primitive
from hw.conv.feed.feeder import FEED, Feeder
from hw.conv.feed.scratch import Scratch
from hw.conv.sequence.fed import fed_word
from hw.conv.sequence.issuer import STALL
from hw.conv.sequence.loader import SEQUENCE, sequence_of
from hw.conv.sequence.sequencer import Sequencer, Split
from hw.conv.write.result_writer import WRITE, Writer
from hw.isa import CONV, PARAMETER
from hw.isa.config import OverlayConfig
from hw.lib.oldest import Oldest
from hw.lib.queue import Queue
from hw.lib.relay import CAPACITY, Relay
from hw.lib.replay import WeightBuffer, WeightRead
from hw.lib.reset_register import in_reset
from hw.lib.table_lanes import table_write
from hw.lib.tensor_memory import read_request, write_request
from hw.winograd.input_transform import InputTransform

INSTRUCTIONS = CAPACITY  # that feeder, sequencer or writer may be behind each other


def select(layout: data.StructLayout, instruction: Any) -> Any:
    """The fields of a smaller layout, in its order."""
    return Cat(getattr(instruction, name) for name in layout.members)


class ConvEngine(wiring.Component):
    """Executes CONV instructions, in order; independent ones overlap in the pipeline.

    Parameters
    ----------
    config : the overlay's.
    primitive : what the PEs are made of.

    Members
    -------
    i : instructions whose tokens are there. o_retire : pulse, the oldest one's last write was
    accepted.
    weights : the weight buffer's reading side.
    o_record_address, i_record : parameter memory.
    o_feed, i_feed_valid, i_feed : the feeder's tensor memory reads, and their answers.
    o_residual, i_residual : the writer's.
    i_table : writes of the tables.
    o_write : tensor memory writes, of highest priority.
    o_progress, o_stall : for watchdog and counters.
    """

    def __init__(self, *, config: OverlayConfig, primitive: Primitive = BEHAVIOURAL) -> None:
        self._config = config
        self._primitive = primitive
        weights = WeightRead(depth=config.weight_words, word_bits=8 * config.weight_word_bytes)
        super().__init__(
            {
                "i": In(stream.Signature(CONV)),
                "o_retire": Out(1),
                "weights": In(weights),
                "o_record_address": Out(record_address(config)),
                "i_record": In(PARAMETER),
                "o_feed": Out(stream.Signature(read_request())),
                "i_feed_valid": In(1),
                "i_feed": In(8 * config.tensor_word),
                "o_residual": Out(stream.Signature(read_request())),
                "i_residual": In(8 * config.tensor_word),
                "i_table": In(table_write(config)),
                "o_write": Out(stream.Signature(write_request(config))),
                "o_progress": Out(1),
                "o_stall": Out(STALL),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._config
        feeder = Feeder(config=config)
        sequencer = Sequencer(config=config)
        writer = Writer(config=config)
        for name, large in {"feeder": feeder, "sequencer": sequencer, "writer": writer}.items():
            in_reset(m, name, large, ResetSignal())
        m.submodules.split = split = Split(shape=CONV, outputs=3)
        connect(m, flipped(self.i), split.i)
        parts: list[tuple[Any, data.StructLayout, Callable[[Any], Any]]] = [
            (feeder, FEED, partial(select, FEED)),
            (sequencer, SEQUENCE, sequence_of),
            (writer, WRITE, partial(select, WRITE)),
        ]
        for k, (part, layout, told) in enumerate(parts):
            queue: Any = Relay(shape=layout)
            m.submodules[f"queue_{k}"] = queue
            whole = getattr(split, f"o_{k}")
            m.d.comb += [
                queue.i.payload.eq(told(whole.payload)),
                queue.i.valid.eq(whole.valid),
                whole.ready.eq(queue.i.ready),
            ]
            connect(m, queue.o, part.i)
        self._activations(m, feeder, sequencer)
        self._results(m, sequencer, writer)
        connect(m, flipped(self.weights), sequencer.weights)
        m.d.comb += [
            self.o_retire.eq(writer.o_retire),
            self.o_stall.eq(sequencer.o_stall),
            self.o_progress.eq(sequencer.o_issued),
        ]
        return m

    def _activations(self, m: Module, feeder: Feeder, sequencer: Sequencer) -> None:
        config = self._config
        m.submodules.activations = activations = WeightBuffer(
            depth=config.activation_depth, word_bits=fed_word(config).size
        )
        m.submodules.lasts = lasts = Oldest(shape=unsigned(1), depth=config.activation_depth)
        connect(m, feeder.o_read, flipped(self.o_feed))
        connect(m, activations.o, sequencer.activations)
        m.d.comb += [
            feeder.i_read.eq(self.i_feed),
            feeder.i_read_valid.eq(self.i_feed_valid),
            feeder.i_popped.eq(sequencer.activations.pop),
            activations.i.payload.eq(feeder.o_word),
            activations.i.valid.eq(feeder.o_valid),
            lasts.i_payload.eq(feeder.o_last),
            lasts.i_enters.eq(feeder.o_valid),
            lasts.i_leaves.eq(sequencer.activations.pop),
            lasts.i_some.eq(activations.o.some),
            lasts.i_more.eq(activations.o.level > 1),
            sequencer.i_last.eq(lasts.o_payload),
        ]
        array = Array(config=config, primitive=self._primitive)
        in_reset(m, "array", array, ResetSignal())
        m.d.comb += [
            array.i_activation.eq(activations.o.data[: config.activation_bits]),
            array.i_weight.eq(self.weights.data),
            array.i_wave.eq(sequencer.o_wave),
            array.i_load_parameters.eq(sequencer.o_load_parameters),
            array.i_first_record.eq(sequencer.o_first_record),
            array.i_parameter_record.eq(self.i_record),
            self.o_record_address.eq(array.o_parameter_address),
        ]
        self._array = array
        if config.transforms:
            self._transform(m, feeder, sequencer)

    def _transform(self, m: Module, feeder: Feeder, sequencer: Sequencer) -> None:
        """Winograd: patches through the input transform into the scratch memory."""
        config = self._config
        transform = InputTransform(
            lanes=config.reduction,
            transforms=config.transforms,
            operand_bits=config.operand_bits,
        )
        in_reset(m, "transform", transform, ResetSignal())
        m.submodules.scratch = scratch = Scratch(config=config)
        connect(m, scratch.o, sequencer.scratch)
        m.d.comb += [
            transform.i_valid.eq(feeder.o_patch_valid),
            transform.i_transform.eq(feeder.o_transform),
            scratch.i_asks.eq(feeder.o_asks),
            scratch.i_block.eq(feeder.o_block),
            feeder.i_fits.eq(scratch.o_fits),
            scratch.i_reserve.eq(feeder.o_reserve),
            scratch.i_valid.eq(transform.o_valid),
            scratch.i_last.eq(transform.o_last),
            scratch.i_word.eq(transform.o_word.as_value()),
        ]
        for lane in range(config.reduction):
            operand = feeder.o_word.operands.word_select(lane, config.operand_bits)
            m.d.comb += transform.i_word[lane].eq(operand[:8].as_signed())
        m.d.comb += [
            self._array.i_turn_room.eq(sequencer.o_turn_room),
            sequencer.i_turn_reserve.eq(self._array.o_turn_reserve),
            sequencer.i_turn_done.eq(self._array.o_turn_done),
        ]
        with m.If(sequencer.o_wave.scratch):
            m.d.comb += self._array.i_activation.eq(scratch.o.data)

    def _results(self, m: Module, sequencer: Sequencer, writer: Writer) -> None:
        config = self._config
        m.submodules.output = output = Queue(
            shape=8 * config.columns, depth=config.output_depth, block=True
        )
        m.d.comb += [
            output.i.payload.eq(self._array.o_word),
            output.i.valid.eq(self._array.o_valid),
            sequencer.i_returned.eq(output.o.valid & output.o.ready),
            writer.i_read.eq(self.i_residual),
            writer.i_table.eq(self.i_table),
        ]
        connect(m, output.o, writer.i_word)
        connect(m, writer.o_read, flipped(self.o_residual))
        connect(m, writer.o_write, flipped(self.o_write))
