"""Stages drawn over the whole space: windows, groups, parallelisms, schemes, links."""

from __future__ import annotations

import numpy as np

from hw.stages.map_link import MapLink
from hw.stages.maximum_shape import MaximumShape
from hw.stages.scheme import Scheme
from hw.stages.shape import StageShape

PRODUCTS = 24
"""The most multipliers."""
CYCLES = 3000
"""The most cycles of an image."""
FEW_CYCLES = 300
"""That of the quick tests."""


def draw_shape(rng: np.random.Generator, cycles: int = CYCLES) -> StageShape:
    """A stage that is legal and small, of at most so many cycles."""
    while True:
        try:
            shape = _draw(rng)
        except ValueError:
            continue
        if shape.cycles <= cycles and shape.row_lanes <= 24:
            return shape


def _draw(rng: np.random.Generator) -> StageShape:
    kernel = int(rng.choice([1, 2, 3, 3, 4, 5, 7, 11]))
    stride = int(rng.integers(1, 5))
    pad = int(rng.integers(0, kernel)) if rng.random() < 0.7 else 0
    size_in = int(rng.integers(max(1, kernel - 2 * pad), kernel + 9))
    size_out = (size_in + 2 * pad - kernel) // stride + 1
    groups = int(rng.choice([1, 1, 1, 2, 3, 4]))
    n_in = int(rng.integers(1, 7))
    n_out = groups * int(rng.integers(1, 7))
    para_in = int(rng.integers(1, n_in + 1))
    para_out = int(rng.integers(1, n_out + 1))
    most = max(1, PRODUCTS // (para_in * para_out))
    para_seg = int(rng.integers(1, min(size_out**2, most) + 1))
    scheme = Scheme(rng.choice([scheme.value for scheme in Scheme]))
    channels = n_in * groups
    width = int(rng.integers(1, min(n_in if groups > 1 else channels, 4) + 1))
    tile = channels
    if scheme is Scheme.MAP and rng.random() < 0.6:
        tile = width * int(rng.integers(1, channels // width + 1))
    bits = int(rng.choice([8, 16]))
    common = {
        "name": "drawn",
        "n_in": n_in,
        "n_out": n_out,
        "size_in": size_in,
        "size_out": size_out,
        "kernel": kernel,
        "stride": stride,
        "pad": pad,
        "groups": groups,
        "para_in": para_in,
        "para_out": para_out,
        "para_seg": para_seg,
        "scheme": scheme,
        "bits": bits,
        "packed": bits == 8 and bool(rng.random() < 0.6),
        "scaled": bits == 8 and bool(rng.random() < 0.7),
        "source": MapLink(channels=channels, size=size_in, tile=min(tile, channels), width=width),
        "pool": _draw_pool(rng, size_out) if rng.random() < 0.4 and size_out > 1 else None,
    }
    shape = StageShape(**common, out_width=1)
    whole = shape.beat_channels
    widths = [width for width in range(1, whole + 1) if whole % width == 0]
    return StageShape(**common, out_width=int(rng.choice(widths)))


def _draw_pool(rng: np.random.Generator, size: int) -> MaximumShape:
    kernel = int(rng.integers(1, min(size, 4) + 1))
    stride = int(rng.integers(1, 4))
    pad = int(rng.integers(0, kernel))
    whole = size + 2 * pad - kernel
    if rng.random() < 0.5:
        size_out = whole // stride + 1
    else:  # the last window reaches beyond the map, but begins in it
        size_out = min(-(-whole // stride) + 1, (size - 1 + pad) // stride + 1)
    return MaximumShape(kernel=kernel, stride=stride, pad=pad, size_out=size_out)
