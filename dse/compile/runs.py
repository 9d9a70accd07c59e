"""Runs: how the taps of a convolution are cut into contiguous bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dse.compile.views import View
from dse.network.graph import Conv, Window
from dse.tiling.layer_mapping import ConvAlgorithm
from hw.isa.config import ceil_div


@dataclass(frozen=True)
class Runs:
    """What the feeder walks for some groups of a convolution, packed into one dense block.

    ``view`` and ``window`` differ from the convolution's own where the whole input is one run.
    """

    view: View
    window: Window
    tap_rows: int
    tap_columns: int
    run_bytes: int

    def run_words(self, reduction: int) -> int:
        """Activation words of a run."""
        return ceil_div(self.run_bytes, reduction)

    def chunks(self, reduction: int) -> int:
        """Activation words of a pixel."""
        return self.tap_rows * self.tap_columns * self.run_words(reduction)


def form_runs(
    conv: Conv,
    view: View,
    first_group: int,
    groups: int,
    algorithm: ConvAlgorithm = ConvAlgorithm.IM2COL,
) -> Runs:
    """The whole input where the window covers it, else kernel rows if contiguous, else taps.

    kn2row always walks taps.
    """
    cin = view.channels // conv.groups
    packed = view.slice(first_group * cin, groups * cin) if groups < conv.groups else view
    ky, kx = conv.window.kernel
    if algorithm is not ConvAlgorithm.IM2COL:
        return Runs(packed, conv.window, ky, kx, packed.channels)
    if packed.dense and _covers(conv.window, view):
        size = ky * kx * packed.channels
        return Runs(packed.reshape(1, 1, size), Window(), 1, 1, size)
    if packed.dense and conv.window.dilation[1] == 1:
        return Runs(packed, conv.window, ky, 1, kx * packed.channels)
    return Runs(packed, conv.window, ky, kx, packed.channels)


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
