"""Two tensors in RTL: all pairs of values in every lane, beside what layers do else."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.choices import all_choices
from dse.compile.compiler import compile_network
from dse.network.graph import Network, Quantisation, Window
from dse.network.operators import Combination
from hw.isa import Error
from sim.fast.simulated_run import DDR, IDEAL, Timing
from sim.simulation import make_job, output_tensors
from tests.rtl import test_cycles as cycles
from tests.rtl.overlays import OVERLAYS, SWEPT, Case, check, simulation, swept
from tests.sim.test_functional import COMBINATIONS, Builder

pytestmark = pytest.mark.rtl

STALLS = Timing(stall=40, seed=5)
POINT = Window()
SAME = Window((3, 3), padding=(1, 1, 1, 1))


def excited(seed: int, size: int = 6) -> Network:
    """Squeeze and excite, a product of two branches, one of a range of a concatenation."""
    b = Builder(np.random.default_rng(seed))
    x = b.conv(b.input(size, size, 5), 8, SAME)
    gate = b.pool(x, "average", Window((size, size)))
    gate = b.conv(b.conv(gate, 3, POINT), 8, POINT)
    x = b.multiply(x, gate)
    left, right = b.conv(x, 4, SAME), b.conv(x, 4, POINT)
    product = b.multiply(left, right)
    joined = b.concat(product, left, b.pool(x, "max", SAME))
    squared = b.multiply(joined, joined)
    return b.build(b.conv(squared, 6, POINT), joined, b.multiply(gate, gate))


def alone(shape: tuple[int, int, int], shared: bool, zero_points: tuple[int, int]) -> Network:
    """One product of two inputs."""
    b = Builder(np.random.default_rng(2))
    b.input(*shape)
    b.input(*((1, 1, shape[2]) if shared else shape))
    for name, zero_point in zip(b.inputs, zero_points, strict=True):
        b.tensors[name] = replace(b.tensors[name], quantisation=Quantisation(1.0, zero_point))
    return b.build(b.multiply(*b.inputs))


def rounded(value: int, mantissa: int, shift: int) -> int:
    """``value * mantissa / 2 ** shift`` to the nearest integer, ties to the even one."""
    whole, rest = divmod(value * mantissa, 1 << shift)
    half = 1 << (shift - 1)
    return whole + (rest > half or (rest == half and whole % 2 == 1))


def combined(seed: int, size: int = 6) -> Network:
    """Every combination: of equal shapes, of an image and a pixel, a plane, a single value."""
    b = Builder(np.random.default_rng(seed))
    x = b.conv(b.input(size, size, 5), 9, SAME)
    gate, plane = b.pool(x, "average", Window((size, size))), b.conv(x, 1, SAME)
    others = [gate, plane, b.conv(gate, 1, POINT)]
    y = b.conv(x, 9, POINT)
    for number, kind in enumerate(COMBINATIONS):
        y = b.combine(b.combine(y, x, kind), others[(number + seed) % 3], kind)
    joined = b.concat(y, b.pool(x, "max", SAME))
    last = b.combine(joined, plane, "maximum")
    return b.build(b.conv(last, 4, POINT), b.combine(gate, others[2], "reverse"), joined)


PAIRS = [name for name in OVERLAYS if OVERLAYS[name].pairs]


@pytest.mark.parametrize("name", swept(PAIRS))
def test_every_combination(name: str) -> None:
    choices = tuple(all_choices(OVERLAYS[name]))
    check(name, Case(combined(1), choices), Case(combined(2), choices[::-1], STALLS, images=2))


@pytest.mark.parametrize("name", swept(PAIRS))
def test_cycles_of_combinations(name: str) -> None:
    choices = all_choices(OVERLAYS[name])
    programs = [cycles.compile_with(combined(k, 4 + k), OVERLAYS[name], choices) for k in range(3)]
    for timing in (IDEAL, DDR):
        cycles.check(name, programs, timing)


@pytest.mark.parametrize("combination", COMBINATIONS[1:])
def test_all_values_with_the_extremes(combination: Combination) -> None:
    """Scales are powers of two, so that all results are exact."""
    name, rng = "winograd2", np.random.default_rng(6)
    for shape, other in (
        ((256, 1, 3), (256, 1, 3)),
        ((16, 16, 1), (1, 1, 1)),
        ((128, 2, 2), (128, 2, 1)),
    ):
        for zero_points in EXTREMES:
            b = Builder(rng)
            names = b.input(*shape), b.input(*other)
            y = b.combine(*names, combination)
            scales = 1.0, 0.25, 2.0
            for tensor, scale, zero in zip((*names, y), scales, (*zero_points, 3), strict=True):
                known = Quantisation(scale, zero)
                b.tensors[tensor] = replace(b.tensors[tensor], quantisation=known)
            network = b.build(y)
            one = np.resize(rng.permutation(np.arange(-128, 128)), shape)
            two = rng.choice([-128, -127, -1, 0, 1, 126, 127], other)
            program = compile_network(network, OVERLAYS[name])
            inputs = {n: v.astype(np.int8) for n, v in zip(names, (one, two), strict=True)}
            (run,) = simulation(name).run(make_job(program, [inputs], timing=STALLS))
            assert run.error is Error.NONE
            p, q = np.broadcast_arrays(one - zero_points[0], (two - zero_points[1]) / 4)
            exact = {
                "sum": p + q,
                "difference": p - q,
                "reverse": q - p,
                "maximum": np.maximum(p, q),
                "minimum": np.minimum(p, q),
            }[combination]
            wanted = np.clip(np.rint(exact / 2) + 3, -128, 120)  # rint: ties to the even one
            np.testing.assert_array_equal(output_tensors(run, program)[y], wanted)


@pytest.mark.parametrize("name", swept(OVERLAYS))
def test_gates_and_branches(name: str) -> None:
    choices = tuple(all_choices(OVERLAYS[name]))
    check(name, Case(excited(1), choices), Case(excited(2), choices[::-1], STALLS, images=2))


@pytest.mark.parametrize("name", swept(OVERLAYS))
def test_predicted_cycles(name: str) -> None:
    choices = all_choices(OVERLAYS[name])
    programs = [cycles.compile_with(excited(k, 5 + k), OVERLAYS[name], choices) for k in range(2)]
    for timing in (IDEAL, DDR):
        cycles.check(name, programs, timing)


EXTREMES = ((-128, 127), (127, -128), (0, 0), (-128, -128), (-77, 5))


@pytest.mark.parametrize("name", SWEPT)
@pytest.mark.parametrize("shared", [False, True])
def test_all_values_times_the_extremes(name: str, shared: bool) -> None:
    """One pixel, one channel, any zero point; factors by which all is zero, or nothing fits."""
    rng = np.random.default_rng(4)
    for shape in ((256, 1, 3), (16, 16, 1), (1, 1, 256), (1, 1, 1)):
        for number, zero_points in enumerate(EXTREMES):
            scale = (2.0**-9, 0.3, 91.7, 4e3, 2.0**40)[number]
            network = alone(shape, shared, zero_points)
            (op,) = network.operators
            y = network.tensors[op.output]
            y = replace(y, quantisation=Quantisation(scale, y.zero_point))
            network = replace(network, tensors={**network.tensors, op.output: y})
            one = np.resize(rng.permutation(np.arange(-128, 128)), shape)
            other = rng.choice([-128, -127, -1, 0, 1, 126, 127], network.tensors[op.b].shape)
            program = compile_network(network, OVERLAYS[name])
            inputs = {op.a: one.astype(np.int8), op.b: other.astype(np.int8)}
            (run,) = simulation(name).run(make_job(program, [inputs], timing=STALLS))
            assert run.error is Error.NONE
            shift = 16 - math.floor(math.log2(1 / scale))
            mantissa = round(2.0**shift / scale)
            products = (one - zero_points[0]) * (other - zero_points[1])
            wanted = [
                min(max(rounded(int(p), mantissa, shift) + y.zero_point, op.low), op.high)
                for p in products.flat
            ]
            found = output_tensors(run, program)[op.output]
            np.testing.assert_array_equal(found, np.reshape(wanted, shape))
