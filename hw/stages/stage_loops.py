"""The loop nest of a stage of a layer pipeline, and the input ring that serves it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import gcd, lcm

import numpy as np

from hw.isa.config import ceil_div
from hw.stages.map_link import MapLink
from hw.stages.maximum_shape import MaximumShape
from hw.stages.ring_rows import MapWindows, ring_rows
from hw.stages.scheme import Scheme, step_passes


@dataclass(frozen=True, kw_only=True)
class StageLoops:
    """One stage: its loop nest, and the ring of cells that its input lies in.

    Parameters
    ----------
    name : of the layer.
    n_in : input channels of one group.
    n_out, groups : output channels of all groups; groups.
    size_in, size_out, kernel, stride, pad : maps and kernels are square; padding all around.
    pool : behind the convolution, or None.
    para_in, para_out, para_seg : input channels of a group, output channels and segments (pixels of
        the output map) that are worked on at once.
    scheme : what stays on chip.
    bits : width of weights and activations, 8 or 16.
    scaled : results are multiplied by a mantissa before they are shifted.
    packed : two products of 8 bits in a multiplier: of two channels or of two segments.
    source : how the input arrives.
    out_width : channels of a beat to the next stage.
    images : that lie side by side in the map, each a pixel of it; 1: the map is an image's.
    flattens : the map that each pixel of the input is, in the order of arrival; None: none.
    """

    name: str
    n_in: int
    n_out: int
    size_in: int
    size_out: int
    kernel: int
    stride: int
    pad: int
    groups: int
    pool: MaximumShape | None
    para_in: int
    para_out: int
    para_seg: int
    scheme: Scheme
    bits: int
    source: MapLink
    out_width: int
    scaled: bool = False
    packed: bool = False
    images: int = 1
    flattens: MapLink | None = None

    # Loops.

    @property
    def pixels(self) -> int:
        """Pixels of the convolution's output map."""
        return self.size_out**2

    @cached_property
    def in_steps(self) -> int:
        """Steps over the input channels of a group."""
        return ceil_div(self.n_in, self.para_in)

    @cached_property
    def taps(self) -> int:
        """Taps of the kernel."""
        return self.kernel**2

    @cached_property
    def wave_cycles(self) -> int:
        """Cycles of a pass: one tile of output channels of one pixel for each segment."""
        return self.in_steps * self.taps

    @cached_property
    def tiles(self) -> int:
        """Tiles of output channels."""
        return ceil_div(self.n_out, self.para_out)

    @cached_property
    def passes(self) -> int:
        """Passes over the map for one tile: pixels of one segment."""
        return ceil_div(self.pixels, self.para_seg)

    @cached_property
    def step_passes(self) -> int:
        """Passes of a step: all tiles are made of them before the next step."""
        return step_passes(self.scheme, self.passes)

    @cached_property
    def steps(self) -> int:
        """Steps of an image."""
        return ceil_div(self.passes, self.step_passes)

    @property
    def cycles(self) -> int:
        """Cycles of an image."""
        return self.wave_cycles * self.tiles * self.passes

    # Input ring: cells of stride x stride pixels, `size_out` cells to a row of the banks.

    @cached_property
    def windows(self) -> MapWindows:
        """What is read of the map."""
        return MapWindows.of(self)

    @cached_property
    def used(self) -> int:
        """Rows, and columns, of the input that any output depends on."""
        return self.windows.used

    @cached_property
    def cells(self) -> int:
        """Cells of a row, and rows of cells."""
        return self.windows.cells

    @cached_property
    def before(self) -> int:
        """Rows of cells above its own that an output row reads."""
        return self.windows.before

    @cached_property
    def reach(self) -> int:
        """Rows of cells below its own that an output row reads."""
        return self.windows.reach

    @cached_property
    def last_passes(self) -> int:
        """Passes of an image's last step."""
        return self.passes - (self.steps - 1) * self.step_passes

    @cached_property
    def live_rows(self) -> int:
        """Rows of cells that the ring holds."""
        sizes = ("para_seg", "wave_cycles", "tiles")
        alone = {name: np.array([getattr(self, name)]) for name in sizes}
        return int(ring_rows(self.windows, self.scheme, **alone)[0])

    @cached_property
    def live_maps(self) -> int:
        """Maps that have as many rows."""
        return ceil_div(self.live_rows, self.cells)

    @cached_property
    def map_turns(self) -> int:
        """Turns around the banks that a map takes."""
        return ceil_div(self.cells * self.size_out, self.para_seg)

    @cached_property
    def turns(self) -> int:
        """Turns around the banks that the ring holds; every map begins a turn."""
        cells = self.live_rows * self.size_out
        if self.size_out % self.para_seg == 0:
            return cells // self.para_seg
        turns = (cells - 1) // self.para_seg + 2 + self.live_maps
        return min(self.live_maps * self.map_turns, turns)

    @cached_property
    def edge_columns(self) -> int:
        """Columns of cells right of the last output column: they lie beside the turns."""
        return max(0, self.cells - self.size_out)

    @cached_property
    def edge_log(self) -> int:
        """Rows that share an edge entry, as a power of two: a bank meets a column once in them."""
        return (self.para_seg // gcd(self.size_out, self.para_seg)).bit_length() - 1

    @cached_property
    def map_edge_groups(self) -> int:
        """Groups of rows of a map that share an edge entry."""
        return ceil_div(self.cells, 1 << self.edge_log)

    @cached_property
    def edge_groups(self) -> int:
        """Groups of rows that the ring holds, a power of two."""
        if not self.edge_columns:
            return 0
        whole = self.live_maps * self.map_edge_groups
        groups = min(whole, ((self.live_rows - 1) >> self.edge_log) + 2 + self.live_maps)
        return 1 << (groups - 1).bit_length()

    @cached_property
    def edges(self) -> int:
        """Edge entries of a bank."""
        return self.edge_groups * self.edge_columns

    @cached_property
    def touched(self) -> int:
        """Most groups that one tile of output channels reads."""
        return max(groups[-1] - groups[0] + 1 for groups in self.column_groups)

    @cached_property
    def column_groups(self) -> tuple[tuple[int, ...], ...]:
        """For each tile, the groups of its channels; those beyond the last have the last one's."""
        size = self.n_out // self.groups
        return tuple(
            tuple(
                min(tile * self.para_out + column, self.n_out - 1) // size
                for column in range(self.para_out)
            )
            for tile in range(self.tiles)
        )

    @cached_property
    def row_lanes(self) -> int:
        """Channels of a stored word."""
        return lcm(self.para_in, self.source.width)

    @cached_property
    def group_words(self) -> int:
        """Stored words of a pixel of a group."""
        return ceil_div(self.n_in, self.row_lanes)

    @cached_property
    def pixel_words(self) -> int:
        """Words of a pixel in one bank."""
        return self.group_words * ceil_div(self.groups, self.touched)

    @cached_property
    def cell_words(self) -> int:
        """Words of a cell in one bank."""
        return self.pixel_words * self.stride**2

    @cached_property
    def bank_depth(self) -> int:
        """Words of a bank."""
        return (self.turns + self.edges) * self.cell_words
