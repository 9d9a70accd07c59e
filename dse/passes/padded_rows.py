"""Padded rows: whether all that read a tensor can step over further pixels between its rows.

The instructions of a convolution and of a pooling know what a row holds and what is from row to row
(``dse.tiling.walks``).  All else takes a tensor as one piece, or as pixels at equal distances.
"""

from __future__ import annotations

from collections.abc import Iterator

from dse.network.graph import Concat, Conv, Network, Operator, Pool, Slice, Window
from dse.passes.placement import Placement
from dse.tiling.legality import against_wider_rows


def against_gaps(network: Network, found: Placement, tensor: str) -> str:
    """Why a tensor must have no gaps between its rows; empty: it may have them.

    Concatenations and slices that need a copy are read by a pooling, whether it is there or not.
    """
    if tensor in network.outputs:
        return "its result leaves the overlay in one piece"
    for op in network.consumers[tensor]:
        if why := _against(network, found, tensor, op):
            return why
    return ""


def _against(network: Network, found: Placement, tensor: str, op: Operator) -> str:
    copied = [slot in found.copies for slot in _slots(op, tensor)]
    match op:
        case Conv() if network.conv_shape(op).is_dense:
            return "a reader takes all its rows as one"
        case Conv() | Pool():
            return against_wider_rows(network, op)
        case Slice() if copied == [False]:
            return against_gaps(network, found, op.output)
        case Concat() | Slice() if all(copied):
            source = op.output if isinstance(op, Slice) else tensor
            return against_wider_rows(network, Pool(op.name, source, source, "max", Window()))
        case _:
            return "a reader takes no gaps between its rows"


def _slots(op: Operator, tensor: str) -> Iterator[tuple[str, int]]:
    """The inputs of an operator that are the tensor, as placement names them."""
    return ((op.output, index) for index, name in enumerate(op.inputs) if name == tensor)
