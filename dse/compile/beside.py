"""Which convolutions the engine beside the array takes."""

from __future__ import annotations

from dse.assembly.program_error import ProgramError
from dse.compile.packing import cut
from dse.compile.views import Layout
from dse.network.graph import Conv, Network
from dse.passes.layer_shapes import layer_shapes
from dse.tiling.depthwise import DepthwiseForm
from dse.tiling.layer_mapping import Choice, LayerMapping
from dse.tiling.legality import ConvAlgorithm, against_depthwise
from hw.isa.config import OverlayConfig


def beside(
    network: Network, layout: Layout, config: OverlayConfig, mapping: LayerMapping
) -> frozenset[str]:
    """The depthwise convolutions that are forced, and of the free ones those that it does faster.

    ``network``: with identities and copies, as the layers are made of it.
    """
    found = set()
    shapes = layer_shapes(network, mapping.concat_in_place)
    for conv in network.convolutions():
        choice, shape = mapping.layers.get(conv.name), shapes[conv.name]
        if choice is not None and choice.algorithm is not ConvAlgorithm.DEPTHWISE:
            continue
        why = against_depthwise(shape) if config.depthwise else "the overlay cannot: set depthwise"
        if choice is not None and why:
            raise ProgramError(
                f"layer {conv.name!r} is to run beside the array: {why}, or choose im2col"
            )
        if choice is not None:
            found.add(conv.name)
        elif not why:
            array = _array_cycles(conv, layout, config)
            if array is None or DepthwiseForm(shape, config).cycles < array:
                found.add(conv.name)
    return frozenset(found)


def _array_cycles(conv: Conv, layout: Layout, config: OverlayConfig) -> int | None:
    """Of the array; None if it cannot."""
    target = layout.views[conv.output]
    pixels = target.height * target.width
    try:
        pieces = cut(conv, layout.views[conv.input], pixels, config, Choice())
    except ProgramError:
        return None
    return sum(int(piece.tiling(pixels, config).longest) for piece in pieces)
