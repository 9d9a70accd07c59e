"""The layers of a graph as cost models see them: shapes that know how their tensors lie."""

from __future__ import annotations

from dataclasses import replace

from dse.network.conv_shape import ConvShape
from dse.network.graph import Conv, Network, Pool
from dse.network.pool_shape import PoolShape
from dse.network.segments import segments
from dse.passes.padded_rows import against_gaps
from dse.passes.placement import Placement, placement
from dse.tiling.legality import tails


def layer_shapes(network: Network, in_place: bool = True) -> dict[str, ConvShape]:
    """The shapes of all convolutions by name, in execution order.

    They know whether their input's rows are contiguous, why their results must be written as they
    are, and why without further pixels between their rows.  A folded result is dense, so that it
    cannot lie in the channel range of a concatenation; and only an unfolded one can be fused with
    an addition.  ``in_place``: of concatenations, see ``insert_copies``.  Of a network in segments
    they are those of its segments: what passes from one to the next leaves the overlay.
    """
    shapes = {}
    parts = segments(network)
    for part in parts if len(parts) == 1 else (network, *parts):  # parts lack what nothing needs
        found, fused = placement(part, in_place), set(tails(part).values())
        for conv in part.convolutions():
            shapes[conv.name] = _noted(part, conv, found, conv.name in fused)
    return shapes


def _noted(network: Network, conv: Conv, found: Placement, fused: bool) -> ConvShape:
    shape, unfolded = network.conv_shape(conv), ""
    if fused:
        unfolded = "its result is a summand, added by the convolution itself"
    elif found.places[conv.output].pitch != shape.cout:
        unfolded = "a concatenation would need a copy"
    single = shape.height * shape.width == 1
    contiguous = single or found.places[conv.input].pitch == shape.cin
    return replace(
        shape,
        contiguous=contiguous,
        unfolded=unfolded,
        unpadded=against_gaps(network, found, conv.output),
        summand=fused,
        pooled=_pooled(network, conv),
    )


def _pooled(network: Network, conv: Conv) -> PoolShape | None:
    match network.consumers[conv.output]:
        case [Pool() as pool] if conv.output not in network.outputs:
            return pool_shape(network, pool)
    return None


def pool_shape(network: Network, pool: Pool) -> PoolShape:
    """The shape of a pooling, or of the normalisation that it is."""
    window = pool.window
    return PoolShape(
        "normalise" if pool.normalisation else pool.kind,
        window.kernel,
        window.stride,
        network.tensors[pool.input].shape,
        network.tensors[pool.output].shape,
    )
