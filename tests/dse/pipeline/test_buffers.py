"""The memory model against the buffers it stands for."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from dse.pipeline import Granule, StagePool
from dse.pipeline.model.buffers import (
    bank_depth,
    buffers,
    groups_touched,
    live_rows,
    weight_reads,
)
from dse.pipeline.model.layer import ConvStage
from dse.pipeline.model.loads import load_devices
from dse.pipeline.model.parallelism import Parallelism, parallelisms
from hw.stages.scheme import BANDS, Scheme

RAMB18 = load_devices()["kcu1500"].ram
M20K = load_devices()["arria10gt1150"].ram


def _bank(stage: ConvStage, granule: Granule, segments: int, row: int, column: int) -> int:
    """The bank that holds a pixel of the padded input map."""
    cell = row // stage.stride
    if granule is Granule.PIXEL:
        cell = cell * stage.size_out + column // stage.stride
    return cell % segments


def _outputs(stage: ConvStage, granule: Granule) -> list[list[tuple[int, int]]]:
    """Output pixels, by granule."""
    size = stage.size_out
    if granule is Granule.ROW:
        return [[(row, column) for column in range(size)] for row in range(size)]
    return [[(row, column)] for row in range(size) for column in range(size)]


@pytest.mark.parametrize("granule", Granule)
def test_segments_never_meet_in_a_bank(stage: ConvStage, granule: Granule) -> None:
    outputs = _outputs(stage, granule)
    for segments in (1, 2, 3, 4, len(outputs) // 2, len(outputs)):
        for first in range(0, len(outputs), segments):
            step = outputs[first : first + segments]
            taps = product(range(stage.kernel), repeat=2)
            for (i, j), pixel in product(taps, range(granule.pixels(stage))):
                banks = [
                    _bank(
                        stage,
                        granule,
                        segments,
                        run[pixel][0] * stage.stride + i,
                        run[pixel][1] * stage.stride + j,
                    )
                    for run in step
                ]
                assert len(set(banks)) == len(banks)


@pytest.mark.parametrize("granule", Granule)
def test_bank_depth_covers_the_fullest_bank(stage: ConvStage, granule: Granule) -> None:
    """Count the used pixels of every bank for the whole map; the bound may not be below."""
    used = range(stage.pad, stage.pad + stage.rows_used)
    par = parallelisms(stage, granule)
    cells = live_rows(stage, Scheme.MAP, granule, par) // 2
    depths = bank_depth(stage, granule, par.para_seg, cells)
    for segments in np.unique(par.para_seg):
        counts = np.zeros(segments, dtype=int)
        for row, column in product(used, used):
            counts[_bank(stage, granule, int(segments), row, column)] += 1
        depth = int(depths[par.para_seg == segments][0])
        assert depth >= counts.max()
        if stage.stride == 1 and stage.size_out == stage.rows_used:
            assert depth == counts.max()


@pytest.mark.parametrize("scheme", [Scheme.LINE, Scheme.BAND])
@pytest.mark.parametrize("granule", Granule)
def test_live_rows_cover_a_step_and_the_next(
    stage: ConvStage, scheme: Scheme, granule: Granule
) -> None:
    """Play the steps: what one step reads and what arrives for the next must be held."""
    outputs = _outputs(stage, granule)
    par = parallelisms(stage, granule)
    held = live_rows(stage, scheme, granule, par) * stage.stride
    for segments, run, rows in set(zip(par.para_seg, par.run, held, strict=True)):
        step = segments * (-(-run // BANDS) if scheme is Scheme.BAND else 1)
        for first in range(0, len(outputs), step):
            top = outputs[first][0][0] * stage.stride
            last = min(first + 2 * step, len(outputs)) - 1
            bottom = outputs[last][-1][0] * stage.stride + stage.kernel
            assert bottom - top <= rows


def test_map_is_held_twice(stage: ConvStage) -> None:
    par = parallelisms(stage, Granule.ROW)
    cells = live_rows(stage, Scheme.MAP, Granule.ROW, par)
    assert np.all(cells * stage.stride >= 2 * stage.rows_used)


@pytest.mark.parametrize("para_out", range(1, 13))
@pytest.mark.parametrize("groups", [1, 2, 3, 4])
def test_groups_touched(make_conv: Callable[..., ConvStage], groups: int, para_out: int) -> None:
    stage = make_conv(n_out=12, groups=groups)
    owners = [channel // (12 // groups) for channel in range(12)]
    tiles = [set(owners[first : first + para_out]) for first in range(0, 12, para_out)]
    assert groups_touched(stage, para_out) == max(map(len, tiles))


def test_weight_reads() -> None:
    one = np.ones(4, dtype=np.int64)
    par = Parallelism(para_in=one, para_out=one, para_seg=one, run=np.array([1, 7, 8, 49]))
    assert weight_reads(Scheme.LINE, par).tolist() == [0, 0, 0, 0]
    assert weight_reads(Scheme.BAND, par).tolist() == [1, 7, 8, 7]
    assert weight_reads(Scheme.MAP, par).tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("lanes", "depth", "blocks"),
    [
        (4, 512, 1),
        (2, 1024, 1),
        (1, 2048, 1),
        (5, 512, 2),
        (4, 513, 2),
        (1, 2049, 2),
        (8, 1, 2),  # 64 data bits: one BRAM36 as 512 x 72
        (4, 1024, 2),  # 1K x 36
        (2, 2048, 2),  # 2K x 18
        (1, 4096, 2),  # 4K x 9
        (3, 600, 2),  # three 2K x 9 would be 3, two 1K x 18 are 2
    ],
)
def test_block_shapes(lanes: int, depth: int, blocks: int) -> None:
    for ram in (RAMB18, M20K):
        assert ram.blocks(lanes=np.array([lanes]), depth=np.array([depth]))[0] == blocks


def test_blocks_hold_the_bytes(stage: ConvStage) -> None:
    """No buffer may be smaller than the data it must hold."""
    for scheme, granule, bits in product(Scheme, Granule, (8, 16)):
        par = parallelisms(stage, granule)
        got = buffers(stage, scheme, granule, par, ram=RAMB18, bits=bits)
        capacity = 2048 * 8 // bits
        weights = stage.weights if scheme is Scheme.LINE else 2 * stage.n_in * stage.kernel**2
        assert np.all(got.weight * capacity >= weights)
        if scheme is Scheme.MAP:
            assert np.all(got.input * capacity >= 2 * stage.channels * stage.rows_used**2)
            assert bool(got.output.any()) == (granule is Granule.PIXEL)
        else:
            step = par.para_seg * granule.pixels(stage)
            assert np.all(got.output * capacity >= 2 * step * stage.n_out)


def test_alexnet_conv3_by_hand(make_conv: Callable[..., ConvStage]) -> None:
    """256 channels of 13 x 13, 384 outputs, MAP, 16 x 77 x 1 lanes of two bytes.

    Input: 32 bytes wide; 16 channel steps of 169 pixels, twice: 5408 words deep.
    In 2048 x 1 byte: 32 x 3 = 96 blocks; 1024 x 2: 16 x 6 = 96; 512 x 4: 8 x 11 = 88.
    Weights: 16 x 77 x 2 = 2464 bytes wide, 2 x 16 x 9 = 288 deep: 616 blocks of 512 x 4.
    Results: two passes of 77 values. Parameters: 385 of 32 + 12 + 6 bits.
    """
    stage = make_conv(n_in=256, n_out=384, size_in=13, size_out=13)
    par = Parallelism(
        para_in=np.array([16]),
        para_out=np.array([77]),
        para_seg=np.array([1]),
        run=np.array([169]),
    )
    got = buffers(stage, Scheme.MAP, Granule.PIXEL, par, ram=RAMB18, bits=16)
    assert (got.input[0], got.weight[0], got.output[0], got.pool[0]) == (88, 616, 1, 0)
    assert got.parameter[0] == 2
    assert got.total[0] == 707


def test_pooling_costs_memory_only_where_it_exists(make_conv: Callable[..., ConvStage]) -> None:
    plain = make_conv()
    pooled = make_conv(pool=StagePool(name="P", kernel=3, stride=2, size_out=3))
    par = parallelisms(plain, Granule.PIXEL)
    for scheme in Scheme:
        without = buffers(plain, scheme, Granule.PIXEL, par, ram=RAMB18, bits=16)
        with_pool = buffers(pooled, scheme, Granule.PIXEL, par, ram=RAMB18, bits=16)
        assert not without.pool.any()
        assert np.all(with_pool.pool > 0)
        assert np.array_equal(with_pool.total - with_pool.pool, without.total)


def test_pool_banks_by_hand(make_conv: Callable[..., ConvStage]) -> None:
    """One channel step of 9 taps: 40 segments bring 40 results every 9 cycles.

    So 5 segments leave at once, each with a tile of 2 channels: a beat of 10 channels holds all 6
    of a pixel. A 3 x 3 pool of stride 2 keeps 2 rows of 24 beats of 20 bytes: 5 blocks each.
    """
    pool = StagePool(name="P", kernel=3, stride=2, size_out=24)
    stage = make_conv(size_in=49, size_out=49, n_out=6, pool=pool)
    par = Parallelism(
        para_in=np.array([4]), para_out=np.array([2]), para_seg=np.array([40]), run=np.array([61])
    )
    got = buffers(stage, Scheme.LINE, Granule.PIXEL, par, ram=RAMB18, bits=16)
    assert got.pool[0] == 10


def test_eight_bits_never_need_more_than_sixteen(stage: ConvStage) -> None:
    par = parallelisms(stage, Granule.PIXEL)
    for scheme in Scheme:
        narrow = buffers(stage, scheme, Granule.PIXEL, par, ram=RAMB18, bits=8).total
        wide = buffers(stage, scheme, Granule.PIXEL, par, ram=RAMB18, bits=16).total
        assert np.all(narrow <= wide)
