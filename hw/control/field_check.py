"""Instructions that no engine could execute are found beside their dispatch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hw.isa import (
    COUNTS,
    HEAD,
    HEAD_LAYOUT,
    KN2ROW_WS_COUNTS,
    LAYOUTS,
    TENSOR_ADDRESSES,
    TRANSFORM_OF,
    WINOGRAD_COUNTS,
    Algorithm,
    Combination,
    Dataflow,
    Error,
    MemorySpace,
    Opcode,
)
from hw.isa.config import PARAMETER_BYTES, OverlayConfig

QUEUED = (Opcode.LOAD, Opcode.CONV, Opcode.POOL, Opcode.STORE, Opcode.WEIGHTS)
FETCH_BITS = max(LAYOUTS[opcode].size for opcode in (Opcode.BEGIN, *QUEUED))

FAILURE = data.StructLayout({"code": Error, "tag": HEAD["tag"]})


class FieldCheck(wiring.Component):
    """Looks for counts of zero and for what the overlay does not have.

    The engines rely on it.  Nothing waits for it: it speaks before any engine could do harm outside
    of its own memories, which the reset after an error cleans.

    Parameters
    ----------
    config : the overlay's.

    Members
    -------
    i_valid, i_word : an instruction is dispatched in this cycle.
    o_failed : pulse, two cycles later: ``o_failure`` has code and tag.
    """

    def __init__(self, *, config: OverlayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i_valid": In(1),
                "i_word": In(FETCH_BITS),
                "o_failed": Out(1),
                "o_failure": Out(FAILURE),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        checked, tag = Signal(), Signal(HEAD["tag"])
        found = []
        for opcode in QUEUED:
            layout = LAYOUTS[opcode]
            one = data.View(layout, self.i_word[: layout.size])
            faults = Cat(self._faults(opcode, one))
            own, each = Signal(name=f"is_{opcode.name}"), Signal.like(faults)
            m.d.sync += [own.eq(one.opcode == opcode), each.eq(faults)]
            found.append(own & each.any())
        m.d.sync += [
            checked.eq(self.i_valid),
            tag.eq(data.View(HEAD_LAYOUT, self.i_word[: HEAD_LAYOUT.size]).tag),
            self.o_failed.eq(checked & Cat(found).any()),
            self.o_failure.code.eq(Error.FIELD),
            self.o_failure.tag.eq(tag),
        ]
        return m

    def _faults(self, opcode: Opcode, one: Any) -> Iterator[Any]:
        """What may be wrong with an instruction, a bit each."""
        yield from (one[name] == 0 for name in COUNTS.get(opcode, ()))
        memory = exact_log2(self._config.tensor_bytes)
        yield from (one[name][memory:].any() for name in TENSOR_ADDRESSES.get(opcode, ()))
        if opcode in (Opcode.CONV, Opcode.POOL):
            yield one.table > self._config.tables
        if opcode is Opcode.POOL:
            yield one.product > self._config.products
            yield one.normalise > self._config.normalisation
            if not self._config.depthwise:
                yield one.depthwise
            if not self._config.pairs:
                yield (one.combination != Combination.PRODUCT) | one.spread
        if opcode is Opcode.LOAD:
            record = exact_log2(PARAMETER_BYTES)
            yield (one.space == MemorySpace.PARAMETER) & one.bytes[:record].any()
        elif opcode is Opcode.STORE:
            yield one.space != MemorySpace.TENSOR
        elif opcode is Opcode.WEIGHTS:
            yield one.beats_per_word > self._config.weight_beats
        elif opcode is Opcode.CONV:
            yield from self._conv_faults(one)

    def _conv_faults(self, conv: Any) -> Iterator[Any]:
        config = self._config
        kn2row = conv.algorithm == Algorithm.KN2ROW
        direct = kn2row | (conv.algorithm == Algorithm.IM2COL)
        stationary = {dataflow: conv.dataflow == dataflow for dataflow in Dataflow}
        yield conv.dataflow > max(Dataflow)
        yield from (kn2row & stationary[Dataflow.WS] & (conv[n] == 0) for n in KN2ROW_WS_COUNTS)
        yield from (~direct & (conv[name] == 0) for name in WINOGRAD_COUNTS)
        yield ~direct & stationary[Dataflow.NS]
        for algorithm, transform in TRANSFORM_OF.items():
            if transform not in config.transforms:
                yield conv.algorithm == algorithm
        depth, rows, columns = config.accumulator_depth, config.rows, config.columns
        for dataflow, channels, pixels in (
            (Dataflow.WS, columns, depth),
            (Dataflow.IS, depth, columns),
            (Dataflow.NS, columns, rows),
        ):
            own = direct & stationary[dataflow]
            yield own & (conv.channel_tile > channels)
            yield own & (conv.pixel_tile > pixels)
