"""A batch: one network that computes several images, with the weights of one.

Every tensor and operator is there once for each image; the copies of a convolution share their
``Numbers``, of a pooling its table.  No value changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from dse.network.batches import of_image
from dse.network.graph import Concat, Network, Operator

T = TypeVar("T")
Op = TypeVar("Op", bound=Operator)


@dataclass(frozen=True)
class Batch:
    """So many images at a time.

    ``origins``: the tensor of the single network that each tensor is a copy of.
    """

    network: Network
    images: int
    origins: Mapping[str, str]

    def copied(self, values: Mapping[str, T]) -> dict[str, T]:
        """Values by operator or tensor of the single network, for each of their copies."""
        return {
            of_image(name, image, self.images): value
            for image in range(self.images)
            for name, value in values.items()
        }


def batched(network: Network, images: int) -> Batch:
    """The network of so many images, each as it was alone; operators of the images in turns."""
    places = range(images)
    tensors = {
        of_image(name, image, images): replace(tensor, name=of_image(name, image, images))
        for image in places
        for name, tensor in network.tensors.items()
    }
    operators = [copy for op in network.operators for copy in copies(op, images)]
    every = [
        tuple(of_image(name, image, images) for image in places for name in ends)
        for ends in (network.inputs, network.outputs)
    ]
    whole = replace(
        network, tensors=tensors, operators=tuple(operators), inputs=every[0], outputs=every[1]
    )
    origins = {of_image(name, i, images): name for i in places for name in network.tensors}
    return Batch(whole, images, origins)


def copies(op: Op, images: int) -> list[Op]:
    """An operator of each image."""
    return [_copy(op, image, images) for image in range(images)]


def _copy(op: Op, image: int, images: int) -> Op:
    named: dict[str, Any] = {
        name: of_image(getattr(op, name), image, images)
        for name in ("name", "input", "a", "b", "output")
        if name in op.__dataclass_fields__
    }
    if isinstance(op, Concat):
        named["inputs"] = tuple(of_image(name, image, images) for name in op.inputs)
    return replace(op, **named)
