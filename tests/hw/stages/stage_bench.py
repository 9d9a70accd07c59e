"""A stage in Amaranth's simulator, beside a reference of its own in plain loops of numpy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from amaranth.sim import Simulator

from hw.stages.layer_stage import LayerStage
from hw.stages.result_beat import header_layout, parameter_layout
from hw.stages.shape import StageShape

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Weights [n_out, kernel, kernel, n_in], and what sums are requantised with."""

    weights: Ints
    bias: Ints
    shift: Ints
    mantissa: Ints
    padding: int
    zero_point: int
    low: int
    high: int


def draw_numbers(shape: StageShape, rng: np.random.Generator) -> Numbers:
    """Any numbers, some of them the worst."""
    top = 1 << (shape.bits - 1)
    size = (shape.n_out, shape.kernel, shape.kernel, shape.n_in)
    weights = rng.integers(-top, top, size) >> rng.integers(0, shape.bits, size)
    if rng.random() < 0.2:
        weights = rng.choice([-top, top - 1], size)
    terms = shape.n_in * shape.taps
    room = 2 * shape.bits - 2 + terms.bit_length() - 1
    width = shape.bits + int(np.log2(terms)) // 2
    low, high = sorted(rng.integers(-top, top, 2).tolist())
    return Numbers(
        weights=weights,
        bias=rng.integers(-(1 << room), 1 << room, shape.n_out) >> rng.integers(0, room),
        shift=rng.integers(max(0, width - 6), width + 4, shape.n_out) + (16 if shape.scaled else 0),
        mantissa=rng.integers(1 << 16, 1 << 17, shape.n_out),
        padding=int(rng.integers(-top, top)) if shape.bits == 8 else 0,
        zero_point=int(rng.integers(-top, top)) if shape.bits == 8 else 0,
        low=low if rng.random() < 0.5 else -top,
        high=high if rng.random() < 0.5 else top - 1,
    )


def reference(shape: StageShape, numbers: Numbers, image: Ints) -> Ints:
    """The result [size, size, n_out] of an image [size_in, size_in, channels]."""
    pad, size = shape.pad, shape.size_out
    padded = np.full((shape.size_in + 2 * pad,) * 2 + image.shape[2:], numbers.padding)
    padded[pad : pad + shape.size_in, pad : pad + shape.size_in] = image
    sums = np.zeros((size, size, shape.n_out), object)
    per = shape.n_out // shape.groups
    for channel in range(shape.n_out):
        first = channel // per * shape.n_in
        for y in range(size):
            for x in range(size):
                at = y * shape.stride, x * shape.stride
                window = padded[
                    at[0] : at[0] + shape.kernel,
                    at[1] : at[1] + shape.kernel,
                    first : first + shape.n_in,
                ]
                total = int((window * numbers.weights[channel]).sum()) + int(numbers.bias[channel])
                sums[y, x, channel] = _round(total, numbers, channel, shape.scaled)
    result = sums.astype(np.int64)
    return result if shape.pool is None else _pooled(shape, result)


def _round(total: int, numbers: Numbers, channel: int, scaled: bool) -> int:
    """Round half to even, in Python's integers."""
    value = total * int(numbers.mantissa[channel]) if scaled else total
    shift = int(numbers.shift[channel])
    whole, rest = value >> shift, value & ((1 << shift) - 1)
    if 2 * rest > 1 << shift or (2 * rest == 1 << shift and whole & 1 and shift):
        whole += 1
    return min(max(whole + numbers.zero_point, numbers.low), numbers.high)


def _pooled(shape: StageShape, values: Ints) -> Ints:
    pool = shape.pool
    assert pool is not None
    result = np.empty((pool.size_out, pool.size_out, values.shape[2]), np.int64)
    for y in range(pool.size_out):
        for x in range(pool.size_out):
            top, left = y * pool.stride - pool.pad, x * pool.stride - pool.pad
            window = values[max(0, top) : top + pool.kernel, max(0, left) : left + pool.kernel]
            result[y, x] = window.max(axis=(0, 1))
    return result


def beats(values: Ints, tile: int, width: int) -> list[list[int]]:
    """A map as it travels."""
    channels = values.shape[2]
    found = []
    for first in range(0, channels, tile):
        end = min(first + tile, channels)
        for pixel in values[:, :, first:end].reshape(-1, end - first):
            for at in range(0, end - first, width):
                found.append([int(v) for v in pixel[at : at + width]])
    return found


def weight_beats(shape: StageShape, numbers: Numbers) -> list[int]:
    """Weights of an image, or those that stay, beat by beat."""
    tiles: list[list[int]] = []
    mask = (1 << shape.bits) - 1
    for tile in range(shape.tiles):
        words: list[int] = []
        for tap in range(shape.taps):
            for step in range(shape.in_steps):
                lanes = []
                for o in range(tile * shape.para_out, (tile + 1) * shape.para_out):
                    for k in range(step * shape.para_in, (step + 1) * shape.para_in):
                        there = o < shape.n_out and k < shape.n_in
                        row, column = divmod(tap, shape.kernel)
                        lanes.append(int(numbers.weights[o, row, column, k]) & mask if there else 0)
                for at in range(0, shape.weight_pieces * shape.weight_beat, shape.weight_beat):
                    part = lanes[at : at + shape.weight_beat]
                    words.append(sum(v << (shape.bits * n) for n, v in enumerate(part)))
        tiles.append(words)
    once = [word for tile in tiles for word in tile]
    return once * (1 if shape.weights_stay else shape.steps)


def parameter_beats(shape: StageShape, numbers: Numbers) -> list[int]:
    """The header, and a record for each channel of all tiles."""
    layout = parameter_layout(accumulator_bits=shape.accumulator_bits, scaled=shape.scaled)
    header = header_layout(shape.bits).const(
        {n: getattr(numbers, n) for n in ("padding", "zero_point", "low", "high")}
    )
    found = [header.as_value().value]
    for channel in range(shape.tiles * shape.para_out):
        c = min(channel, shape.n_out - 1)
        fields = {"bias": int(numbers.bias[c]), "shift": int(numbers.shift[c])}
        if shape.scaled:
            fields["mantissa"] = int(numbers.mantissa[c])
        found.append(layout.const(fields).as_value().value)
    return [value & ((1 << 200) - 1) for value in found]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Beats that came out, and the cycles in which images ended and waves were issued."""

    beats: list[list[int]]
    ends: list[int]
    busy: int


def run_stage(
    shape: StageShape,
    numbers: Numbers,
    images: list[Ints],
    *,
    rng: np.random.Generator,
    rates: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> Seen:
    """Runs a stage; ``rates``: how often input, weights and output are ready."""
    dut = LayerStage(shape=shape)
    link = shape.target
    wanted = link.beats * len(images)
    signed = 1 << (shape.bits - 1)
    limit = 40 * shape.cycles * (len(images) + 2) + 20 * wanted + 20000
    out: list[list[int]] = []
    ends: list[int] = []
    busy = 0
    mask = (1 << shape.bits) - 1

    def packed(beat: list[int]) -> int:
        return sum((v & mask) << (shape.bits * n) for n, v in enumerate(beat))

    inputs = [
        packed(b) for image in images for b in beats(image, shape.source.tile, shape.source.width)
    ]
    weights = weight_beats(shape, numbers)
    if not shape.weights_stay:
        weights = weights * len(images)
    ways = [
        (dut.i, inputs, rates[0]),
        (dut.i_weights, weights, rates[1]),
        (dut.i_parameters, parameter_beats(shape, numbers), 1.0),
    ]

    def feeding(port: Any, values: list[int], rate: float) -> Any:
        payload = port.payload.as_value() if hasattr(port.payload, "as_value") else port.payload

        async def bench(ctx: Any) -> None:
            for value in values:
                while rate < 1 and rng.random() >= rate:
                    await ctx.tick()
                ctx.set(payload, value)
                ctx.set(port.valid, 1)
                ready = 0
                while not ready:
                    _, _, ready = await ctx.tick().sample(port.ready)
                ctx.set(port.valid, 0)

        return bench

    async def taking(ctx: Any) -> None:
        nonlocal busy
        cycle = 0
        while len(out) < wanted:
            ready = rates[2] >= 1 or rng.random() < rates[2]
            ctx.set(dut.o.ready, ready)
            _, _, valid, payload, busy_now, ended = await ctx.tick().sample(
                dut.o.valid, dut.o.payload.as_value(), dut.o_busy, dut.o_ends
            )
            cycle += 1
            busy += busy_now
            if ended:
                ends.append(cycle)
            if valid and ready:
                values = [(payload >> (shape.bits * n)) & mask for n in range(link.width)]
                out.append([v - 2 * signed if v >= signed else v for v in values])
            assert cycle < limit, f"only {len(out)} of {wanted} beats"

    sim = Simulator(dut)
    sim.add_clock(1e-9)
    for way in ways:
        sim.add_process(feeding(*way))
    sim.add_testbench(taking)
    sim.run()
    return Seen(beats=out, ends=ends, busy=busy)


def check_stage(
    shape: StageShape,
    seed: int,
    *,
    images: int = 2,
    rates: tuple[float, float, float],
    operands: tuple[int, ...] = (),
) -> Seen:
    """Runs a stage on drawn numbers and compares every lane that counts.

    ``operands``: all that weights and values are drawn from.
    """
    rng = np.random.default_rng(seed)
    numbers = draw_numbers(shape, rng)
    top = 1 << (shape.bits - 1)
    size = (shape.size_in, shape.size_in, shape.n_in * shape.groups)
    maps = [rng.choice(operands or range(-top, top), size) for _ in range(images)]
    if operands:
        weights = rng.choice(operands, numbers.weights.shape)
        numbers = replace(numbers, weights=weights, bias=0 * numbers.bias)
    seen = run_stage(shape, numbers, maps, rng=rng, rates=rates)
    link = shape.target
    expected = [
        beat
        for one in maps
        for beat in beats(reference(shape, numbers, one), link.tile, link.width)
    ]
    assert len(seen.beats) == len(expected)
    for number, (got, want) in enumerate(zip(seen.beats, expected, strict=True)):
        assert got[: len(want)] == want, (number, got, want)
    return seen
