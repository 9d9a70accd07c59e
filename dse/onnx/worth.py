"""Which nodes the overlay could execute, but had better leave to the host, between its nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dse.onnx.draft import DraftTensor
from dse.onnx.hosted import Use
from dse.onnx.lowering import Lowering


@dataclass(frozen=True)
class _Piece:
    """Nodes of a segment that share tensors, directly or through others of them."""

    segment: int
    nodes: frozenset[int]
    tensors: frozenset[DraftTensor]
    convolves: bool

    def touches(self, other: _Piece) -> bool:
        return self.segment == other.segment and not self.tensors.isdisjoint(other.tensors)

    def joined(self, other: _Piece) -> _Piece:
        nodes, tensors = self.nodes | other.nodes, self.tensors | other.tensors
        return _Piece(self.segment, nodes, tensors, self.convolves or other.convolves)


def idle(lowering: Lowering) -> frozenset[int]:
    """Nodes that cost the overlay a segment, or a part of one, for nothing.

    A piece of a segment is for nothing if it has no convolution, or if nobody reads what it
    makes.  The first segment is as good as any: its pieces are named only if no other is idle.
    A network of one segment has none.
    """
    if not any(layer.output.segment for layer in lowering.draft.layers):
        return frozenset()
    pieces = _pieces(lowering.uses)
    read = _read(lowering)
    found = [p for p in pieces if not p.convolves or p.tensors.isdisjoint(read[p.segment])]
    later = [piece for piece in found if piece.segment]
    return frozenset(node for piece in later or found for node in piece.nodes)


def _pieces(uses: Mapping[int, Use]) -> list[_Piece]:
    pieces: list[_Piece] = []
    for index, use in uses.items():
        own = frozenset(tensor for tensor in use.tensors if tensor.segment == use.segment)
        piece = _Piece(use.segment, frozenset((index,)), own, use.convolves)
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
