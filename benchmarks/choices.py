"""The choices of algorithm and dataflow that an overlay offers a convolution."""

from __future__ import annotations

from itertools import product

from dse.network.graph import Add, Conv, Network, Window
from dse.tiling.layer_mapping import Choice, ConvAlgorithm
from dse.tiling.tile_form import TileForm, tile_forms
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig


def all_choices(config: OverlayConfig) -> list[Choice]:
    """Every algorithm in every dataflow that an overlay's array has."""
    gemms = product((ConvAlgorithm.IM2COL, ConvAlgorithm.KN2ROW), Dataflow)
    forms = tile_forms(config.transforms)
    tiles = product((form.tile for form in forms), (Dataflow.WS, Dataflow.IS))
    return [
        *(Choice(flow, algorithm) for algorithm, flow in gemms),
        *(Choice(flow, ConvAlgorithm.WINOGRAD, tile) for tile, flow in tiles),
    ]


def legal(network: Network, conv: Conv, choice: Choice, config: OverlayConfig) -> bool:
    """Whether the algorithm can compute the layer on an overlay, if its memories are large enough.

    kn2row in WS keeps a whole row of pixels in the accumulators.  Winograd has no NS, and stride 1
    and no dilation in its dimensions.  Beside the array go depthwise convolutions that no addition
    waits for.
    """
    match choice.algorithm, choice.dataflow:
        case ConvAlgorithm.KN2ROW, Dataflow.WS:
            return network.tensors[conv.output].width <= config.accumulator_depth
        case ConvAlgorithm.WINOGRAD, flow:
            forms = [f for f in tile_forms(config.transforms) if choice.tile in (None, f.tile)]
            return flow is not Dataflow.NS and any(steps_alone(conv.window, f) for f in forms)
        case ConvAlgorithm.DEPTHWISE, _:
            channels = network.tensors[conv.input].channels, network.tensors[conv.output].channels
            added = any(isinstance(op, Add) for op in network.consumers[conv.output])
            return bool(config.depthwise) and channels == (conv.groups,) * 2 and not added
    return True


def steps_alone(window: Window, form: TileForm) -> bool:
    """Whether the window has stride 1 and no dilation in the dimensions of the tiles."""
    axes = (int(form.transposed),) if form.line else (0, 1)
    return all(window.stride[axis] == window.dilation[axis] == 1 for axis in axes)


def fallback(network: Network, conv: Conv, choice: Choice, config: OverlayConfig) -> Choice:
    """The choice where it is legal, else im2col in the same dataflow."""
    return choice if legal(network, conv, choice, config) else Choice(choice.dataflow)


def label(choice: Choice) -> str:
    """As in "kn2row WS" or "F(4,3) IS"."""
    winograd = choice.algorithm is ConvAlgorithm.WINOGRAD
    algorithm = f"winograd {choice.tile}" if winograd else choice.algorithm.value
    return f"{algorithm} {choice.dataflow.name}" if choice.dataflow is not None else algorithm
