"""The instruction set, defined once: encoder, decoder, disassembler and gateware derive from it.

Instructions are 128 bytes, little-endian bit order, all with the same head.  Addresses into the
tensor memory are bytes; every product that an address generator would need is a field of its own,
so that those only add.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from functools import cache
from typing import Any

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from hw.isa.transforms import F2, F4, LINE3, LINE4, Transform

INSTRUCTION_BYTES = 128


class Opcode(enum.IntEnum):
    """Zero is illegal on purpose: so is empty memory."""

    BEGIN = 1
    LOAD = 2
    STORE = 3
    WEIGHTS = 4
    CONV = 5
    POOL = 6
    END = 7


class Engine(enum.IntEnum):
    """Engines that exchange dependency tokens; the number is the bit in ``wait`` and ``post``."""

    LOAD = 0
    CONV = 1
    POOL = 2
    STORE = 3


class Dataflow(enum.IntEnum):
    """What stays in the array: weights, inputs, or nothing but the partial sums."""

    WS = 0
    IS = 1
    NS = 2


class Algorithm(enum.IntEnum):
    """How a convolution becomes matrix products; see docs/decisions/0003."""

    IM2COL = 0  # a run is as long as the memory allows, padding reads the zero point
    KN2ROW = 1  # a unit convolution a tap; operands are relative to the zero point, padding adds 0
    WINOGRAD2 = 2  # F(2 x 2, 3 x 3)
    WINOGRAD4 = 3  # F(4 x 4, 3 x 3)
    LINE4 = 4  # F(4, 3) along the rows' axis
    LINE3 = 5  # F(3, 4), likewise


class Combination(enum.IntEnum):
    """What a POOL makes of the two taps of a window, of which a product has no factors."""

    PRODUCT = 0
    SUM = 1
    MAXIMUM = 2
    MINIMUM = 3


TRANSFORM_OF: Mapping[int, Transform] = {
    Algorithm.WINOGRAD2: F2,
    Algorithm.WINOGRAD4: F4,
    Algorithm.LINE4: LINE4,
    Algorithm.LINE3: LINE3,
}
"""What the algorithms of Winograd compute; whoever treats them in their own way asks this table."""


class Base(enum.IntEnum):
    """Base address registers of what ``gmem0`` reads and writes; offsets are relative to them."""

    PROGRAM = 0
    PARAMETERS = 1
    INPUT = 2
    OUTPUT = 3


class MemorySpace(enum.IntEnum):
    """Target of LOAD: tensor memory (bytes), or records: of channels, behind them the others."""

    TENSOR = 0
    PARAMETER = 1


HEAD: dict[str, Any] = {
    "opcode": unsigned(8),
    "wait": unsigned(4),  # engines whose token is consumed before the instruction starts
    "post": unsigned(4),  # engines that get a token when it has finished
    "tag": unsigned(16),  # layer number, for traces and counters
}

BEGIN = data.StructLayout(
    {**HEAD, "isa_version": unsigned(32), "configuration": unsigned(32), "instructions": 32}
)

LOAD = data.StructLayout(
    {
        **HEAD,
        "base": Base,
        "space": MemorySpace,
        "offset": unsigned(40),  # bytes from the base register, any alignment
        "local": unsigned(32),  # tensor memory byte, or record (hw.isa.config)
        "bytes": unsigned(32),
    }
)

STORE = data.StructLayout(
    {
        **HEAD,
        "base": Base,
        "space": MemorySpace,  # always TENSOR
        "offset": unsigned(40),
        "local": unsigned(32),
        "bytes": unsigned(32),
    }
)

WEIGHTS = data.StructLayout(
    {
        **HEAD,
        "offset": unsigned(40),  # bytes from the start of each stripe, aligned to the AXI width
        "beats_per_word": unsigned(8),
        "segments": unsigned(16),  # channel tiles
        "segment_words": unsigned(24),  # weight words of each segment but the last
        "last_words": unsigned(24),
        "repeats": unsigned(16),  # times that each segment is read (pixel tiles without replay)
    }
)

# How the two windowed engines walk an image.  A byte position is (column * pitch + channel offset)
# within a row; bytes outside [0, row_pitch) or rows outside [0, height) are padding.
WINDOW: dict[str, Any] = {
    "address": signed(32),  # of the row of output (0, 0)'s first tap: tensor + row0 * row_pitch
    "row_pitch": unsigned(24),
    "height": unsigned(16),
    "row0": signed(16),  # -padding top
    "position0": signed(24),  # -padding left * pitch + channel offset
    "row_step": unsigned(8),  # stride y
    "row_step_bytes": unsigned(24),
    "column_step": unsigned(20),  # stride x * pitch
    "tap_rows": unsigned(8),
    "tap_row_step": unsigned(8),  # dilation y
    "tap_row_bytes": unsigned(24),
    "tap_columns": unsigned(8),
    "tap_column_step": unsigned(20),  # dilation x * pitch
    "zero_point": signed(8),
    "out_width": unsigned(16),
    "pixels": unsigned(24),  # output pixels
    "out_address": unsigned(32),
    "out_pitch": unsigned(24),
    "parameters": unsigned(16),  # first record in the parameter memory
}

CONV = data.StructLayout(
    {
        **HEAD,
        **WINDOW,
        "dataflow": Dataflow,
        "algorithm": Algorithm,
        "replay": unsigned(1),  # weights stay in the buffer over all pixel tiles of a channel tile
        "residual": unsigned(1),
        "run_words": unsigned(16),  # activation words of one contiguous run of taps
        "chunks": unsigned(16),  # tap_rows * tap_columns * run_words
        "channels": unsigned(16),  # output channels
        "channel_tile": unsigned(16),  # WS, NS: C; IS: at most the accumulators' depth
        "pixel_tile": unsigned(16),  # WS: at most the accumulators' depth; NS: R; IS: C
        "out_rows": unsigned(16),  # of the output; kn2row in WS, Winograd
        "tile_rows": unsigned(16),  # kn2row in WS: rows of a pixel tile
        # Winograd: pixels are tiles, taps are rounds, chunks count elements, too.
        "patches": unsigned(16),  # of a tile: rounds * run_words
        "patch_row_step": unsigned(24),  # bytes between two rows of a patch
        "patch_column_step": unsigned(20),  # bytes between two of its columns
        "image_width": unsigned(16),  # of the output in pixels
        "out_row_pitch": unsigned(24),
        "residual_row_pitch": unsigned(24),
        "residual_address": unsigned(32),
        "residual_pitch": unsigned(24),
        "factor": unsigned(17),  # of the convolution's own int8 result
        "residual_factor": unsigned(17),
        "residual_offset": signed(32),  # -(zero points * factors)
        "residual_shift": unsigned(6),
        "residual_zero": signed(8),
        "residual_low": signed(8),
        "residual_high": signed(8),
        "table": unsigned(3),  # that the own int8 result passes, counted from 1; 0: none
    }
)

POOL = data.StructLayout(
    {
        **HEAD,
        **WINDOW,
        "average": unsigned(1),  # sum, parameters indexed by the counted taps; else maximum
        "include_padding": unsigned(1),  # taps in the padding count (and read the zero point)
        "counted_height": unsigned(16),  # rows below this count: height, plus padding if included
        "counted_bytes": unsigned(24),  # byte positions below this count, likewise
        "channels": unsigned(16),
        # A maximum over channels that are half of the engine's lanes, of pixels that lie side by
        # side: two of a row's taps are read at once.
        "halves": unsigned(1),
        "table": unsigned(3),  # that a maximum passes before its record, as of CONV
        # A product: a window has two taps, of which the first is the other operand's.  Where
        # windows slide, a line's other windows use the one that they share.
        "product": unsigned(1),
        "operand_address": unsigned(32),  # of its pixel 0
        "operand_pitch": unsigned(24),  # 0: one pixel for all
        "operand_zero_point": signed(8),
        # A normalisation: each tap is its value times the gain that ``table`` has for the squares
        # of channels around it (hw.isa.squares).  ``address`` is that of the second channel before
        # the first one; one block of channels at most.
        "normalise": unsigned(1),
        "reach": unsigned(2),  # channels on either side that are summed with a value's own: 0 to 2
        "channels_before": unsigned(2),  # of the tensor, beside the instruction's own; 2 or more: 2
        "channels_after": unsigned(2),
        # Other combinations than products have ``product``, too.
        "combination": Combination,
        "factor": signed(18),  # of the window's last tap, relative to its zero point
        "operand_factor": signed(18),
        "spread": unsigned(1),  # the operand has one byte for all channels
        # A depthwise convolution: each tap is multiplied with weights of its own, a row a tap, from
        # ``weights`` on, and each lane has a record of its own, from block ``parameters`` on.
        # Padding reads the zero point.
        "depthwise": unsigned(1),
        "weights": unsigned(16),
        "passes": unsigned(6),  # of a column of taps, where windows slide
        "window_groups": unsigned(6),  # tap_columns * passes; 0: windows do not slide
    }
)

END = data.StructLayout({**HEAD, "checksum": unsigned(32)})  # see hw.isa.checksum

LAYOUTS: dict[Opcode, data.StructLayout] = {
    Opcode.BEGIN: BEGIN,
    Opcode.LOAD: LOAD,
    Opcode.STORE: STORE,
    Opcode.WEIGHTS: WEIGHTS,
    Opcode.CONV: CONV,
    Opcode.POOL: POOL,
    Opcode.END: END,
}
HEAD_LAYOUT = data.StructLayout(HEAD)

# What the overlay checks before an instruction can do harm, and the compiler before it writes one:
# fields that are at least one, and addresses that lie in the tensor memory.
COUNTS: dict[Opcode, tuple[str, ...]] = {
    Opcode.WEIGHTS: ("beats_per_word", "segments", "segment_words", "last_words", "repeats"),
    Opcode.CONV: (
        *("out_width", "pixels", "tap_rows", "tap_columns", "run_words", "chunks"),
        *("channels", "channel_tile", "pixel_tile"),
    ),
    Opcode.POOL: ("out_width", "pixels", "tap_rows", "tap_columns", "channels"),
}
KN2ROW_WS_COUNTS = ("out_rows", "tile_rows")
WINOGRAD_COUNTS = ("patches", "out_rows", "image_width")
TENSOR_ADDRESSES: dict[Opcode, tuple[str, ...]] = {
    Opcode.CONV: ("out_address", "residual_address"),
    Opcode.POOL: ("out_address", "operand_address"),
}

# One channel's record: 12 bytes used of PARAMETER_BYTES in DRAM, the same bit order in the memory.
PARAMETER = data.StructLayout(
    {
        "bias": signed(32),
        "mantissa": unsigned(17),
        "shift": unsigned(6),
        "reserved": unsigned(9),
        "zero_point": signed(8),
        "low": signed(8),
        "high": signed(8),
    }
)


class Error(enum.IntEnum):
    """Codes of the error register; the first error of a run is kept."""

    NONE = 0
    ILLEGAL_OPCODE = 1
    ISA_VERSION = 2
    CONFIGURATION = 3
    BUS_READ = 4  # AXI error response to a read
    BUS_WRITE = 5
    WATCHDOG = 6
    MISSING_BEGIN = 7
    CHECKSUM = 8  # of the program: some bit of it is not what the compiler wrote
    FIELD = 9  # a count of zero, or what the overlay does not have: memory, tile, algorithm
    REGION = 10  # LOAD, STORE, WEIGHTS or the program itself leaves its region of DRAM
    CYCLE_LIMIT = 11  # the run took longer than the host allows
    ABORTED = 12  # by the host


def counts(opcode: Opcode, fields: Mapping[str, int]) -> tuple[str, ...]:
    """The fields that must be at least one in this instruction; absent fields are zero."""
    found = COUNTS.get(opcode, ())
    if opcode is not Opcode.CONV:
        return found
    algorithm = fields.get("algorithm", 0)
    if algorithm in TRANSFORM_OF:
        return found + WINOGRAD_COUNTS
    kn2row = algorithm == Algorithm.KN2ROW and fields.get("dataflow", 0) == Dataflow.WS
    return found + KN2ROW_WS_COUNTS if kn2row else found


@cache
def limits(opcode: Opcode, name: str) -> tuple[int, int]:
    """The least and the greatest value that a field can hold."""
    shape = _shape(LAYOUTS[opcode].members[name])
    low = -(1 << (shape.width - 1)) if shape.signed else 0
    return low, (1 << (shape.width - shape.signed)) - 1


def encode(opcode: Opcode, fields: Mapping[str, int]) -> bytes:
    """One instruction as ``INSTRUCTION_BYTES`` bytes; ValueError names a field out of range."""
    places = _places(opcode)
    bits = int(opcode)  # the first field of all
    for name, value in fields.items():
        if name not in places:
            raise ValueError(f"{opcode.name} has no field {name!r}")
        low, high = limits(opcode, name)
        if not low <= value <= high:
            raise ValueError(f"{opcode.name}.{name} must be in [{low}, {high}], not {value}")
        offset, ones = places[name]
        bits = bits & ~(ones << offset) | (int(value) & ones) << offset
    return bits.to_bytes(INSTRUCTION_BYTES, "little")


@cache
def _places(opcode: Opcode) -> dict[str, tuple[int, int]]:
    """Where each field begins, and as many ones as it has bits."""
    return {
        str(name): (field.offset, (1 << _shape(field.shape).width) - 1)
        for name, field in LAYOUTS[opcode]
    }


def decode(word: bytes) -> tuple[Opcode, dict[str, int]]:
    """Opcode and fields of one instruction; ValueError on an illegal opcode."""
    bits = int.from_bytes(word, "little")
    try:
        opcode = Opcode(bits & 0xFF)
    except ValueError:
        raise ValueError(f"illegal opcode {bits & 0xFF:#x}") from None
    found = {name: bits >> offset & ones for name, (offset, ones) in _places(opcode).items()}
    for name, value in found.items():
        if value > limits(opcode, name)[1]:  # it is negative
            found[name] -= _places(opcode)[name][1] + 1
    return opcode, found


def _shape(member: Any) -> Any:
    from amaranth.hdl import Shape

    return Shape.cast(member)
