"""Runs: how the taps of a convolution are cut into contiguous bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dse.compile.views import View
from dse.network.graph import Conv, Window
from dse.tiling.legality import ConvAlgorithm, joins_columns
from dse.tiling.run_form import RunForm, run_form
from dse.tiling.tile_form import TileForm
from hw.isa.config import ceil_div


@dataclass(frozen=True)
class Runs:
    """What the feeder walks for some groups of a convolution, packed into one dense block.

    ``view`` and ``window`` differ from the convolution's own where the whole input is one run.
    """

    view: View
    window: Window
    form: RunForm

    @property
    def tap_rows(self) -> int:
        return self.form.rows

    @property
    def tap_columns(self) -> int:
        return self.form.columns

    @property
    def run_bytes(self) -> int:
        return self.form.bytes

    def run_words(self, reduction: int) -> int:
        """Activation words of a run."""
        return ceil_div(self.run_bytes, reduction)

    def chunks(self, reduction: int) -> int:
        """Activation words of a pixel."""
        return int(self.form.words(reduction))


def form_runs(
    conv: Conv,
    view: View,
    first_group: int,
    groups: int,
    algorithm: ConvAlgorithm = ConvAlgorithm.IM2COL,
    tiles: TileForm | None = None,
) -> Runs:
    """As ``run_form`` says; only im2col and Winograd of one dimension join taps."""
    cin = view.channels // conv.groups
    packed = view.slice(first_group * cin, groups * cin) if groups < conv.groups else view
    contiguous = joins_columns(algorithm, tiles) and packed.dense
    covers = algorithm is ConvAlgorithm.IM2COL and packed.whole and _covers(conv.window, view)
    form = run_form(conv.window, packed.channels, contiguous=contiguous, covers=covers)
    if form.whole:
        return Runs(packed.reshape(1, 1, form.bytes), Window(), form)
    return Runs(packed, conv.window, form)


def pack_weights(conv: Conv, first_group: int, groups: int) -> npt.NDArray[np.int8]:
    """Weights of some groups as one dense block, [channels, Ky, Kx, Cin]: zeros between groups."""
    if conv.groups == 1:
        return conv.weight
    cout, ky, kx, cin = conv.weight.shape
    size = cout // conv.groups
    own = conv.weight[first_group * size : (first_group + groups) * size]
    dense = np.zeros((groups, size, ky, kx, groups, cin), np.int8)
    for group in range(groups):
        dense[group, :, :, :, group] = own[group * size : (group + 1) * size]
    return dense.reshape(groups * size, ky, kx, groups * cin)


def _covers(window: Window, view: View) -> bool:
    return (
        window.kernel == (view.height, view.width)
        and window.dilation == (1, 1)
        and window.padding == (0, 0, 0, 0)
    )
