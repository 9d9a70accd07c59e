"""How results leave the stages that `hw.stages` builds, and how long that takes.

The same figures as `hw.stages.shape.StageShape` derives for one stage, for many candidates at once.
Beats are as wide as they can be: the widest that stays within a group of the next layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dse.pipeline.model.layer import ConvStage
from dse.pipeline.model.parallelism import Parallelism, ceil_div
from dse.pipeline.model.ram import IntArray
from hw.stages.scheme import Scheme


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelResults:
    """Results of n candidates of one stage.

    Parameters
    ----------
    stage, scheme, par : the layer, what stays on chip, and the candidates' parallelisms.
    """

    stage: ConvStage
    scheme: Scheme
    par: Parallelism

    @cached_property
    def wave_cycles(self) -> IntArray:
        """Cycles of a pass."""
        return ceil_div(self.stage.n_in, self.par.para_in) * self.stage.kernel**2

    @cached_property
    def tiles(self) -> IntArray:
        """Tiles of output channels."""
        return ceil_div(self.stage.n_out, self.par.para_out)

    @property
    def reorders(self) -> bool:
        """Results leave pixel by pixel with all channels, not tile by tile."""
        return self.scheme is not Scheme.MAP

    # Out of the multipliers.

    @cached_property
    def drain_segments(self) -> IntArray:
        """Segments whose results leave at once."""
        return ceil_div(self.par.para_seg, self.wave_cycles)

    @cached_property
    def drain_channels(self) -> IntArray:
        """The least divisor of a tile with which its results leave in time."""
        result = self.par.para_out.copy()
        slack = self.wave_cycles // self.par.para_seg  # beats a segment may take
        for value in np.unique(result):
            of_tile = self.par.para_out == value
            for width in (w for w in range(int(value), 0, -1) if value % w == 0):
                result[of_tile & (value // width <= slack)] = width
        return result

    @cached_property
    def drain_beats(self) -> IntArray:
        """Cycles in which the results of a pass leave."""
        channels = self.par.para_out // self.drain_channels
        return ceil_div(self.par.para_seg, self.drain_segments) * channels

    # Out of the stage.

    @cached_property
    def beat_channels(self) -> IntArray:
        """Channels of a beat behind the drain."""
        return self.drain_channels * self.drain_segments

    @cached_property
    def pixel_beats(self) -> IntArray:
        """Such beats of a pixel, of all channels or of a tile."""
        channels = self.stage.n_out if self.reorders else self.par.para_out
        return ceil_div(channels, self.beat_channels)

    @cached_property
    def _walked(self) -> int:
        """Rows, and columns, that pooling walks over, or of the map."""
        stage, pool = self.stage, self.stage.pool
        if pool is None:
            return stage.size_out
        return max(stage.size_out, (pool.size_out - 1) * pool.stride - pool.pad + pool.kernel)

    @cached_property
    def _size(self) -> int:
        return self.stage.pool.size_out if self.stage.pool else self.stage.size_out

    def _more_beats(self, channels: IntArray | int) -> IntArray:
        """Beats of a pixel that leave, beyond one for each beat behind the drain."""
        whole = self.beat_channels
        width = whole if self.stage.within is None else np.gcd(whole, self.stage.within)
        return ceil_div(channels, width) - ceil_div(channels, whole)

    def _sending(self, channels: IntArray | int) -> IntArray:
        """Cycles in which so many channels of an image leave."""
        return self._walked**2 * self.pixel_beats + self._size**2 * self._more_beats(channels)

    @cached_property
    def burst(self) -> IntArray:
        """Cycles by which sending may lag for a while: results wait that long."""
        stage, par = self.stage, self.par
        channels = stage.n_out if self.reorders else np.minimum(par.para_out, stage.n_out)
        row = self._walked * self.pixel_beats + self._size * self._more_beats(channels)
        computed = stage.size_out * self.wave_cycles * (self.tiles if self.reorders else 1)
        behind = (self._walked - stage.size_out) * self._walked * self.pixel_beats
        return behind + np.maximum(0, row - computed // par.para_seg)

    @property
    def cycles(self) -> IntArray:
        """Cycles in which an image is computed and sent."""
        tile = self.wave_cycles * self.par.run
        if self.reorders:
            return np.maximum(tile * self.tiles, self._sending(self.stage.n_out))
        rest = self.stage.n_out - (self.tiles - 1) * self.par.para_out
        full = np.maximum(tile, self._sending(self.par.para_out))
        return full * (self.tiles - 1) + np.maximum(tile, self._sending(rest))
