"""What becomes of the nodes of a model: which the host runs, and what those of the overlay use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import onnx

from dse.onnx import trial
from dse.onnx.draft import DraftLayer, DraftTensor
from dse.onnx.places import INTEGER_PRODUCTS
from dse.onnx.remedies import UNKNOWN_REMEDY
from dse.onnx.source import operator
from dse.onnx.values import Unsupported

Went = Literal["constant", "host", "overlay", "unsupported", "unjudged"]
"""What became of a node in a walk; see ``findings.Place``."""


@dataclass(frozen=True, eq=False)
class Hosted:
    """A node that the host runs, ``index`` in the model.

    ``segment``: how many segments of the overlay end before it can run.  ``refusal``: why it is
    not on the overlay; None if it stays with its neighbours.
    """

    index: int
    node: onnx.NodeProto
    segment: int
    refusal: Unsupported | None


@dataclass(frozen=True, eq=False)
class Use:
    """What a node on the overlay uses: its layers, and the tensors that it reads and writes.

    ``products``: multiply-accumulates of its convolutions that compute.
    """

    segment: int
    products: int
    tensors: frozenset[DraftTensor]

    @classmethod
    def of(cls, layers: Sequence[DraftLayer], seen: Sequence[DraftTensor]) -> Use:
        """Of the layers that a node has added, and of its operands' and results' tensors."""
        made = [tensor for layer in layers for tensor in (*layer.inputs, layer.output)]
        own = [layer for layer in layers if not (layer.affine or layer.moves)]
        return cls(
            segment=max(tensor.segment for tensor in (*seen, *made)),
            products=sum(layer.products for layer in own),
            tensors=frozenset((*seen, *made)),
        )


def require_host(node: onnx.NodeProto, refusal: Unsupported | None) -> None:
    """Raise Unsupported if the host cannot run a node, or not to the bit on every processor."""
    if operator(node) in INTEGER_PRODUCTS:
        raise refusal or Unsupported("only the overlay multiplies integers", UNKNOWN_REMEDY)
    if not trial.knows(node):
        raise refusal or Unsupported(
            "onnxruntime, the host's, does not have this operator", UNKNOWN_REMEDY
        )
