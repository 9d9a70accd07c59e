"""Weights and records of depthwise convolutions as the pooling engine's memory holds them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dse.compile.records import ConvConstants, channel_records
from dse.network.graph import Conv, Network
from dse.tiling.depthwise import DepthwiseForm
from hw.isa.config import PARAMETER_BYTES, OverlayConfig, ceil_div


def weight_rows(conv: Conv, form: DepthwiseForm, channels: range) -> bytes:
    """The rows of some channels: of each block, in the order of its taps.

    A row has ``depthwise_weight_bytes`` a lane: where windows slide, the weights of one kernel row
    in the columns of a pass; else that of one tap.
    """
    config = form.config
    rows, columns = conv.window.kernel
    weights = conv.weight[channels.start : channels.stop, :, :, 0].transpose(2, 1, 0)
    width = config.depthwise if form.slides else 1  # columns of a row
    passes = ceil_div(columns, width)
    padded = _padded(weights, 0, passes * width)  # [column, row, channel]
    taps = padded.reshape(passes, width, rows, -1).transpose(3, 0, 2, 1)
    lanes = config.depthwise_row_records * PARAMETER_BYTES // config.depthwise_weight_bytes
    shaped = _blocks(taps.reshape(len(channels), -1, width), config, lanes)
    ordered = shaped.transpose(0, 2, 1, 3)  # [block, row, lane, column]
    return _padded(ordered, 3, config.depthwise_weight_bytes).tobytes()


def block_records(
    network: Network,
    conv: Conv,
    values: ConvConstants,
    channels: range,
    config: OverlayConfig,
) -> bytes:
    """The records of some channels, block by block."""
    own = slice(channels.start, channels.stop)
    found = channel_records(network, conv, values, own, values.bias[own], config)
    records = np.frombuffer(found, np.uint8).reshape(len(channels), PARAMETER_BYTES)
    return _blocks(records, config, config.depthwise_block_records).tobytes()


def _blocks(
    values: npt.NDArray[np.generic], config: OverlayConfig, lanes: int
) -> npt.NDArray[np.generic]:
    """[block, lane, ...] of [channel, ...]; lanes without a channel have zeros."""
    own = config.pool_channels
    whole = _padded(values, 0, ceil_div(len(values), own) * own)
    return _padded(whole.reshape(-1, own, *values.shape[1:]), 1, lanes)


def _padded(values: npt.NDArray[np.generic], axis: int, length: int) -> npt.NDArray[np.generic]:
    """Zeros behind the values of an axis."""
    after = [(0, length - n if k == axis else 0) for k, n in enumerate(values.shape)]
    return np.pad(values, after)
