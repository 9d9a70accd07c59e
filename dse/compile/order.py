"""The execution order: layers that wait for each other are kept apart by others that need not.

A layer that reads its predecessor's result waits until the array has emptied; a layer of another
branch in between hides that.  This is list scheduling (Graham 1969) on the two engines that
compute.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from dse.compile.layers import ConvLayer, DepthwiseLayer, Layer, PairLayer, Role
from dse.compile.lifetime import completions
from dse.network.graph import Network
from dse.tiling.depthwise import DepthwiseForm
from hw.isa.config import OverlayConfig, ceil_div


def interleave(
    network: Network, layers: Sequence[Layer], config: OverlayConfig
) -> tuple[Layer, ...]:
    """The layer that can start first comes next; of several, the one with most behind it."""
    needs = dependencies(network, layers)
    cycles = [_cycles(network, layer, config) for layer in layers]
    behind = _longest_ways(needs, cycles)
    finish: dict[int, int] = {}  # of layers that have their place, which these are the keys of
    free: dict[bool, int] = {}  # when the array is, and the engine beside it
    waiting = set(range(len(layers)))
    while waiting:
        starts = {
            index: max(
                (
                    free.get(isinstance(layers[index], ConvLayer), 0),
                    *(finish[n] for n in needs[index]),
                )
            )
            for index in waiting
            if needs[index] <= finish.keys()
        }
        chosen = min(starts, key=lambda index: (starts[index], -behind[index], index))
        done = starts[chosen] + cycles[chosen]
        free[isinstance(layers[chosen], ConvLayer)] = done
        finish[chosen] = done + _latency(layers[chosen], config)
        waiting.remove(chosen)
    return tuple(layers[index] for index in finish)


def dependencies(network: Network, layers: Sequence[Layer]) -> list[frozenset[int]]:
    """The layers whose results each layer reads."""
    complete = completions(network, layers)
    return [
        frozenset().union(
            *(
                complete[tensor]
                for role, tensor in layer.operands.items()
                if role is not Role.TARGET
            )
        )
        for layer in layers
    ]


def _longest_ways(needs: Sequence[frozenset[int]], cycles: Sequence[int]) -> list[int]:
    """Cycles of the longest chain of layers that starts with each."""
    ways = list(cycles)
    for index in reversed(range(len(needs))):
        for before in needs[index]:
            ways[before] = max(ways[before], cycles[before] + ways[index])
    return ways


def _cycles(network: Network, layer: Layer, config: OverlayConfig) -> int:
    """What a layer takes at full use of its engine."""
    output = network.tensors[layer.output]
    pixels, taps = output.height * output.width, prod(layer.window.kernel)
    if isinstance(layer, ConvLayer):
        channels = network.tensors[layer.conv.input].channels // layer.conv.groups
        reduction = ceil_div(taps * channels, config.reduction)
        return pixels * reduction * ceil_div(output.channels, config.columns)
    if isinstance(layer, DepthwiseLayer):
        return DepthwiseForm(network.conv_shape(layer.conv), config).cycles
    if isinstance(layer, PairLayer):
        other = network.tensors[layer.combine.b]
        taps = 1 + (other.height * other.width > 1)
    return pixels * taps * ceil_div(output.channels, config.pool_channels)


def _latency(layer: Layer, config: OverlayConfig) -> int:
    """From the last operands of a layer to its last result in memory: the way through the array."""
    return config.rows + config.columns if isinstance(layer, ConvLayer) else 0
