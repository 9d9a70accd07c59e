"""How long layers take, one by one: what orders and bands are chosen by."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from dse.assembly.program_error import ProgramError
from dse.compile.layers import BesideLayer, ConvLayer, DepthwiseLayer, Layer, PairLayer
from dse.compile.packing import cut
from dse.compile.views import Layout
from dse.network.graph import Network
from dse.tiling.depthwise import DepthwiseForm
from dse.tiling.layer_mapping import LayerMapping
from dse.tiling.two_pixels import with_halves
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig, ceil_div
from hw.pool.cycles import pool_cost


def durations(
    network: Network,
    layers: Sequence[Layer],
    layout: Layout,
    config: OverlayConfig,
    mapping: LayerMapping,
) -> list[int]:
    """Cycles of each layer while all it needs is there, its engine's own."""
    found = []
    for layer in layers:
        if not isinstance(layer, ConvLayer):
            found.append(beside_cycles(network, layer, config))
            continue
        height = layout.views[layer.output].height
        try:
            found.append(conv_cycles(layer, height, layout, config, mapping))
        except ProgramError:  # as a whole it is too large for a CONV: it will come in strips
            found.append(_at_full_use(network, layer, config))
    return found


def conv_cycles(
    layer: ConvLayer, rows: int, layout: Layout, config: OverlayConfig, mapping: LayerMapping
) -> int:
    """Of the array, for some output rows of a convolution; ProgramError if no CONV can do it."""
    pixels = rows * layout.views[layer.output].width
    source = layout.views[layer.conv.input]
    pieces = cut(layer.conv, source, pixels, config, mapping.choice(layer.name))
    tilings = [(piece.form, piece.tiling(pixels, config)) for piece in pieces]
    # In WS the drain of a band is that of the next; others of Winograd wait for it, see `Streamer`.
    return sum(
        int(t.cost[0] if by and t.dataflow is not Dataflow.WS else t.longest) for by, t in tilings
    )


def beside_cycles(network: Network, layer: BesideLayer, config: OverlayConfig) -> int:
    """Of the engine beside the array."""
    target = network.tensors[layer.output]
    if isinstance(layer, DepthwiseLayer):
        return DepthwiseForm(network.conv_shape(layer.conv), config).cycles
    if isinstance(layer, PairLayer):
        other = network.tensors[layer.combine.b]
        taps = 1 + (other.height * other.width > 1)
        pixels = target.height * target.width
        return pixels * taps * ceil_div(target.channels, config.pool_channels)
    window = layer.window
    normalise = layer.pool.normalisation is not None
    blocks = config.normalised_blocks(target.channels) if normalise else 1
    fields = {
        "tap_rows": window.kernel[0],
        "tap_columns": window.kernel[1],
        "tap_column_step": window.dilation[1] * target.channels,
        "column_step": window.stride[1] * target.channels,
        "out_width": target.width,
        "pixels": target.height * target.width,
        "channels": ceil_div(target.channels, blocks),
        "average": int(layer.pool.kind == "average"),
        "normalise": int(normalise),
    }
    return blocks * pool_cost(config, with_halves(fields, config)).cycles


def _at_full_use(network: Network, layer: ConvLayer, config: OverlayConfig) -> int:
    """Of the array, if every wave filled it."""
    output = network.tensors[layer.output]
    channels = network.tensors[layer.conv.input].channels // layer.conv.groups
    reduction = ceil_div(prod(layer.window.kernel) * channels, config.reduction)
    return output.height * output.width * reduction * ceil_div(output.channels, config.columns)
