"""Requantisation and residual addition against the numpy contract, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.network.rounding import factor, factor_pair, requantise, round_half_even_shift
from hw.isa.timing import REQUANTISE_LATENCY, RESIDUAL_LATENCY
from hw.lib.requantise import Requantise, RequantiseLanes, ResidualAdd, Round

Ints = npt.NDArray[np.int64]
SLOW = pytest.mark.slow


def pipeline(dut: Any, inputs: list[dict[str, Any]], output: str, latency: int) -> list[Any]:
    """One set of inputs a cycle; the outputs that answer them."""
    results = []

    async def drive(ctx: Any) -> None:
        for row in inputs:
            for name, value in row.items():
                ctx.set(getattr(dut, name), value)
            await ctx.tick()

    async def take(ctx: Any) -> None:
        await ctx.tick().repeat(latency)
        for _ in inputs:
            _, _, result = await ctx.tick().sample(getattr(dut, output))
            results.append(result)

    sim = Simulator(dut)
    sim.add_clock(1e-9)
    sim.add_process(drive)
    sim.add_testbench(take)
    sim.run()
    return results


def limits(rng: np.random.Generator, count: int) -> tuple[Ints, Ints]:
    """Half of them the whole of int8, the others any."""
    pair = np.sort(rng.integers(-128, 128, (2, count)), axis=0)
    whole = rng.random(count) < 0.5
    return np.where(whole, -128, pair[0]), np.where(whole, 127, pair[1])


def accumulators(rng: np.random.Generator, bits: int, mantissa: Ints, shift: Ints) -> Ints:
    """Extremes, random values of every magnitude, and values whose quotient is at a tie."""
    count = len(mantissa)
    bound = 1 << (bits - 1)
    random = rng.integers(-bound, bound, count) >> rng.integers(0, bits, count)
    quotient = rng.integers(-400, 400, count) + 0.5
    tie = np.rint(quotient * 2.0**shift / mantissa + rng.integers(-1, 2, count))
    tie = np.clip(tie, -bound, bound - 1).astype(np.int64)
    extreme = rng.choice([-bound, -bound + 1, -1, 0, 1, bound - 1], count)
    return np.choose(rng.choice(3, count, p=(0.3, 0.6, 0.1)), (random, tie, extreme))


def vectors(bits: int, count: int, seed: int) -> dict[str, Ints]:
    rng = np.random.default_rng(seed)
    mantissa = np.where(
        rng.random(count) < 0.5, 1 << 16, rng.integers(1 << 16, 1 << 17, count)
    ).astype(np.int64)
    shift = np.resize(np.arange(64), count)
    low, high = limits(rng, count)
    return {
        "accumulator": accumulators(rng, bits, mantissa, shift),
        "mantissa": mantissa,
        "shift": shift,
        "zero_point": rng.choice([-128, 127, 0, int(rng.integers(-128, 128))], count),
        "low": low,
        "high": high,
    }


def expected(vector: dict[str, Ints]) -> list[int]:
    accumulator, mantissa, shift, zero_point, low, high = vector.values()
    scaled = round_half_even_shift(accumulator * mantissa, shift)
    whole = np.clip(scaled + zero_point, low, high).tolist()
    index = len(whole) // 2
    one = [int(values[index]) for values in vector.values()]
    assert requantise(np.array(one[0]), *one[1:]) == whole[index]
    return whole


def rows(vector: dict[str, Ints]) -> list[dict[str, Any]]:
    return [
        {f"i_{name}": int(value) for name, value in zip(vector, values, strict=True)}
        for values in zip(*vector.values(), strict=True)
    ]


@pytest.mark.parametrize("count", [1500, pytest.param(6000, marks=SLOW)])
@pytest.mark.parametrize("bits", [20, 27, 32, 40])
def test_requantise_equals_the_contract(bits: int, count: int) -> None:
    vector = vectors(bits, count, seed=bits)
    dut = Requantise(accumulator_bits=bits)
    assert pipeline(dut, rows(vector), "o_result", REQUANTISE_LATENCY) == expected(vector)


@pytest.mark.parametrize("examples", [10, pytest.param(20, marks=SLOW)])
def test_requantise_any_width_and_factor(examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(st.integers(2, 47), st.integers(0, 2**32), st.floats(1e-12, 1e4))
    def any_width_and_factor(bits: int, seed: int, real: float) -> None:
        vector = vectors(bits, 50, seed)
        vector["mantissa"][:] = factor(real).mantissa
        vector["shift"][:] = factor(real).shift
        dut = Requantise(accumulator_bits=bits)
        assert pipeline(dut, rows(vector), "o_result", REQUANTISE_LATENCY) == expected(vector)

    any_width_and_factor()


def test_lanes_share_parameters() -> None:
    vector = vectors(27, 300, seed=1)
    lanes = [vector["accumulator"], -vector["accumulator"] - 1, vector["accumulator"] // 3]
    inputs = rows(vector)
    for index, row in enumerate(inputs):
        del row["i_accumulator"]
        row["i_accumulators"] = [int(lane[index]) for lane in lanes]
    dut = RequantiseLanes(accumulator_bits=27, lanes=3)
    results = pipeline(dut, inputs, "o_results", REQUANTISE_LATENCY)
    for index, lane in enumerate(lanes):
        assert [int(result[index]) for result in results] == expected(
            {**vector, "accumulator": lane}
        )


def residual_layers(rng: np.random.Generator, count: int) -> dict[str, Ints]:
    """Factors and offsets of additions, realistic ones and the largest that the fields hold."""
    layers = []
    for index in range(count):
        real = 2.0 ** rng.uniform(-20, 4, 2)
        f, g, shift = factor_pair(*real) if index % 2 else (2**17 - 1, 2**17 - 1, int(index % 64))
        zeros = rng.integers(-128, 128, 2)
        offset = (
            int(-(zeros[0] * f + zeros[1] * g)) if index % 4 else int(rng.choice([-1, 1])) << 30
        )
        layers.append((f, g, offset, shift))
    names = ("factor", "residual_factor", "offset", "shift")
    return dict(zip(names, np.array(layers, dtype=np.int64).T, strict=True))


def test_residual_add_equals_the_contract() -> None:
    count, lanes = 1500, 3
    rng = np.random.default_rng(7)
    layer = residual_layers(rng, count)
    layer["zero_point"] = rng.integers(-128, 128, count)
    layer["low"], layer["high"] = limits(rng, count)
    pair = rng.choice([-128, 127, *rng.integers(-128, 128, 30)], (2, count, lanes))
    inputs = rows(layer)
    for index, row in enumerate(inputs):
        row["i_value"], row["i_residual"] = pair[:, index].tolist()
    results = pipeline(ResidualAdd(lanes=lanes), inputs, "o_result", RESIDUAL_LATENCY)

    column = {name: values[:, None] for name, values in layer.items()}
    total = pair[0] * column["factor"] + pair[1] * column["residual_factor"] + column["offset"]
    scaled = round_half_even_shift(total, column["shift"]) + column["zero_point"]
    clipped = np.clip(scaled, column["low"], column["high"])
    assert [[int(lane) for lane in result] for result in results] == clipped.tolist()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Round(bits=65), "bits must be .* not 65"),
        (lambda: RequantiseLanes(accumulator_bits=48, lanes=1), "accumulator_bits must .* not 48"),
        (lambda: ResidualAdd(lanes=0), "lanes must be .* not 0"),
    ],
)
def test_refuses(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
