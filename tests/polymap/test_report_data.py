"""What a report shows: timelines, traffic, roofs, and the cells of its heat map."""

from __future__ import annotations

import numpy as np
import pytest

from boards.board import U200
from dse.evaluate.report_data import ReportData
from dse.evaluate.searched_arrays import SearchedArrays
from dse.explore.execution import Execution
from dse.network.graph import Network
from dse.networks.catalogue import benchmark
from polymap.report.palette import Palette
from tests.polymap import report_samples
from tests.polymap.report_samples import MODEL

ALIGNMENT = 128  # of what weights.bin holds


@pytest.fixture(scope="module")
def squeezenet() -> ReportData:
    return report_samples.closed(benchmark("squeezenet"), 95, 64)


@pytest.fixture(scope="module")
def compiled(network: Network) -> tuple[ReportData, Execution]:
    return report_samples.compiled(network)


def test_the_closed_form_is_one_layer_after_the_other(squeezenet: ReportData) -> None:
    events = sorted(squeezenet.timeline.events, key=lambda event: event.start)
    assert not squeezenet.timeline.exact
    assert events[0].start == 0
    assert [event.end for event in events[:-1]] == [event.start for event in events[1:]]
    assert events[-1].end == pytest.approx(squeezenet.mapping.cycles)
    busy = sum(event.end - event.start for event in events if event.engine == "CONV")
    assert busy == pytest.approx(squeezenet.mapping.compute)


def least_bytes(network: Network) -> int:
    """Input, output and weights, each once."""
    size = {name: t.height * t.width * t.channels for name, t in network.tensors.items()}
    weights = sum(conv.weight.size for conv in network.convolutions())
    return size[network.inputs[0]] + size[network.outputs[0]] + weights


def test_least_traffic(network: Network) -> None:
    data = report_samples.closed(network)
    moved = data.mapping.transfer * MODEL.bandwidth / MODEL.clock_hz
    assert moved > 0
    assert sum(data.traffic.values()) == pytest.approx(least_bytes(network) + moved)


def test_transfers_of_an_overlay_stay_on_chip(network: Network) -> None:
    data = report_samples.closed(network, 4, 6, report_samples.CONFIG)
    assert data.mapping.transfer > 0
    assert sum(data.traffic.values()) == least_bytes(network)


def test_traffic_of_a_program(compiled: tuple[ReportData, Execution], network: Network) -> None:
    """Nothing is read twice here, so that the traffic is what the files hold but for alignment."""
    data, execution = compiled
    (program,) = execution.programs
    manifest, weights = program.manifest, len(program.weights)
    held = manifest.input_bytes + manifest.output_bytes + weights
    total = sum(data.traffic.values())
    assert least_bytes(network) < total <= held
    assert held - total < ALIGNMENT * len(program.instructions)
    for layer in manifest.layers:  # the beats are the compiler's own forecast
        assert data.traffic[layer.name] > layer.weight_beats * report_samples.CONFIG.axi_bytes


def test_cells_hold_the_fastest_of_their_arrays() -> None:
    rng = np.random.default_rng(1)
    arrays = rng.integers(1, 3000, (4000, 2))
    bound = rng.uniform(1, 2, len(arrays))
    cycles = np.where(rng.random(len(arrays)) < 0.3, bound * 1.1, np.nan)
    cycles[:50] = np.inf  # too large
    found = SearchedArrays(arrays, bound, cycles).cells()
    for edges in (found.rows, found.columns):
        assert (np.diff(edges) >= 1).all()
        assert edges[0] < 1
        assert edges[-1] > 2999
    seen = 0
    for r in range(len(found.rows) - 1):
        for c in range(len(found.columns) - 1):
            inside = (
                (arrays[:, 0] > found.rows[r])
                & (arrays[:, 0] < found.rows[r + 1])
                & (arrays[:, 1] > found.columns[c])
                & (arrays[:, 1] < found.columns[c + 1])
            )
            solved = [x for x in cycles[inside] if np.isfinite(x)]
            pending = bound[inside][np.isnan(cycles[inside])]
            expected = min(solved, default=np.nan)
            assert np.array_equal(found.solved[r, c], expected, equal_nan=True)
            limit = np.nan if solved else min(pending, default=np.nan)
            assert np.array_equal(found.bound[r, c], limit, equal_nan=True)
            seen += int(inside.sum())
    assert seen == len(arrays)


def test_colours_tell_choices_apart(squeezenet: ReportData) -> None:
    palette = Palette(layer.label for layer in squeezenet.mapping.layers)
    assert len(set(palette.entries.values())) == len(palette.entries) > 4


def test_roofs(squeezenet: ReportData) -> None:
    mapping = squeezenet.mapping
    direct, fast = squeezenet.peaks
    assert direct.rate == 95 * 64 * mapping.clock_hz
    assert fast.rate == pytest.approx(2.25 * direct.rate)  # F(2,3): 16 products instead of 36
    (memory,) = squeezenet.memories
    assert memory.rate == U200.memory_bandwidth
