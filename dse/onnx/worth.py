"""Which nodes the overlay could execute, but had better leave to the host, between its nodes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

from dse.onnx.draft import DraftTensor
from dse.onnx.hosted import Use
from dse.onnx.lowering import Lowering

LEAST_PRODUCTS = 2
"""Of each value that comes back from the host: with one, the host multiplies for less than it takes
to quantise the value.  (The weighted mean at the end of a YOLOv8 has one.)"""


@dataclass(frozen=True)
class _Piece:
    """Nodes of a segment that share tensors, directly or through others of them."""

    segment: int
    nodes: frozenset[int]
    tensors: frozenset[DraftTensor]
    products: int

    def is_worth(self, read: frozenset[DraftTensor], loaded: Set[DraftTensor]) -> bool:
        """Whether somebody reads what it makes, and enough is multiplied for it."""
        if self.products == 0 or self.tensors.isdisjoint(read):
            return False
        values = sum(math.prod(tensor.shape) for tensor in self.tensors & loaded)
        return self.segment == 0 or self.products >= LEAST_PRODUCTS * values

    def touches(self, other: _Piece) -> bool:
        return self.segment == other.segment and not self.tensors.isdisjoint(other.tensors)

    def joined(self, other: _Piece) -> _Piece:
        nodes, tensors = self.nodes | other.nodes, self.tensors | other.tensors
        return _Piece(self.segment, nodes, tensors, self.products + other.products)


def idle(lowering: Lowering) -> frozenset[int]:
    """Nodes that cost the overlay a segment, or a part of one, for nothing.

    A piece of a segment is for nothing if it has no convolution, if nobody reads what it makes, or
    if it multiplies next to nothing of what the host has made for it.  The first segment is as good
    as any: its pieces are named only if no other is idle.
    A network of one segment has none.
    """
    if not any(layer.output.segment for layer in lowering.draft.layers):
        return frozenset()
    pieces = _pieces(lowering.uses)
    read = _read(lowering)
    loaded = lowering.entries.keys()
    found = [piece for piece in pieces if not piece.is_worth(read[piece.segment], loaded)]
    later = [piece for piece in found if piece.segment]
    return frozenset(node for piece in later or found for node in piece.nodes)


def _pieces(uses: Mapping[int, Use]) -> list[_Piece]:
    pieces: list[_Piece] = []
    for index, use in uses.items():
        own = frozenset(tensor for tensor in use.tensors if tensor.segment == use.segment)
        piece = _Piece(use.segment, frozenset((index,)), own, use.products)
        apart = []
        for other in pieces:
            if piece.touches(other):
                piece = piece.joined(other)
            else:
                apart.append(other)
        pieces = [*apart, piece]
    return pieces


def _read(lowering: Lowering) -> Mapping[int, frozenset[DraftTensor]]:
    """What is read outside of each segment: by the host, or by later segments."""
    segments = {use.segment for use in lowering.uses.values()}
    left = frozenset(view.tensor for view in lowering.exits.values())
    return {s: left | frozenset(_crossing(lowering, s)) for s in segments}


def _crossing(lowering: Lowering, segment: int) -> Iterator[DraftTensor]:
    for use in lowering.uses.values():
        if use.segment > segment:
            yield from (tensor for tensor in use.tensors if tensor.segment <= segment)
