"""Every latency of the hardware, in cycles: RTL, exact model and closed forms read them here.

A latency counts from the cycle of the first event to that of the second.  Functions take sizes as
numbers, or as numpy's arrays of many sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hw.isa.transforms import Transform

# Queues and memories.
QUEUE_LATENCY = 1  # from `i` to `o` of a queue
BLOCK_QUEUE_LATENCY = 2  # the same, in block RAM
POP_LATENCY = 2  # from a pop of a replay buffer to its word
READ_LATENCY = 6  # of the tensor memory: grant, bank (2), merge, rotate (2)
WRITE_TO_READ = 3  # a read accepted this many cycles after a write's acceptance sees its bytes
PARAMETER_LATENCY = 2  # from a record's address to the record
TABLE_LATENCY = 2  # from a value to its entry; in the shadow of reads that begin with the value
ROOM_LATENCY = 2  # from a release in a replay buffer to room for another word
LEVEL_LATENCY = 1  # from a word's write into a replay buffer to the reader's level
SCRATCH_LATENCY = 3  # from a release in the scratch memory to a block in the freed words
FITS_LATENCY = 1  # from a block that is asked for to its reservation
COUNT_LATENCY = 1  # from a block's last word in the scratch memory to the reader's level

# Buses and control.
READER_LATENCY = BLOCK_QUEUE_LATENCY  # from the R channel to a burst reader's `o`
STORE_LATENCY = 1  # from a writer without work to the retirement of STORE
CHECK_LATENCY = 4  # from the last beat of a program to the checksum's verdict
VERDICT_LATENCY = CHECK_LATENCY - 1  # from END's arrival to ``failed``: of the checksum
PART_LATENCY = 1  # from a part's acceptance of an instruction to its first cycle of work
DISPATCH = 1  # from a retirement to the start of what waits for its token
FAILURE_LATENCY = 1  # from a unit's failure to the end of its run
RESET_CYCLES = 16  # at least, of reset between two runs: answers of the memories arrive and drop

# Requantisation.
ROUND_LATENCY = 4
ZERO_POINT_DELAY = 2  # of `Round`'s zero point behind its value
CLIP_DELAY = 3  # of `Round`'s limits behind its value
PRODUCT_LATENCY = 3  # input, multiplier and product registers: those of one DSP slice
SUM_LATENCY = 4  # of two cascaded DSP slices
REQUANTISE_LATENCY = PRODUCT_LATENCY + ROUND_LATENCY
RESIDUAL_LATENCY = SUM_LATENCY + ROUND_LATENCY

# Feeding.
FREE_LATENCY = 1  # from the feeder's last place, taken and walked, to its next instruction
WALK_START = 1  # cycles of the feeder before the first step: the walker takes its window
WALK_LATENCY = 2  # from a step's acceptance to its place
TAP_BEGIN = 1  # cycles of `TapWalker` before the first chunk: in its state BEGIN
TAP_CHUNK = 2  # cycles before every chunk's first place: in CHUNK, and in SEEK without a skip
PATCH_LATENCY = 1  # from a patch's first place, accepted, to that place at `o`
FEED_LATENCY = READ_LATENCY + 1  # from a request to the write into the activation FIFO

# Array.
ELEMENT_LATENCY = 4  # from `i_stream` to `o_sum`
CONTROL_LAG = 2  # `i_local` and `i_clear` of a wave come this much later than its `i_stream`
FOOT_LATENCY = 2 + REQUANTISE_LATENCY  # from `i_sum` to `o_result`
DRAINED_LATENCY = REQUANTISE_LATENCY  # from ``o_drained`` to `o_result`
REUSE_DISTANCE = 4  # least cycles between two waves on one accumulator address
LEAST_TILE_CYCLES = REUSE_DISTANCE  # between two tiles' first waves, whatever the rows
SETTLE_CYCLES = REUSE_DISTANCE + 1  # until a tile's last sums are in their accumulators
BURST_START = 1  # from the last wave's parameters at the feet to the start of the next burst
READY_LATENCY = 1  # behind a burst's margin, to the first wave that may use it
THERE_LATENCY = 1  # from a burst's last word in a reader's level to the burst
TURN_LATENCY = 2  # from a word's reservation in the output turn to the word
CROSSING = 2  # registers of all that crosses from a die into the next: one on either side

# Writing.
WRITER_LATENCY = READ_LATENCY + RESIDUAL_LATENCY  # from a word to its write
RETIRE_LATENCY = WRITER_LATENCY + 1  # from the last word to the retirement

# Winograd.
LINE_LATENCY = 4  # from the first word at the last position to the first result
INPUT_LATENCY = 2 * LINE_LATENCY  # from the last word of a patch to the first of its transform
SCATTER_LATENCY = 2  # from the last element of a line to its first sum
TRANSPOSE_LATENCY = 1  # from the first sum of a tile's last line to the first element
DIVISION_LATENCY = 2
DRAIN_TAKE = 1  # cycles of the drain in its state IDLE with a tile: it asks for parameters
DRAIN_STATES = 2  # cycles in PARAMETERS and UNIT, once nothing is missing

# Pooling.
POOL_START = 1  # between the overlap's measure and the walk's first step
GROUP_LATENCY = 2  # from a group's last tap to its result
WINDOW_LATENCY = 3  # from a window's last group to its result, and one for each other group
FINISH_LATENCY = 1 + PARAMETER_LATENCY + 1 + REQUANTISE_LATENCY  # from a window to its bytes
FACTOR_LATENCY = GROUP_LATENCY + WINDOW_LATENCY + 1 + PARAMETER_LATENCY  # from a tap to its product
CODE_LATENCY = 5  # from a word's bytes to the codes of its gains
GAIN_LATENCY = CODE_LATENCY + TABLE_LATENCY + PRODUCT_LATENCY  # from a tap to itself, normalised
DEPTHWISE_LATER = (  # results of a depthwise convolution, than those of a pooling
    PRODUCT_LATENCY - GROUP_LATENCY + TABLE_LATENCY
)
POOL_DONE = 1  # from the last write's acceptance to ``o_done``

# Stages of a layer pipeline.
ROTATE_LEVELS = 4  # choices between two words, one behind the other, between two registers
TAP_LATENCY = 4  # from a wave to the turn of the banks that it reads
BANK_LATENCY = 2  # from a bank's address to its word
DOT_LATENCY = 3  # from the operands of a product to the sum of all, less a cycle a product
PACKED_DOT_LATENCY = 6  # the same of two products in a multiplier: fields, and their sum
DRAIN_LATENCY = 3  # from a beat's sums at the chain's end to their requantisation: parameters, bias
ROW_LATENCY = 3  # from a row's last beat to the words in their banks

# Sums along a way.
ACCEPTED = QUEUE_LATENCY + PART_LATENCY  # from an engine's start to its parts at work
FED = ACCEPTED + WALK_START + WALK_LATENCY + FEED_LATENCY + LEVEL_LATENCY  # to a word to pop
TAPS_LATER = TAP_BEGIN + TAP_CHUNK - WALK_LATENCY  # first place of a walk that leaves out pixels
DRAIN_START = (
    QUEUE_LATENCY + DRAIN_TAKE + SETTLE_CYCLES + DRAIN_STATES
)  # last wave to first element
PARAMETER_START = QUEUE_LATENCY + DRAIN_TAKE + READY_LATENCY + DRAIN_STATES  # and a burst's margin
POOL_LATENCY = (  # from the overlap's measure to ``o_done``, less a cycle a tap
    POOL_START
    + WALK_LATENCY
    + READ_LATENCY
    + GROUP_LATENCY
    + WINDOW_LATENCY
    + FINISH_LATENCY
    + QUEUE_LATENCY
    + POOL_DONE
)


def rotate_latency(words: int) -> int:
    """Of a rotation of so many words."""
    return -(-(words - 1).bit_length() // ROTATE_LEVELS)


def bank_address_latency(segments: int, edges: bool) -> int:
    """From a wave to the addresses at the banks; edges: the segments tell the banks where."""
    return 1 + (
        max(TAP_LATENCY, TAP_LATENCY - 1 + rotate_latency(segments)) if edges else TAP_LATENCY
    )


def operand_latency(segments: int, edges: bool, sliced: bool) -> int:
    """From a wave to its operands: banks, choice of a slice, rotation to the segments, mask."""
    address = bank_address_latency(segments, edges=edges)
    return address + BANK_LATENCY + sliced + rotate_latency(segments) + 1


def foot_delay(rows: Any) -> Any:
    """From a wave at the array's input to its sums at the foot of column 0."""
    return rows + ELEMENT_LATENCY + 1


def crossing_latency(crossings: int) -> int:
    """What results take longer where the array crosses from die to die so often: there and back.

    Results of nearer columns wait for the others, so that all keep their skew.
    """
    return 2 * CROSSING * crossings


def burst_cycles(columns: Any) -> Any:
    """From the start of a parameter burst to the cycle in which all columns keep their records."""
    return columns + PARAMETER_LATENCY


def parameter_margin(rows: Any, columns: Any) -> Any:
    """Cycles, at least one, for which a wave waits behind the start of its parameter burst."""
    late = burst_cycles(columns) + 1 - foot_delay(rows)
    return late * (late > 1) + (late <= 1)  # the greater of `late` and 1, of arrays too


def parameter_period(rows: Any, columns: Any) -> Any:
    """Least cycles between two waves that take parameters (WS, NS)."""
    return foot_delay(rows) + BURST_START + parameter_margin(rows, columns) + READY_LATENCY


def output_latency(transform: Transform, transforms: Sequence[Transform]) -> int:
    """From the last element of a tile to its first pixel, of the configured transforms.

    Pixel k of row l follows ``x.alpha * l + k`` cycles later.
    """
    divided = any(t.divides for t in transforms)
    fixed = 2 * SCATTER_LATENCY + TRANSPOSE_LATENCY + (DIVISION_LATENCY if divided else 0)
    return fixed + transform.x.alpha - 1


def drained_delay(transforms: Sequence[Transform]) -> int:
    """From the last element of a tile to its last pixel, of the slowest of the transforms."""
    return max(
        output_latency(t, transforms) + t.x.alpha * (t.y.m - 1) + t.x.m - 1 for t in transforms
    )


def collector_busy(columns: int, transforms: Sequence[Transform]) -> int:
    """Cycles for which the results of a wave, or of a drained element, keep the collector's
    output, counted from the wave or the element."""
    return columns + (drained_delay(transforms) if transforms else 0)


def collector_latency(rows: Any, crossings: int) -> Any:
    """From a wave to its result at the collector, of column 0."""
    return POP_LATENCY + foot_delay(rows) + FOOT_LATENCY + crossing_latency(crossings)


def input_switch_gap(transforms: Sequence[Transform]) -> int:
    """Least idle cycles between the last word of a patch and the first of one with a smaller
    transform, whose output would otherwise overtake; 0 before a patch of the same or a larger one.
    """
    sizes = [transform.elements for transform in transforms]
    return max(sizes) - min(sizes)


def output_switch_gap(transforms: Sequence[Transform]) -> int:
    """Least idle cycles between the last element of a tile and the first of one with a smaller
    transform; 0 before a tile of the same or a larger one."""
    quickest = min(t.elements + output_latency(t, transforms) for t in transforms)
    return max(0, drained_delay(transforms) + 1 - quickest)
