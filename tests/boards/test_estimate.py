"""The resource estimate: exact where it can be, else near Yosys; and clear about what is over."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from amaranth.back import rtlil

from boards.board import DSP48E2, KCU1500, U200, U250
from boards.estimate import block_ram, breakdown, estimate, foot, sequencer
from boards.realise import ResourceError, realise
from dse.explore.resources import Resources
from hw.conv.array.array import Array
from hw.conv.array.primitive import Primitive
from hw.isa.config import TRANSFORMS, OverlayConfig, power_of_two

COUNTS = json.loads((Path(__file__).parent / "yosys_counts.json").read_text())
TOLERANCE = 0.1
SLACK = 40  # LUTs or flip-flops: of a block so small that a tenth says little


@pytest.mark.parametrize(
    ("lanes", "bits", "expected"),
    [
        # elements + requantisation + residual addition + pooling + products
        (1, 27, 6 * 5 + 5 + 10 + 5 + 5),
        (1, 28, 6 * 5 + 10 + 10 + 5 + 5),
        (2, 27, 6 * 6 + 5 + 10 + 5 + 5),
        (2, 32, 6 * 6 + 10 + 10 + 5 + 5),
    ],
)
def test_dsp_slices_are_exact(lanes: int, bits: int, expected: int) -> None:
    config = OverlayConfig(rows=6, columns=5, lanes=lanes, accumulator_bits=bits)
    for primitive in (Primitive(), DSP48E2):
        assert estimate(config, primitive=primitive).dsp == expected


@pytest.mark.parametrize(
    ("rows", "columns", "crossings"),
    [(2, 2, 1), pytest.param(3, 6, 2, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("config", [{"lanes": 1}, {"winograd": "f4", "scratch_words": 128}])
def test_registers_of_crossings_are_counted(
    config: dict[str, Any], rows: int, columns: int, crossings: int
) -> None:
    """As many bits of registers as the array has more with crossings than without."""
    one = OverlayConfig(rows=rows, columns=columns, crossings=crossings, **config)

    def registers(of: OverlayConfig) -> int:
        text = rtlil.convert(Array(config=of))
        return sum(map(int, re.findall(r"cell \$dff \S+\n *parameter \\WIDTH (\d+)", text)))

    without = replace(one, crossings=0)
    assert registers(one) - registers(without) == breakdown(one)["crossings"].ff


def test_pool_lanes_count() -> None:
    for products in (0, 1):
        config = OverlayConfig(pool_lanes=7, products=products)
        fewer = replace(config, pool_lanes=1)
        assert estimate(config).dsp - estimate(fewer).dsp == 6 * (1 + products)


@pytest.mark.parametrize(
    ("depth", "bits", "halves"),
    [
        (512, 36, 1),
        (512, 72, 2),
        (512, 73, 3),
        (1024, 32, 2),
        (1024, 18, 1),
        (2048, 9, 1),
        (4096, 32, 8),
        (100, 8, 1),
        (16384, 1, 1),
    ],
)
def test_block_ram_takes_its_best_shape(depth: int, bits: int, halves: int) -> None:
    assert block_ram(depth, bits) == halves


def test_byte_writes_leave_the_ninth_bits_unused() -> None:
    assert block_ram(4096, 64, byte_writes=True) == 16
    assert block_ram(4096, 64) == 16
    assert block_ram(2048, 9, byte_writes=True) == 2


@pytest.mark.parametrize("word", [16, 64, 128])
def test_ultra_ram_holds_the_tensors(word: int) -> None:
    config = OverlayConfig(rows=2, columns=2, axi_bytes=word, tensor_bytes=1 << 22)
    memory = breakdown(config, uram=True)["tensor memory"]
    assert (memory.uram, memory.bram18) == ((1 << 22) // (4096 * 8), 0)
    memory = breakdown(config, uram=False)["tensor memory"]
    assert (memory.uram, memory.bram36) == (0, (1 << 22) // 4096)


def test_shallow_banks_take_whole_ultra_rams() -> None:
    config = OverlayConfig(rows=2, columns=2, axi_bytes=64, tensor_bytes=1 << 12)
    assert breakdown(config, uram=True)["tensor memory"].uram == 2 * 8


def group(block: str, config: OverlayConfig) -> Resources:
    parts = breakdown(config)
    if block == "feet":
        return foot(config)
    if block == "sequencer":
        return sequencer(config)
    if block == "overlay":
        total = estimate(config)
        banks = parts["tensor memory"]
        return replace(total, bram18=total.bram18 - banks.bram18, ff=total.ff - banks_ff(config))
    if block == "buses":  # the weight buffer is part of the frontend
        return parts["buses"] + parts["weights"]
    if block == "pooling":
        return parts["pooling"] + parts["depthwise"]
    if block == "tensor memory":  # without the banks
        return replace(parts[block], bram18=0, uram=0, ff=parts[block].ff - banks_ff(config))
    return parts[block]


def banks_ff(config: OverlayConfig) -> int:
    """Output registers of the banks, which Yosys' counts leave out."""
    rows = config.tensor_bytes // (2 * config.tensor_word)
    return config.tensor_copies * 2 * 8 * config.tensor_word * max(1, rows >> 14)


def label(record: dict) -> str:
    config = record["config"]
    return f"{record['block']}-{config['columns']}-{config['weight_ports']}"


@pytest.mark.parametrize("name", ["lut", "ff"])
@pytest.mark.parametrize("record", COUNTS, ids=label)
def test_logic_is_near_the_counts(record: dict, name: str) -> None:
    config = OverlayConfig.from_json(record["config"])
    found = getattr(group(record["block"], config), name)
    assert found == pytest.approx(record[name], rel=TOLERANCE, abs=SLACK)


@pytest.mark.parametrize("name", ["dsp", "bram18"])
@pytest.mark.parametrize("record", COUNTS, ids=label)
def test_slices_and_memories_equal_the_counts(record: dict, name: str) -> None:
    config = OverlayConfig.from_json(record["config"])
    assert getattr(group(record["block"], config), name) == record[name]


def test_counts_cover_the_weight_ports() -> None:
    counted = [record["config"] for record in COUNTS if record["block"] == "buses"]
    for size in (8, 64):
        assert {c["weight_ports"] for c in counted if c["axi_bytes"] == size} == {1, 2, 4}


@pytest.mark.parametrize("ports", [2, 4])
def test_a_weight_port_is_a_reader_with_its_queue(ports: int) -> None:
    one, more = OverlayConfig(), OverlayConfig(weight_ports=ports)
    added = estimate(more).bram18 - estimate(one).bram18
    assert added == (ports - 1) * block_ram(512, 513)
    assert {name for name, part in breakdown(one).items() if part != breakdown(more)[name]} == {
        "buses"
    }


def test_counts_cover_every_block() -> None:
    blocks = set(breakdown(OverlayConfig())) - {"elements", "weights"} | {"overlay"}
    blocks -= {"depthwise", "crossings"}  # counted with the pooling engine; exact
    assert {record["block"] for record in COUNTS} == blocks


@pytest.mark.parametrize("transforms", TRANSFORMS)
def test_every_transform_is_counted(transforms: str) -> None:
    words = power_of_two(2 * max((t.elements for t in TRANSFORMS[transforms]), default=0))
    config = OverlayConfig(winograd=transforms, scratch_words=words if transforms != "none" else 0)
    found, plain = breakdown(config), breakdown(OverlayConfig())
    for block in ("feet", "winograd"):
        assert (found[block].lut > plain[block].lut) == (transforms != "none")


def test_a_full_size_array_fits_the_board_of_the_papers() -> None:
    config = OverlayConfig(rows=64, columns=80, accumulator_bits=27)
    realise(config, U200)
    assert U200.fits(config)


@pytest.mark.parametrize(
    ("options", "board", "bound", "message"),
    [
        (
            {"rows": 100, "columns": 80},
            U200,
            "dsp",
            r"an overlay of 100 x 80 takes 8,484 dsp \(estimate\), 1,644 more than the 6,840 of "
            r"board 'u200'; most of it is elements with 8,100: choose fewer rows or columns",
        ),
        (
            {"tensor_bytes": 1 << 26},
            U250,
            "uram",
            "most of it is tensor memory with 2,048: choose a smaller tensor_bytes",
        ),
        (
            {"tensor_bytes": 1 << 24},
            KCU1500,
            "bram36",
            "most of it is tensor memory with 4,096: choose a smaller tensor_bytes",
        ),
        ({"weight_words": 1 << 20}, U200, "bram36", "weights .* choose a smaller weight_words"),
    ],
)
def test_what_does_not_fit_is_explained(options, board, bound, message) -> None:
    config = OverlayConfig(**options)
    with pytest.raises(ResourceError, match=message) as caught:
        realise(config, board)
    error = caught.value
    assert error.bound == bound
    assert error.needed > error.available == board.limits[bound]
    assert not board.fits(config)
