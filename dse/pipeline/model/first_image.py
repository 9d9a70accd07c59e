"""The latency of a layer pipeline: from an image's first beat to the last of its result.

No closed form: a stage's passes wait for cells, its results for each other. But each thing happens
at the least time at which all that it waits for has happened, so one walk over beats and passes, in
their order, tells all times: ``t[n] = max(ready[n], t[n - 1] + cycles)``. All delays are those of
`hw.isa.timing`. Weights, and room in the buffers behind, are taken to be in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
import numpy.typing as npt

from dse.pipeline.model.ram import IntArray
from hw.isa.timing import (
    BANK_LATENCY,
    BLOCK_QUEUE_LATENCY,
    DRAIN_LATENCY,
    QUEUE_LATENCY,
    REQUANTISE_LATENCY,
    ROUND_LATENCY,
    ROW_LATENCY,
)
from hw.stages.map_link import MapLink
from hw.stages.maximum_shape import MaximumShape
from hw.stages.shape import StageShape

Flags = npt.NDArray[np.bool_]
_NOT_WAITED_FOR = -(1 << 60)


def first_image(shapes: Sequence[StageShape]) -> int:
    """Cycles from the first beat of an empty pipeline's first image, or batch, to its last result.

    Beats come, and results are taken, whenever the pipeline is ready.
    """
    first = shapes[0]
    times = np.arange(first.source.beats)
    period = 0  # of the images that come
    for shape in shapes:
        if shape.flattens is not None:
            ends = times[-1] + np.arange(shape.images) * period
            there = ends.reshape(shape.size_in, shape.size_in)
        else:
            there = _pixels(times, shape.source)
        times = _sent(shape, _results(shape, _passes(shape, there)))
        period = max(period, ceil(shape.period / shape.images))
    return int(times[-1])


def in_turn(ready: IntArray, cycles: int) -> IntArray:
    """When each of a row of jobs begins, none before it is ready nor while another one lasts."""
    places = np.arange(len(ready)) * cycles
    return np.asarray(np.maximum.accumulate(ready - places) + places)


def _pixels(times: IntArray, link: MapLink) -> IntArray:
    """When each pixel is there with its last channel."""
    last = link.channels - (link.tiles - 1) * link.tile
    beats = -(-last // link.width)
    return times[-(link.size**2) * beats :].reshape(link.size, link.size, beats)[:, :, -1]


def _passes(shape: StageShape, there: IntArray) -> IntArray:
    """When each pass begins, in their order: steps, tiles, passes of the step."""
    rows = np.minimum(np.arange(1, shape.cells + 1) * shape.stride, shape.used) - 1
    columns = np.append(np.arange(1, shape.cells) * shape.stride, shape.size_in) - 1
    cells = there[np.ix_(rows, columns)]  # when each cell is whole
    ends = np.arange(1, shape.passes + 1) * shape.para_seg - 1  # the last pixel of each pass
    y, x = np.divmod(ends, shape.size_out)
    lowest = np.minimum(y + shape.reach, shape.cells - 1)
    rightmost = np.minimum(x + shape.reach, shape.cells - 1)
    beyond = y + shape.reach >= shape.cells
    ready = cells[lowest, np.where(beyond, shape.cells - 1, rightmost)] + ROW_LATENCY + 1
    order = [
        np.tile(ready[first : first + shape.step_passes], shape.tiles)
        for first in range(0, shape.passes, shape.step_passes)
    ]
    return in_turn(np.concatenate(order), shape.wave_cycles)


def _results(shape: StageShape, begins: IntArray) -> IntArray:
    """When each beat of results is there behind the step buffer or the queue, in their order."""
    finish = REQUANTISE_LATENCY if shape.scaled else ROUND_LATENCY
    latency = shape.wave_cycles + shape.operand_latency + shape.dot_latency + shape.para_in
    drained = begins + latency + DRAIN_LATENCY + finish  # a pass's first beat
    if not shape.reorders:
        beats = drained[:, None] + np.arange(shape.drain_beats)
        per_pixel = shape.para_out // shape.drain_channels
        of_map = beats.reshape(shape.tiles, -1)[:, : shape.pixels * per_pixel]
        return of_map.ravel() + BLOCK_QUEUE_LATENCY
    passes = np.full(shape.steps, shape.step_passes)
    passes[-1] = shape.last_passes
    last = np.cumsum(passes * shape.tiles) - 1
    written = drained[last] + shape.drain_beats - 1 + 2
    pixels = passes * shape.para_seg
    pixels[-1] = shape.pixels - pixels[:-1].sum()
    read = in_turn(np.repeat(written, pixels * shape.pixel_beats), 1)
    return read + BANK_LATENCY + QUEUE_LATENCY


def _sent(shape: StageShape, ready: IntArray) -> IntArray:
    """When each beat of the target's leaves, pooled and parted."""
    tiles = 1 if shape.reorders else shape.tiles
    whole = shape.beat_channels
    parts = np.full((tiles, shape.pixel_beats), whole // shape.out_width)
    last = (np.arange(shape.pixel_beats) + 1) * whole
    of_tile = shape.n_out - (tiles - 1) * (shape.n_out if shape.reorders else shape.para_out)
    held = np.clip(of_tile - last + whole, 0, whole)  # channels of the last tile's beats
    parts[-1] = -(-held // shape.out_width)
    if shape.pool is None:
        counts = np.repeat(parts[:, None], shape.pixels, axis=1).ravel()
        return _parted(ready, counts)
    beats = ready.reshape(tiles, shape.size_out, shape.size_out, shape.pixel_beats)
    walked, more = shape.walked, shape.walked - shape.size_out
    room = ((0, 0), (0, more), (0, more), (0, 0))
    ready = np.pad(beats, room, constant_values=_NOT_WAITED_FOR).ravel()
    ends = _window_ends(shape.pool, walked)
    size = (tiles, walked, walked, shape.pixel_beats)
    kept = np.broadcast_to(ends[None, None, :, None], size).ravel()
    given = kept & np.broadcast_to(ends[None, :, None, None], size).ravel()
    counts = np.broadcast_to(parts[:, None, None, :], size).ravel()
    return _pooled(ready, kept, given, counts)


def _window_ends(pool: MaximumShape, walked: int) -> Flags:
    """Whether a window ends at a column, or a row, of the walk."""
    ends = np.zeros(walked, bool)
    ends[np.arange(pool.size_out) * pool.stride - pool.pad + pool.kernel - 1] = True
    return ends


def _parted(ready: IntArray, counts: IntArray) -> IntArray:
    """When the parts of each beat leave: a cycle after it is taken, one a cycle."""
    if (counts <= 1).all():
        return in_turn(ready, 1)[counts > 0] + 1
    taken: list[int] = []
    now = _NOT_WAITED_FOR
    for when, count in zip(ready.tolist(), counts.tolist(), strict=True):
        now = max(now, when)
        taken.append(now)
        now += max(1, count)
    return _beats(np.array(taken), counts)


def _pooled(ready: IntArray, kept: Flags, given: Flags, counts: IntArray) -> IntArray:
    """The same of what ends windows: a beat waits while the one before is kept, or is sent."""
    if (counts <= 1).all():
        taken = in_turn(ready, 1)
        return taken[given & (counts > 0)] + 3
    sent: list[int] = []
    now = free = _NOT_WAITED_FOR  # of a beat; of the register behind the windows
    leaves = _NOT_WAITED_FOR  # when the beats before have left
    behind = _NOT_WAITED_FOR  # when the one that waits behind the register is taken
    steps = zip(ready.tolist(), kept.tolist(), given.tolist(), counts.tolist(), strict=True)
    for when, ends, emits, count in steps:
        now = max(when, now, free)
        if ends:
            done = max(now + 1, behind) if emits else now + 1
            free = done
            if emits:
                behind = max(done + 1, leaves)
                leaves = behind + max(1, count)
                sent.append(behind)
        now += 1
    return _beats(np.array(sent), counts[given])


def _beats(taken: IntArray, counts: IntArray) -> IntArray:
    """The cycles of all parts."""
    first = np.cumsum(counts) - counts
    places = np.arange(counts.sum()) - np.repeat(first, counts)
    return np.repeat(taken, counts) + 1 + places
