"""What takes time between two convolutions: the input's LOAD and the pooling engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np

from dse.cost.cost_model import PoolShape
from dse.network.conv_shape import ConvShape
from dse.network.tensor import Shape
from dse.tiling.count import Count, lesser
from dse.tiling.depthwise import DepthwiseForm
from dse.tiling.two_pixels import with_halves
from hw.isa.config import OverlayConfig
from hw.pool.cycles import pool_cost

BANDS = (2, 8)
"""Numbers of bands of a convolution and the pooling behind it; the compiler tries more of them."""
SHORTEST = 1024
"""Of the array for a band, so that the queue in front of the pooling engine never stops fetch."""
POOL_LANES = 32  # of the pooling engine, at most, unless the template says otherwise


def load_cycles(shape: Shape, template: OverlayConfig) -> int:
    """A tensor's way from DRAM at full bandwidth."""
    height, width, channels = shape
    return -(-height * width * channels // template.axi_bytes)


def pool_lanes(columns: Count, template: OverlayConfig) -> Count:
    """Channels that the pooling engine handles per cycle: ``OverlayConfig.pool_channels``."""
    return template.pool_lanes or lesser(columns, POOL_LANES)


def pool_cycles(pool: PoolShape, template: OverlayConfig, columns: Count) -> Count:
    """[A]: of one POOL, as ``hw.pool.cycles`` says; of a normalisation, of all of its blocks."""
    return _by_lanes(partial(_pool_cycles, pool), template, columns)


@lru_cache(maxsize=4096)
def _pool_cycles(pool: PoolShape, config: OverlayConfig) -> int:
    height, width, channels = pool.output
    normalise = int(pool.kind == "normalise")
    blocks = config.normalised_blocks(channels) if normalise else 1
    fields = {
        "tap_rows": pool.kernel[0],
        "tap_columns": pool.kernel[1],
        "tap_column_step": channels,
        "column_step": pool.stride[1] * channels,
        "out_width": width,
        "pixels": height * width,
        "channels": -(-channels // blocks),
        "average": int(pool.kind == "average"),
        "product": int(pool.kind == "product"),
        "normalise": normalise,
    }
    return blocks * pool_cost(config, with_halves(fields, config)).cycles


def depthwise_cycles(conv: ConvShape, template: OverlayConfig, columns: Count) -> Count:
    """[A]: of the POOLs of a depthwise convolution."""
    return _by_lanes(lambda config: DepthwiseForm(conv, config).cycles, template, columns)


def _by_lanes(
    cycles: Callable[[OverlayConfig], int], template: OverlayConfig, columns: Count
) -> Count:
    """[A]: what depends on the array by the pooling engine's lanes alone."""
    lanes = pool_lanes(columns, template)
    if not isinstance(lanes, np.ndarray):
        return float(cycles(_of_lanes(template, int(lanes))))
    counts, index = np.unique(lanes, return_inverse=True)
    costs = [cycles(_of_lanes(template, int(n))) for n in counts]
    return np.array(costs, np.float64)[index]


@lru_cache(maxsize=4096)
def _of_lanes(template: OverlayConfig, lanes: int) -> OverlayConfig:
    return replace(template, pool_lanes=lanes)
