"""Tensor memory: a word read from each copy and one word written a cycle, at any byte address.

Two banks hold the even and the odd words, so the two words that an unaligned access touches never
meet in one bank; a rotation brings the bytes to their lanes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from hw.isa.config import OverlayConfig
from hw.isa.timing import READ_LATENCY
from hw.lib.banks import Bank
from hw.lib.pipelining import Rotate, delayed
from hw.lib.sizes import check_sizes


def read_request() -> data.StructLayout:
    """Payload of a read: W bytes from ``address`` on."""
    return data.StructLayout({"address": unsigned(32)})


def write_request(config: OverlayConfig) -> data.StructLayout:
    """Payload of a write: lanes ``low`` <= i < ``high`` of ``data`` go to ``address`` + i."""
    lanes = bits_for(config.tensor_word)
    return data.StructLayout(
        {
            "address": unsigned(32),
            "low": unsigned(lanes),
            "high": unsigned(lanes),
            "data": unsigned(8 * config.tensor_word),
        }
    )


class TensorMemory(wiring.Component):
    """Byte-addressed memory: each cycle a write and a read per copy, of up to W contiguous bytes.

    Addresses count modulo the capacity. Requests for a copy are granted by fixed priority, lowest
    index first: ``ready`` depends on nothing but the ``valid`` of the ports before. Data follows
    ``READ_LATENCY`` cycles after acceptance and cannot be stalled. A read accepted at least
    ``WRITE_TO_READ`` cycles after a write sees its bytes; an earlier one gets the previous or the
    written bytes, each byte for itself. Writes take effect in the order of their acceptance.

    Parameters
    ----------
    config : the overlay's; capacity ``tensor_bytes``, W = ``tensor_word``.
    readers : number of ports that share each copy; all copies hold the same bytes.
    writers : number of ports.
    ram_style : the vendor's attribute of that name on the banks, such as "ultra", or None.

    Members
    -------
    i_read_k : In, stream of ``read_request()``, counted through all copies.
    o_data_c : Out. Lane i is the byte at (address + i) of copy c, shared by its readers.
    o_valid_k : Out. Its copy's ``o_data`` answers reader k.
    i_write_k : In, stream of ``write_request(config)``, k < writers.
    o_snoop, o_snoop_valid : Out. Each write, in the cycle after its acceptance, for traces.
    """

    def __init__(
        self,
        *,
        config: OverlayConfig,
        readers: Sequence[int],
        writers: int,
        ram_style: str | None = None,
    ) -> None:
        if not readers or min(readers) < 1:
            raise ValueError(f"readers must be positive numbers, one a copy, not {readers!r}")
        check_sizes(1, writers=writers)
        self._config = config
        self._ram_style = ram_style
        ends = list(itertools.accumulate(readers, initial=0))
        self._copies = [range(*pair) for pair in itertools.pairwise(ends)]
        self._writers = range(writers)
        write = write_request(config)
        super().__init__(
            {
                **{f"i_read_{k}": In(stream.Signature(read_request())) for k in range(ends[-1])},
                **{f"o_valid_{k}": Out(1) for k in range(ends[-1])},
                **{f"o_data_{c}": Out(8 * config.tensor_word) for c in range(len(readers))},
                **{f"i_write_{k}": In(stream.Signature(write)) for k in self._writers},
                "o_snoop": Out(write),
                "o_snoop_valid": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        rows = self._config.tensor_bytes // (2 * self._config.tensor_word)
        copies = []
        for copy, readers in enumerate(self._copies):
            banks = [
                Bank(rows=rows, lanes=self._config.tensor_word, ram_style=self._ram_style)
                for _ in range(2)
            ]
            m.submodules[f"even_{copy}"], m.submodules[f"odd_{copy}"] = banks
            self._elaborate_read(m, copy, readers, banks)
            copies.append(banks)
        self._elaborate_write(m, copies)
        return m

    def _split(self, address: Value) -> tuple[Value, list[Value]]:
        """Lane of the first byte with the word's parity above it; rows of the two banks."""
        lane_bits = exact_log2(self._config.tensor_word)
        row_bits = exact_log2(self._config.tensor_bytes) - lane_bits - 1
        word = address[lane_bits : lane_bits + row_bits + 1]
        return address[: lane_bits + 1], [(word + 1)[1 : 1 + row_bits], word[1:]]

    def _elaborate_read(self, m: Module, copy: int, readers: range, banks: list[Bank]) -> None:
        lanes = self._config.tensor_word
        lane_bits = exact_log2(lanes)
        granted, request = grant(m, [getattr(self, f"i_read_{k}") for k in readers])
        begin, rows = self._split(request.address)
        for bank, row in zip(banks, rows, strict=True):
            m.d.sync += [bank.i_read.eq(granted.any()), bank.i_read_row.eq(row)]

        m.submodules[f"read_rotate_{copy}"] = rotate = Rotate(lanes=lanes)
        at_merge = delayed(m, begin, 3, name=f"read_begin_{copy}")
        offset, odd = at_merge[:lane_bits], at_merge[lane_bits]
        even_word, odd_word = (bank.o for bank in banks)
        merged = Signal(8 * lanes, reset_less=True)
        for lane in range(lanes):
            byte = slice(8 * lane, 8 * lane + 8)
            behind = offset > lane if lane < lanes - 1 else 0  # in the second of the two words
            from_odd = behind ^ odd
            m.d.sync += merged[byte].eq(Mux(from_odd, odd_word[byte], even_word[byte]))
        m.d.comb += [
            rotate.i.eq(merged),
            rotate.i_amount.eq(delayed(m, offset, 1, name=f"read_amount_{copy}")),
            getattr(self, f"o_data_{copy}").eq(rotate.o),
        ]
        name = f"answered_{copy}"
        answered = delayed(m, granted, READ_LATENCY, name=name, reset_less=False)
        for valid, k in zip(answered, readers, strict=True):
            m.d.comb += getattr(self, f"o_valid_{k}").eq(valid)

    def _elaborate_write(self, m: Module, copies: list[list[Bank]]) -> None:
        lanes = self._config.tensor_word
        lane_bits = exact_log2(lanes)
        granted, request = grant(m, [getattr(self, f"i_write_{k}") for k in self._writers])
        m.d.sync += [self.o_snoop.eq(request), self.o_snoop_valid.eq(granted.any())]

        begin, rows = self._split(self.o_snoop.address)
        offset = begin[:lane_bits]
        first = Signal(lane_bits + 2)
        last = Signal(lane_bits + 2)
        accepted = delayed(m, self.o_snoop_valid, 1, name="write_accepted", reset_less=False)
        odd = delayed(m, begin[lane_bits], 1, name="write_odd")
        m.d.sync += [first.eq(offset + self.o_snoop.low), last.eq(offset + self.o_snoop.high)]
        enables = Cat(accepted & (first <= i) & (i < last) for i in range(2 * lanes))

        m.submodules.write_rotate = rotate = Rotate(lanes=lanes)
        m.d.comb += [rotate.i.eq(self.o_snoop.data), rotate.i_amount.eq(-offset)]
        for parity, row in enumerate(rows):
            mine = Mux(odd == parity, enables[:lanes], enables[lanes:])
            place = delayed(m, row, 2, name=f"write_row_{parity}")
            for bank in (banks[parity] for banks in copies):
                m.d.sync += bank.i_write.eq(mine)
                m.d.comb += [bank.i_write_row.eq(place), bank.i_write_data.eq(rotate.o)]


def grant(m: Module, requests: Sequence[Any]) -> tuple[Value, Any]:
    """Fixed priority: drives every ``ready``; the one-hot grant and the granted payload."""
    busy: Value = Const(0)
    granted = []
    for request in requests:
        m.d.comb += request.ready.eq(~busy)
        granted.append(request.valid & ~busy)
        busy = busy | request.valid
    payload = Signal.like(requests[-1].payload, name="granted")
    m.d.comb += payload.eq(requests[-1].payload)
    for request in reversed(requests[:-1]):
        with m.If(request.valid):
            m.d.comb += payload.eq(request.payload)
    return Cat(granted), payload
