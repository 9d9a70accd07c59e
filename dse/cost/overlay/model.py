"""The overlay behind the ``CostModel`` protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from dse.cost.model import Crossing, FloatArray, IntArray, Label
from dse.cost.overlay.closed import (
    Count,
    Grid,
    Tiles,
    array_cycles,
    ceil_div,
    drain_cycles,
    fill_cycles,
)
from dse.networks.workload import ConvShape, Shape
from hw.isa import Dataflow

IM2COL, PLAIN = "im2col", "plain"
FLOWS = tuple(flow.name for flow in Dataflow)
DISPATCH = 1  # cycles from a layer's retirement to the start of one that waits for it
DSP_FACTOR = 27  # bits of a slice's wider factor
POOL_LANES = 32  # at most, by default
LEAST_SIDE, MOST_SIDE = 2, 1024  # rows and columns that ``OverlayConfig`` takes


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """Cycles of our own overlay, one layer after the other, in closed form.

    A layer takes fill and drain, and between them the longer of array and weight stream. Whole
    tensors stay on chip in one layout, so transitions are free.

    Parameters
    ----------
    clock_hz : clock of the overlay.
    lanes, accumulator_depth, weight_words, axi_bytes, accumulator_bits : as ``OverlayConfig``'s;
        ``weight_words`` is raised to the least that an array needs.
    """

    clock_hz: float = 286e6
    lanes: int = 2
    accumulator_depth: int = 1024
    weight_words: int = 4096
    axi_bytes: int = 64
    accumulator_bits: int = 32

    def __post_init__(self) -> None:
        if not 0 < self.clock_hz < inf:
            raise ValueError(f"clock_hz must be positive and finite, not {self.clock_hz!r}")
        if self.lanes not in (1, 2):
            raise ValueError(f"lanes must be 1 or 2, not {self.lanes!r}")
        for name in ("accumulator_depth", "weight_words", "axi_bytes"):
            if getattr(self, name) < 4:
                raise ValueError(f"{name} must be at least 4, not {getattr(self, name)!r}")

    @property
    def name(self) -> str:
        return "overlay"

    def labels(self, conv: ConvShape) -> tuple[Label, ...]:
        return tuple(Label(IM2COL, flow) for flow in FLOWS)

    def cycles(self, conv: ConvShape, labels: Sequence[Label], arrays: IntArray) -> FloatArray:
        """Labels of one algorithm share its matrix product; kn2row and Winograd join here."""
        columns = [self._im2col(conv, Dataflow[label.dataflow], arrays) for label in labels]
        found = np.stack(columns, axis=1).astype(np.float64)
        found[((arrays < LEAST_SIDE) | (arrays > MOST_SIDE)).any(axis=1)] = inf
        return found

    def store_labels(self, shape: Shape, consumers: Sequence[ConvShape]) -> tuple[Label, ...]:
        return (Label(PLAIN),)

    def layout(self, label: Label) -> str:
        return PLAIN

    def transition(
        self,
        crossing: Crossing,
        source: Sequence[Label],
        target: Sequence[Label],
        arrays: IntArray,
    ) -> FloatArray:
        return np.zeros((1, len(source), len(target)))

    def resources(self, arrays: IntArray) -> Mapping[str, IntArray]:
        """DSPs as ``boards.estimate`` counts them: elements, requantisation, residuals, pooling."""
        rows, columns = arrays[:, 0], arrays[:, 1]
        feet = 1 if self.accumulator_bits <= DSP_FACTOR else 2
        elements = rows * (columns + self.lanes - 1)
        return {"dsp": elements + (feet + 2) * columns + np.minimum(columns, POOL_LANES)}

    def peak_macs(self, arrays: IntArray) -> FloatArray:
        return (self.lanes * arrays[:, 0] * arrays[:, 1]).astype(np.float64)

    def _im2col(self, conv: ConvShape, flow: Dataflow, arrays: IntArray) -> Count:
        """The cheapest packing of groups into block-diagonal products."""
        grid = Grid(arrays[:, 0], arrays[:, 1], self.lanes)
        best: Count = inf
        for groups in _packings(conv.groups):
            chunks = _chunks(conv, groups, self.lanes * grid.rows)
            channels = groups * conv.cout // conv.groups
            product = self._product(flow, conv.o1 * conv.o2, channels, chunks, grid)
            best = np.minimum(best, ceil_div(conv.groups, groups) * product)
        return best

    def _product(
        self, flow: Dataflow, pixels: int, channels: int, chunks: Count, grid: Grid
    ) -> Count:
        """One CONV, with the better of two channel tiles in IS."""
        if flow is not Dataflow.IS:
            return self._tiled(flow, pixels, channels, chunks, grid.columns, grid)
        depth = min(channels, self.accumulator_depth)
        kept = np.clip(self._words(grid) // chunks, 1, depth)
        tiles = (depth, kept)
        found = [self._tiled(flow, pixels, channels, chunks, tile, grid) for tile in tiles]
        return np.minimum(*found)

    def _tiled(
        self,
        flow: Dataflow,
        pixels: int,
        channels: int,
        chunks: Count,
        channel_tile: Count,
        grid: Grid,
    ) -> Count:
        pixel_tile = {
            Dataflow.WS: ceil_div(pixels, ceil_div(pixels, self.accumulator_depth)),
            Dataflow.IS: grid.columns,
            Dataflow.NS: grid.rows,
        }[flow]
        tiles = Tiles(
            pixels=pixels,
            channels=channels,
            chunks=chunks,
            pixel_tile=pixel_tile,
            channel_tile=channel_tile,
        )
        array = array_cycles(flow, tiles, grid)
        edges = fill_cycles(flow, tiles, grid) + drain_cycles(flow, tiles, grid)
        return edges - 1 + np.maximum(array, self._beats(flow, tiles, grid)) + DISPATCH

    def _beats(self, flow: Dataflow, tiles: Tiles, grid: Grid) -> Count:
        """Bus beats of the weight stream: segments that fit are read once, others each time."""
        top = flow is not Dataflow.IS
        width = self.lanes * (grid.columns if top else grid.rows)
        segment = (grid.rows if top else np.minimum(tiles.channel_tile, tiles.channels)) * (
            tiles.chunks
        )
        count = ceil_div(tiles.channels, tiles.channel_tile)
        total = count * segment if top else tiles.channels * tiles.chunks
        repeats = np.where(
            segment <= self._words(grid), 1, ceil_div(tiles.pixels, tiles.pixel_tile)
        )
        return total * repeats * ceil_div(width, self.axi_bytes)

    def _words(self, grid: Grid) -> Count:
        """Depth of the weight buffer."""
        return np.maximum(self.weight_words, 2 * np.maximum(grid.rows, grid.columns))


def _packings(groups: int) -> list[int]:
    """Groups per CONV for each possible number of CONVs, powers of two apart."""
    sizes = {ceil_div(groups, 1 << k) for k in range(groups.bit_length())}
    return sorted(sizes | {1, groups})


def _chunks(conv: ConvShape, groups: int, reduction: IntArray) -> IntArray:
    """Activation words of a pixel: runs are kernel rows where contiguous, else taps."""
    rows, columns = conv.kernel
    channels = groups * conv.cin // conv.groups
    if conv.is_dense and groups == conv.groups:
        return ceil_div(conv.taps * channels, reduction)
    if groups == conv.groups and conv.dilation[1] == 1:
        return rows * ceil_div(columns * channels, reduction)
    return conv.taps * ceil_div(channels, reduction)
