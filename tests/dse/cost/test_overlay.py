"""The overlay's cost model: its closed form, its spans, and the protocol. RTL: tests/rtl."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from boards.board import U200
from boards.estimate import estimate
from dse.cost.infeasible import Infeasible
from dse.cost.model import CostModel, Label, as_arrays
from dse.cost.overlay import Overlay, layer_cycles, program_cycles
from dse.cost.overlay.closed import Grid, Tiles, array_cycles, conv_cycles
from dse.cost.overlay.machine.overlay import Machine
from dse.mapping import map_network, sweep
from dse.networks import benchmark
from dse.networks.workload import ConvShape
from dse.program import compile_network
from dse.program.conv_instruction import weights
from dse.program.dataflow import Block, Tiling, best_tiling
from dse.program.instruction import Instruction
from hw.config import OverlayConfig
from hw.isa import Dataflow, Opcode
from sim.fast.job import DDR, IDEAL
from tests.sim.test_functional import branchy

AHEAD = 6000  # cycles in which any weights of these tests arrive


def drawn(rng: np.random.Generator, least_chunks: int) -> tuple[Dataflow, Block, OverlayConfig]:
    config = OverlayConfig(
        rows=int(rng.integers(2, 13)),
        columns=int(rng.integers(2, 13)),
        lanes=int(rng.integers(1, 3)),
        tensor_bytes=1 << 14,
        accumulator_depth=1 << int(rng.integers(4, 9)),
        weight_words=4096,
        parameter_depth=256,
    )
    pixels, channels = int(rng.integers(1, 90)), int(rng.integers(1, 60))
    block = Block(pixels, channels, int(rng.integers(least_chunks, 9)))
    return Dataflow(int(rng.integers(3))), block, config


def closed(flow: Dataflow, block: Block, tiling: Tiling, config: OverlayConfig) -> int:
    tiles = Tiles(
        pixels=block.pixels,
        channels=block.channels,
        chunks=block.chunks,
        pixel_tile=tiling.pixel_tile,
        channel_tile=tiling.channel_tile,
    )
    return int(conv_cycles(flow, tiles, Grid(config.rows, config.columns, config.lanes)))


def conv(block: Block, tiling: Tiling) -> Instruction:
    fields = {
        "dataflow": int(tiling.dataflow),
        "replay": int(tiling.replay),
        "pixels": block.pixels,
        "channels": block.channels,
        "chunks": block.chunks,
        "pixel_tile": tiling.pixel_tile,
        "channel_tile": tiling.channel_tile,
    }
    return Instruction(Opcode.CONV, fields)


def test_closed_form_is_exact_from_two_chunks_on() -> None:
    """With the weights there: 200 drawn convolutions. IS: nearly always, see docs/cycles.md."""
    rng = np.random.default_rng(1)
    wrong = 0
    for _ in range(200):
        flow, block, config = drawn(rng, 2)
        tiling = best_tiling(block, config, flow)
        assert tiling is not None
        exact = layer_cycles(
            conv(block, tiling), weights("", 0, tiling).instruction, config, ahead=AHEAD
        )
        found = closed(flow, block, tiling, config)
        wrong += found != exact
        assert found == exact or flow is Dataflow.IS, (flow, block, config)
        assert found == pytest.approx(exact, rel=0.02)
    assert wrong <= 4


def test_closed_form_is_near_with_one_chunk() -> None:
    """The writer's few cycles between tiles show where a tile has few waves."""
    rng = np.random.default_rng(2)
    for _ in range(100):
        flow, block, config = drawn(rng, 1)
        block = Block(block.pixels, block.channels, 1)
        tiling = best_tiling(block, config, flow)
        assert tiling is not None
        exact = layer_cycles(
            conv(block, tiling), weights("", 0, tiling).instruction, config, ahead=AHEAD
        )
        assert closed(flow, block, tiling, config) == pytest.approx(exact, rel=0.1)


@pytest.mark.parametrize("flow", Dataflow)
def test_closed_form_of_many_arrays_equals_that_of_each(flow: Dataflow) -> None:
    sides = np.stack(np.meshgrid(np.arange(2, 20), np.arange(2, 20)), axis=-1).reshape(-1, 2)

    def cycles(rows: Any, columns: Any) -> Any:
        tile = {Dataflow.WS: 64, Dataflow.IS: columns, Dataflow.NS: rows}[flow]
        channel_tile = 24 if flow is Dataflow.IS else columns
        tiles = Tiles(pixels=100, channels=37, chunks=5, pixel_tile=tile, channel_tile=channel_tile)
        return array_cycles(flow, tiles, Grid(rows, columns, 2))

    together = cycles(sides[:, 0], sides[:, 1])
    assert together.tolist() == [int(cycles(int(r), int(c))) for r, c in sides]


@pytest.mark.parametrize("timing", [IDEAL, DDR])
@pytest.mark.parametrize("flow", Dataflow)
def test_spans_change_nothing(flow: Dataflow, timing: Any) -> None:
    """Every start and retirement is that of a model that steps through every cycle."""
    config = OverlayConfig(
        rows=3, columns=4, tensor_bytes=1 << 14, accumulator_depth=16, weight_words=64, axi_bytes=4
    )
    program = compile_network(branchy(), config)
    found = []
    for longest in (1, 1 << 60):
        machine = Machine(program.instructions, config, timing)
        total = machine.run(longest=longest)
        spans = [(s.start, s.retire) for i in machine.issuers.values() for s in i.spans]
        found.append((total, spans))
    assert found[0] == found[1]
    assert found[0][0] == program_cycles(program, config, timing).total


CONV = ConvShape(28, 28, 64, 96, kernel=(3, 3), padding=(1, 1, 1, 1))


def test_labels_and_costs() -> None:
    model: CostModel = Overlay()
    labels = model.labels(CONV)
    assert labels == tuple(Label("im2col", flow) for flow in ("WS", "IS", "NS"))
    costs = model.cycles(CONV, labels, np.array([[92, 66], [1, 64], [16, 16]]))
    assert np.isinf(costs[1]).all()
    assert np.isfinite(costs[[0, 2]]).all()
    ideal = CONV.macs / model.peak_macs(as_arrays(16, 16))[0]
    assert (costs[2] > ideal).all()
    assert model.transition(None, labels, labels, as_arrays(2, 2)).shape == (1, 3, 3)  # type: ignore[arg-type]


def test_dsp_slices_are_those_of_the_estimate() -> None:
    for lanes, bits, rows, columns in ((1, 27, 5, 7), (2, 32, 16, 40), (2, 27, 92, 33)):
        model = Overlay(lanes=lanes, accumulator_bits=bits)
        config = OverlayConfig(rows=rows, columns=columns, lanes=lanes, accumulator_bits=bits)
        assert model.resources(as_arrays(rows, columns))["dsp"][0] == estimate(config).dsp


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"lanes": 3}, "lanes must be 1 or 2, not 3"),
        ({"clock_hz": 0.0}, "clock_hz must be positive"),
        ({"axi_bytes": 2}, "axi_bytes must be at least 4"),
    ],
)
def test_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Overlay(**fields)


def test_mapping_and_sweep() -> None:
    workload = benchmark("squeezenet").without_dense()
    model = Overlay()
    mapping = map_network(workload, model, 32, 32)
    assert np.isfinite(mapping.cycles)
    arrays = np.array([[r, c] for r in (16, 32, 64) for c in (16, 32, 64)])
    found = sweep(workload, model, U200.budget, arrays=arrays)
    assert found.best.cycles <= mapping.cycles
    with pytest.raises(Infeasible):
        sweep(workload, model, {"dsp": 10}, arrays=arrays)
