"""Bands: a pooling beside the convolution that feeds it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.compile import bands as module
from dse.compile.bands import pool_ends, ready_rows
from dse.compile.compiler import compile_network
from dse.compile.schedule import INPUT_PIECES
from dse.compile.strips import cuts, source_rows
from dse.cycles.whole_program import program_cycles
from dse.network.graph import Network, Window
from hw.isa import Base, Opcode
from hw.isa.config import OverlayConfig
from tests.sim.test_functional import Builder, check

CONFIG = OverlayConfig(
    rows=4,
    columns=8,
    lanes=2,
    tensor_bytes=1 << 15,
    tensor_copies=2,
    accumulator_depth=256,
    weight_words=256,
    parameter_depth=64,
    axi_bytes=16,
)


def network(pool: Window, kind: str = "max", channels: int = 8) -> Network:
    """A convolution, a pooling, and a convolution that reads it."""
    b = Builder(np.random.default_rng(0))
    x = b.input(24, 24, channels)
    y = b.conv(x, 16, Window((3, 3), padding=(1, 1, 1, 1)))
    z = b.conv(b.pool(y, kind, pool), 8, Window())
    return b.build(z)


@given(st.data())
def test_a_band_needs_no_later_band(data: st.DataObject) -> None:
    """Bands end with the last row that there is input for, and the last one with the image."""
    kernel, stride = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 4))
    padding = data.draw(st.integers(0, kernel - 1))
    height, count = data.draw(st.integers(kernel, 60)), data.draw(st.integers(2, 6))
    window = Window((kernel, 1), stride=(stride, 1), padding=(padding, 0, padding, 0))
    outputs = window.output(height, 1)[0]
    rows = tuple(end for _, _, end in cuts(height, -(-height // count)))
    ends = pool_ends(window, height, rows, outputs)
    assert ends[-1] == outputs
    assert list(ends) == sorted(set(ends))
    ready = [ready_rows(window, height, end, outputs) for end in rows]
    assert set(ends[:-1]) <= set(ready[:-1])
    for end, found in zip(rows, ready, strict=True):
        reads = [source_rows(window, height, row, row + 1)[1] for row in range(outputs)]
        assert found == sum(max(reads[: row + 1]) <= end for row in range(outputs))


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize(
    "pool",
    [
        Window((3, 3), stride=(2, 2)),
        Window((3, 3), stride=(2, 2), padding=(1, 1, 1, 1)),
        Window((2, 2), stride=(2, 2)),
        Window((3, 3), padding=(1, 1, 1, 1)),
    ],
)
def test_the_pooling_runs_beside_the_convolution(
    pool: Window, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHORTEST", 128)
    banded = check(network(pool, kind), CONFIG)
    cycles = program_cycles(banded, CONFIG)
    first = next(i for i in cycles.instructions if i.opcode is Opcode.POOL)
    last = max(i.retire for i in cycles.instructions if i.opcode is Opcode.CONV and i.tag == 0)
    assert first.start < last
    monkeypatch.setattr(module, "BANDS", ())
    whole = program_cycles(compile_network(network(pool, kind), CONFIG), CONFIG)
    assert cycles.total < whole.total


def test_the_first_band_does_not_wait_for_the_whole_image() -> None:
    """The image comes in pieces, and a band waits for those that it reads."""
    program = check(network(Window((2, 2), stride=(2, 2))), CONFIG)
    found = program_cycles(program, CONFIG).instructions
    loads = [i for i in found if i.opcode is Opcode.LOAD and i.tag == 0]
    first = next(i for i in found if i.opcode is Opcode.CONV)
    image = [
        i
        for i, one in zip(found, program.instructions[1:-1], strict=True)
        if one.opcode is Opcode.LOAD and one.field("base") == Base.INPUT
    ]
    assert len(image) == INPUT_PIECES
    assert sum(i.retire < first.start for i in image) < INPUT_PIECES / 2
    assert len(loads) > len(image)


def test_the_next_convolution_starts_beside_the_last_band() -> None:
    """It reads the pooling, and the rows that are there first."""
    program = check(network(Window((2, 2), stride=(2, 2))), CONFIG)
    found = program_cycles(program, CONFIG).instructions
    last = max(i.retire for i in found if i.opcode is Opcode.POOL)
    behind = [i for i in found if i.opcode is Opcode.CONV and i.tag == 2]
    assert len(behind) == 2
    assert behind[0].start < last < behind[1].start


def test_without_room_nothing_is_cut() -> None:
    narrow, wide = (network(Window((2, 2), stride=(2, 2)), channels=c) for c in (8, 12))
    tight = replace(CONFIG, tensor_bytes=1 << 14)
    assert 24 * 24 * (12 + 16) <= tight.tensor_bytes < 24 * 24 * (12 + 16) + 12 * 12 * 16
    pools = [
        [i.opcode for i in check(one, tight).instructions].count(Opcode.POOL)
        for one in (narrow, wide)
    ]
    assert pools[0] > 1
    assert pools[1] == 1


def normalised(channels: int) -> Network:
    """A convolution, a pooling, what normalises it, and a convolution that reads that."""
    b = Builder(np.random.default_rng(0))
    x = b.input(24, 24, channels)
    y = b.pool(b.conv(x, 16, Window((3, 3), padding=(1, 1, 1, 1))), "max", Window((2, 2), (2, 2)))
    return b.build(b.conv(b.pool(y, "average", Window((3, 3), padding=(1, 1, 1, 1))), 8, Window()))


def test_a_pooling_of_a_pooling_stands_between_its_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHORTEST", 128)
    banded = check(normalised(8), CONFIG)
    tags = [one.field("tag") for one in banded.instructions if one.opcode is Opcode.POOL]
    assert len(tags) > 3
    assert tags != sorted(tags)
    cycles = program_cycles(banded, CONFIG)
    last = max(i.retire for i in cycles.instructions if i.opcode is Opcode.CONV and i.tag == 0)
    assert min(i.start for i in cycles.instructions if i.tag == 2) < last
    monkeypatch.setattr(module, "BANDS", ())
    assert cycles.total < program_cycles(compile_network(normalised(8), CONFIG), CONFIG).total


def test_a_chain_that_finds_no_room_leaves_its_first_pooling_in_bands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SHORTEST", 128)
    bytes_ = 24 * 24 * (8 + 16) + 12 * 12 * 16  # all but what the second pooling writes
    tight = replace(CONFIG, tensor_bytes=1 << 14)
    assert tight.tensor_bytes < bytes_ + 12 * 12 * 16 and bytes_ <= tight.tensor_bytes
    pools = [
        one.field("tag")
        for one in check(normalised(8), tight).instructions
        if one.opcode is Opcode.POOL
    ]
    assert pools == sorted(pools)
    assert pools.count(1) > 1
