"""Normalisation across channels in RTL: every sum and every gain, beside what layers do else."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from benchmarks.choices import all_choices
from dse.compile import bands
from dse.compile.compiler import compile_network
from dse.network.graph import Gain, Network, Quantisation, Window
from hw.isa import Error, Opcode
from sim.fast.simulated_run import DDR, IDEAL, Timing
from sim.simulation import make_job, output_tensors
from tests.rtl import test_cycles as cycles
from tests.rtl.overlays import OVERLAYS, SWEPT, Case, check, simulation, swept
from tests.sim.test_functional import Builder

pytestmark = pytest.mark.rtl

STALLS = Timing(stall=40, seed=5)
SAME = Window((3, 3), padding=(1, 1, 1, 1))
NORMALISING = [name for name in OVERLAYS if OVERLAYS[name].normalisation]


def normalised(seed: int, size: int = 6) -> Network:
    """Alone and in front of maxima, of more channels than a word has, and of parts of a tensor."""
    b = Builder(np.random.default_rng(seed))
    x = b.normalise(b.conv(b.input(size, size, 5), 9, SAME))
    left, right = b.conv(x, 4, SAME), b.conv(x, 3, Window())
    joined = b.concat(left, b.normalise(left, 1, SAME), right)
    y = b.normalise(joined, 2, Window((3, 3), stride=(2, 2)))
    gate = b.pool(y, "average", Window(b.tensors[y].shape[:2]))
    return b.build(b.multiply(y, b.normalise(gate, 1)), b.normalise(right, 0))


@pytest.mark.parametrize("name", swept(NORMALISING))
def test_beside_other_layers(name: str) -> None:
    choices = tuple(all_choices(OVERLAYS[name]))
    check(name, Case(normalised(1), choices), Case(normalised(2), choices[::-1], STALLS, images=2))


@pytest.mark.parametrize("name", swept(NORMALISING))
def test_predicted_cycles(name: str) -> None:
    choices = all_choices(OVERLAYS[name])
    networks = normalised(1, 5), normalised(2, 7)
    programs = [cycles.compile_with(one, OVERLAYS[name], choices) for one in networks]
    for timing in (IDEAL, DDR):
        cycles.check(name, programs, timing)


def test_behind_a_pooling_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bands stand between those of the pooling, and the convolution is still at work."""
    name = "winograd2"
    monkeypatch.setattr(bands, "SHORTEST", 64)
    b = Builder(np.random.default_rng(3))
    pooled = b.pool(b.conv(b.input(16, 12, 5), 9, SAME), "max", Window((3, 3), stride=(2, 2)))
    network = b.build(b.conv(b.normalise(pooled), 4, Window()))
    program = compile_network(network, OVERLAYS[name])
    tags = [one.field("tag") for one in program.instructions if one.opcode is Opcode.POOL]
    assert tags != sorted(tags)
    check(name, Case(network), Case(network, timing=STALLS))
    for timing in (IDEAL, DDR):
        cycles.check(name, [program], timing)


def gain_of(total: int, gains: bytes) -> int:
    """The gain of a sum of squares: of the five bits behind its first, and where that stands."""
    rest = total // 128
    if rest < 32:
        return gains[rest]
    digits = f"{rest:b}"
    return gains[int(digits[1:6], 2) + 32 * (len(digits) - 5)]


@dataclass(frozen=True)
class Drawn(Gain):
    """Gains that no response has, in 256ths."""

    bytes_: bytes

    def __call__(self, sums: np.ndarray) -> np.ndarray:
        return np.frombuffer(self.bytes_, np.uint8) / 256


@pytest.mark.parametrize("zero_point", [-128, 127, 3])
def test_any_sum_and_any_gain(zero_point: int) -> None:
    """Random gains, which no response has; values from a few small ones to all extreme."""
    name, channels, pixels = "winograd2", 3, 180
    assert name in SWEPT
    rng = np.random.default_rng(200 + zero_point)
    b = Builder(rng)
    x = b.input(1, pixels, channels)
    b.tensors[x] = replace(b.tensors[x], quantisation=Quantisation(1.0, zero_point))
    y = b.normalise(x)
    (op,) = b.operators
    gains = bytes([255]) + rng.bytes(255)
    known = replace(op.normalisation, gain=Drawn(0.0, 0.0, 1.0, gains))
    b.operators = [replace(op, normalisation=known, low=-128, high=127)]
    b.tensors[y] = replace(b.tensors[y], quantisation=Quantisation(2.0, 0))
    network = b.build(y)
    reach = rng.integers(0, 257, (1, pixels, channels)) * (rng.random((1, pixels, 1)) ** 2)
    values = np.clip(zero_point + np.round(reach) * rng.choice([-1, 1], reach.shape), -128, 127)
    values[0, :3] = [[-128] * 3, [127] * 3, [zero_point] * 3]
    program = compile_network(network, OVERLAYS[name])
    inputs = {x: values.astype(np.int8)}
    (run,) = simulation(name).run(make_job(program, [inputs], timing=STALLS))
    assert run.error is Error.NONE
    wanted, seen = np.empty((1, pixels, channels)), set()
    for pixel in range(pixels):
        centred = [int(v) - zero_point for v in values[0, pixel]]
        total = sum(v * v for v in centred)  # within two channels of each of three: all
        seen.add(total // 128)
        for c in range(channels):
            exact = centred[c] * gain_of(total, gains) / 256 / 2
            wanted[0, pixel, c] = np.clip(np.rint(exact), -128, 127)
    assert len(seen) > 50
    np.testing.assert_array_equal(output_tensors(run, program)[y], wanted)
