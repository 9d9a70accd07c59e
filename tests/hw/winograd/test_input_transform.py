"""The input transform equals B^T d B, whatever the gaps, and keeps its rate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator

from hw.isa.timing import INPUT_LATENCY, input_switch_gap
from hw.isa.transforms import F2, F4, Transform, signed_bits
from hw.winograd.input_transform import InputTransform
from hw.winograd.transform_line import LineTransform
from tests.hw.winograd.vectors import (
    EACH,
    RUNS,
    Ints,
    extreme_patches,
    idle,
    matrices,
    signed,
    transformed,
)

LANES = 3
Patch = tuple[int, Ints]  # transform, [LANES, y, x]
Word = tuple[int, int, int, int, list[int]]  # cycle, transform, element, last, operands


def patches(transforms: tuple[Transform, ...], rng: np.random.Generator) -> list[Patch]:
    """Runs of each transform: its extremes, LANES a patch, and as many random ones."""
    found: list[Patch] = []
    for choice, transform in enumerate(transforms):
        extremes = np.array(extreme_patches(transform))
        extremes = np.resize(extremes, (-(-len(extremes) // LANES), LANES, *extremes.shape[1:]))
        found += [(choice, patch) for patch in extremes]
        found += [(choice, rng.integers(-128, 128, extremes.shape[1:])) for _ in extremes[:10]]
    order = rng.permutation(len(found)) if rng.random() < 0.5 else range(len(found))
    return [found[index] for index in order]


def run(
    dut: InputTransform,
    transforms: tuple[Transform, ...],
    sequence: list[Patch],
    rng: np.random.Generator,
    gaps: float,
    switch_gap: int,
) -> tuple[list[int], list[Word]]:
    """The cycles of the patches' last words, and what came out."""
    ends: list[int] = []
    words: list[Word] = []
    cycle = 0
    done = False

    async def give(ctx: Any) -> None:
        nonlocal done

        async def tick() -> None:
            nonlocal cycle
            await ctx.tick()
            cycle += 1

        before = 0
        for choice, patch in sequence:
            elements = transforms[choice].elements
            for _ in range(switch_gap if elements < before else 0):
                await tick()
            before = elements
            ctx.set(dut.i_transform, choice)
            for x in range(patch.shape[2]):
                for y in range(patch.shape[1]):
                    for _ in idle(rng, gaps):
                        await tick()
                    ctx.set(dut.i_valid, 1)
                    ctx.set(dut.i_word, patch[:, y, x].tolist())
                    await tick()
                    ctx.set(dut.i_valid, 0)
            ends.append(cycle - 1)
        for _ in range(INPUT_LATENCY + 40):
            await tick()
        done = True

    async def take(ctx: Any) -> None:
        seen = 0
        marks = dut.o_transform, dut.o_element, dut.o_last
        while not done:
            _, _, valid, word, *found = await ctx.tick().sample(dut.o_valid, dut.o_word, *marks)
            if valid:
                words.append((seen, *found, [int(lane) for lane in word]))
            seen += 1

    sim = Simulator(dut)
    sim.add_clock(1e-9)
    sim.add_process(give)
    sim.add_testbench(take)
    sim.run()
    return ends, words


def expected(
    transforms: tuple[Transform, ...], sequence: list[Patch], ends: list[int]
) -> list[Word]:
    words: list[Word] = []
    for (choice, patch), end in zip(sequence, ends, strict=True):
        elements = transformed(matrices(transforms[choice])[0], patch).reshape(LANES, -1).T
        for element, operands in enumerate(elements.tolist()):
            last = int(element == len(elements) - 1)
            words.append((end + INPUT_LATENCY + element, choice, element, last, operands))
    return words


@RUNS
def test_equals_the_matrices(transforms: tuple[Transform, ...], gaps: float) -> None:
    rng = np.random.default_rng(int(10 * gaps))
    sequence = patches(transforms, rng)
    bits = max(signed_bits(*t.input_range) for t in transforms)
    dut = InputTransform(lanes=LANES, transforms=transforms, operand_bits=bits)
    gap = input_switch_gap(transforms)
    ends, words = run(dut, transforms, sequence, rng, gaps, gap)
    assert words == expected(transforms, sequence, ends)
    if not gaps and len(transforms) == 1:
        assert np.all(np.diff([word[0] for word in words]) == 1)


def test_a_shorter_switch_gap_is_too_short() -> None:
    rng = np.random.default_rng(1)
    transforms = (F2, F4)
    sequence = [(choice, patch) for choice, patch in patches(transforms, rng)[:9]]
    sequence = [pair for pair in sequence if pair[0]] + [p for p in sequence if not p[0]]
    sequence.insert(0, (1, rng.integers(-128, 128, (LANES, 6, 6))))
    sequence.append((0, rng.integers(-128, 128, (LANES, 4, 4))))
    for gap, right in ((input_switch_gap(transforms), True), (19, False)):
        dut = InputTransform(lanes=LANES, transforms=transforms, operand_bits=15)
        ends, words = run(dut, transforms, sequence, rng, 0.0, gap)
        assert (words == expected(transforms, sequence, ends)) is right


@EACH
@pytest.mark.parametrize("less", [0, 1])
def test_line_width_is_the_least(transform: Transform, less: int) -> None:
    bits = signed_bits(*transform.line_range) - less
    matrix = np.array(transform.y.input_matrix)
    lines = [np.where(row > 0, high, -1 - high) for row in matrix for high in (127, -128)]
    results = []

    async def bench(ctx: Any) -> None:
        words = [int(word) for line in lines for word in line]
        for cycle in range(len(words) + len(matrix) + 4):
            ctx.set(dut.i_valid, cycle < len(words))
            ctx.set(dut.i_word, [words[min(cycle, len(words) - 1)]])
            if ctx.get(dut.o_valid):
                results.append(int(ctx.get(dut.o_word)[0]))
            await ctx.tick()

    dut = LineTransform(lanes=1, axes=(transform.y,), lines=(1,), input_bits=8, output_bits=bits)
    sim = Simulator(dut)
    sim.add_clock(1e-9)
    sim.add_testbench(bench)
    sim.run()
    wanted = [int(value) for line in lines for value in matrix @ line]
    assert results == [signed(value, bits) for value in wanted]
    assert (results == wanted) is (less == 0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"lanes": 0}, "lanes must be an integer of at least 1, not 0"),
        ({"transforms": ()}, "transforms must be one or more different ones, not none"),
        ({"transforms": (F2, F2)}, r"transforms must .* not F\(2,3\), F\(2,3\)"),
        ({"operand_bits": 14}, "operand_bits must be an integer of at least 15, not 14"),
    ],
)
def test_refuses(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        InputTransform(**{"lanes": 2, "transforms": (F2, F4), "operand_bits": 15, **changed})
