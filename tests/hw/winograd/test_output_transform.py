"""The output transform equals the correlation, at its fixed times, though the elements wrap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.isa.timing import DIVISION_LATENCY, output_latency, output_switch_gap
from hw.isa.transforms import F2, F4, Transform, signed_bits
from hw.winograd.division import ExactDivision
from hw.winograd.output_transform import OutputTransform
from tests.hw.winograd.vectors import (
    EACH,
    RUNS,
    Ints,
    correlation,
    extreme_kernels,
    extreme_patches,
    idle,
    kernel_shape,
    matrices,
    patch_shape,
    signed,
    transformed,
)

Tile = tuple[int, Ints, Ints]  # transform, elements, pixels


def tile(choice: int, transform: Transform, patches: Ints, kernels: Ints) -> Tile:
    b, g, _ = matrices(transform)
    elements = (transformed(b, patches) * transformed(g, kernels)).sum(axis=0)
    return choice, elements, correlation(patches, kernels)


def tiles(transforms: tuple[Transform, ...], rng: np.random.Generator) -> list[Tile]:
    """Extremes and random ones of a few reductions, in random order."""
    found = []
    for choice, transform in enumerate(transforms):
        patches = np.array(extreme_patches(transform))
        kernels = np.array(extreme_kernels(transform))
        for count in (1, 3, 400):
            picked = rng.integers(0, len(patches), 12), rng.integers(0, len(kernels), 12)
            for patch, kernel in zip(patches[picked[0]], kernels[picked[1]], strict=True):
                repeated = np.repeat(patch[None], count, 0), np.repeat(kernel[None], count, 0)
                found.append(tile(choice, transform, *repeated))
            block = rng.integers(-128, 128, (count, *patch_shape(transform)))
            kernel = rng.integers(-127, 128, (count, *kernel_shape(transform)))
            found.append(tile(choice, transform, block, kernel))
    return [found[index] for index in rng.permutation(len(found))]


def run(
    dut: OutputTransform,
    transforms: tuple[Transform, ...],
    sequence: list[Tile],
    rng: np.random.Generator,
    gaps: float,
    switch_gap: int,
) -> tuple[list[int], list[tuple[int, int]]]:
    """The cycles of the tiles' last elements; cycle and value of every result."""
    ends: list[int] = []
    results: list[tuple[int, int]] = []
    cycle = 0
    done = False

    async def give(ctx: Any) -> None:
        nonlocal done

        async def tick() -> None:
            nonlocal cycle
            await ctx.tick()
            cycle += 1

        before = 0
        for choice, elements, _ in sequence:
            size = transforms[choice].elements
            for _ in range(switch_gap if size < before else 0):
                await tick()
            before = size
            ctx.set(dut.i_transform, choice)
            for element in elements.T.reshape(-1).tolist():
                for _ in idle(rng, gaps):
                    await tick()
                ctx.set(dut.i_valid, 1)
                ctx.set(dut.i_value, signed(element, len(dut.i_value)))
                await tick()
                ctx.set(dut.i_valid, 0)
            ends.append(cycle - 1)
        for _ in range(60):
            await tick()
        done = True

    async def take(ctx: Any) -> None:
        seen = 0
        while not done:
            _, _, valid, result = await ctx.tick().sample(dut.o_valid, dut.o_result)
            if valid:
                results.append((seen, result))
            seen += 1

    sim = Simulator(dut)
    sim.add_clock(1e-9)
    sim.add_process(give)
    sim.add_testbench(take)
    sim.run()
    return ends, results


def expected(
    transforms: tuple[Transform, ...], sequence: list[Tile], ends: list[int]
) -> list[tuple[int, int]]:
    return [
        (end + output_latency(transform, transforms) + transform.x.alpha * y + x, int(pixels[y, x]))
        for (choice, _, pixels), end in zip(sequence, ends, strict=True)
        for transform in (transforms[choice],)
        for y in range(transform.y.m)
        for x in range(transform.x.m)
    ]


def unit(transforms: tuple[Transform, ...], result_bits: int) -> OutputTransform:
    """With the narrowest accumulators."""
    bits = max(t.accumulator_bits(result_bits) for t in transforms)
    return OutputTransform(transforms=transforms, accumulator_bits=bits, result_bits=result_bits)


@RUNS
def test_equals_the_correlation(transforms: tuple[Transform, ...], gaps: float) -> None:
    rng = np.random.default_rng(int(10 * gaps))
    sequence = tiles(transforms, rng)
    bits = max(signed_bits(int(p.min()), int(p.max())) for _, _, p in sequence)
    if F4 in transforms:
        accumulator = 1 << (F4.accumulator_bits(bits) - 1)
        assert any(abs(elements).max() > accumulator for _, elements, _ in sequence)  # they wrap
    gap = output_switch_gap(transforms)
    ends, results = run(unit(transforms, bits), transforms, sequence, rng, gaps, gap)
    assert results == expected(transforms, sequence, ends)


@EACH
@pytest.mark.parametrize("less", [0, 1])
def test_result_width_is_the_least(transform: Transform, less: int) -> None:
    rng = np.random.default_rng(3)
    patch, kernel = (7, *patch_shape(transform)), (7, *kernel_shape(transform))
    ends = [(np.full(patch, -128), np.full(kernel, w)) for w in (127, -127)]
    sequence = [tile(0, transform, *end) for end in ends]
    bits = signed_bits(*(int(p.flat[0]) for _, _, p in sequence))
    ends, results = run(unit((transform,), bits - less), (transform,), sequence, rng, 0.0, 0)
    assert (results == expected((transform,), sequence, ends)) is (less == 0)


@EACH
def test_one_accumulator_bit_less_is_ambiguous(transform: Transform) -> None:
    """Two tiles with the same elements modulo 2**(bits - 1), and different results."""
    bits = transform.accumulator_bits(result_bits := 12)
    one = np.zeros((transform.y.m, transform.x.m), np.int64)
    scaled = transform.total_scale * np.array([one, one + (1 << (result_bits - 1))])
    wrapped = scaled % (1 << (bits - 1))
    assert np.array_equal(wrapped[0], wrapped[1])
    assert not np.array_equal(scaled[0] % (1 << bits), scaled[1] % (1 << bits))


def test_a_shorter_switch_gap_is_too_short() -> None:
    rng = np.random.default_rng(1)
    transforms = (F2, F4)
    sequence = tiles(transforms, rng)[:8]
    sequence.sort(key=lambda entry: -entry[0])
    assert {entry[0] for entry in sequence} == {0, 1}
    for gap, right in ((output_switch_gap(transforms), True), (7, False)):
        ends, results = run(unit(transforms, 27), transforms, sequence, rng, 0.0, gap)
        assert (results == expected(transforms, sequence, ends)) is right


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([3, 5, 9, 17]),
    st.integers(2, 48),
    st.lists(st.integers(-(1 << 47), (1 << 47) - 1), min_size=1, max_size=8),
)
def test_exact_division(divisor: int, bits: int, values: list[int]) -> None:
    dut = ExactDivision(divisor=divisor, bits=bits)
    quotients = [signed(value, bits) for value in values]
    quotients += [-1 << (bits - 1), (1 << (bits - 1)) - 1, -1, 0]
    results = []

    async def bench(ctx: Any) -> None:
        for cycle in range(2 * len(quotients) + DIVISION_LATENCY):
            quotient = quotients[min(cycle // 2, len(quotients) - 1)]
            divide = cycle % 2
            ctx.set(dut.i_value, signed(divisor * quotient, bits) if divide else quotient)
            ctx.set(dut.i_divide, divide)
            if cycle >= DIVISION_LATENCY:
                results.append(ctx.get(dut.o_quotient))
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-9)
    sim.add_testbench(bench)
    sim.run()
    assert results == [quotient for quotient in quotients for _ in range(2)]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: OutputTransform(transforms=(), accumulator_bits=32, result_bits=20),
            "transforms must be one or more different ones, not none",
        ),
        (
            lambda: OutputTransform(transforms=(F4,), accumulator_bits=25, result_bits=20),
            "accumulator_bits must be an integer of at least 26, not 25",
        ),
        (
            lambda: OutputTransform(transforms=(F2,), accumulator_bits=60, result_bits=49),
            r"result_bits must be an integer in \[1, 48\], not 49",
        ),
        (lambda: ExactDivision(divisor=7, bits=8), "divisor must be a power of two plus one"),
        (lambda: ExactDivision(divisor=9, bits=49), r"bits must be an integer in \[1, 48\]"),
    ],
)
def test_refuses(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
