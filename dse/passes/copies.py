"""A batch: one network that computes several images, with the weights of one.

Every tensor and operator is there once for each image; the copies of a convolution share their
``Numbers``, of a pooling its table.  Fully connected layers are there once for all images, which
are the pixels of their input, so that their weights are fetched once.  No value changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from dse.network.batches import joint, of_image
from dse.network.graph import Concat, Conv, Network, Operator, Reshape, Slice, Tensor, Window
from dse.tiling.legality import tails

T = TypeVar("T")
Op = TypeVar("Op", bound=Operator)


@dataclass(frozen=True)
class Batch:
    """So many images at a time.

    ``origins``: the tensor of the single network that each tensor is a copy of.  ``shared``: the
    convolutions that are there once, by their names in the single network.
    """

    network: Network
    images: int
    origins: Mapping[str, str]
    shared: frozenset[str] = frozenset()

    def origin(self, tensor: str) -> str:
        """The same for all images: the tensor of the single network, or of a pass behind."""
        return self.origins.get(tensor, tensor)

    def copied(self, values: Mapping[str, T]) -> dict[str, T]:
        """Values by operator or tensor of the single network, for each of their copies."""
        return {
            of_image(name, image, self.images): value
            for image in range(self.images)
            for name, value in values.items()
        }


def batched(network: Network, images: int) -> Batch:
    """The network of so many images, each as it was alone; operators of the images in turns."""
    if images == 1:
        return Batch(network, 1, {})
    places = range(images)
    shared = _shareable(network)
    tensors = {
        of_image(name, image, images): replace(tensor, name=of_image(name, image, images))
        for image in places
        for name, tensor in network.tensors.items()
    }
    origins = {of_image(name, i, images): name for i in places for name in network.tensors}
    operators: list[Operator] = []
    for op in network.operators:
        if isinstance(op, Conv) and op.name in shared:
            own, made = _once(network, op, images)
            operators += own
            tensors |= {tensor.name: tensor for tensor in made}
            origins[joint(op.output)] = op.output
        else:
            operators += copies(op, images)
    every = [
        tuple(of_image(name, image, images) for image in places for name in ends)
        for ends in (network.inputs, network.outputs)
    ]
    whole = replace(
        network, tensors=tensors, operators=tuple(operators), inputs=every[0], outputs=every[1]
    )
    return Batch(whole, images, origins, shared)


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


def _shareable(network: Network) -> frozenset[str]:
    """Fully connected layers: their one pixel takes no longer than the weights that it needs.

    They wait for all images, so nothing but their input may be alive then.
    """
    added = set(tails(network).values())
    last = {name: index for index, op in enumerate(network.operators) for name in op.inputs}
    alive = set(network.inputs)
    found = set()
    for index, op in enumerate(network.operators):
        alive = {name for name in alive if last.get(name, -1) >= index}
        if (
            isinstance(op, Conv)
            and alive == {op.input}
            and network.conv_shape(op).is_dense
            and op.groups == 1
            and op.name not in added
            and not any(network.tensors[name].parts for name in (op.input, op.output))
        ):
            found.add(op.name)
        alive.add(op.output)
    return frozenset(found)


def _once(network: Network, conv: Conv, images: int) -> tuple[list[Operator], list[Tensor]]:
    """A fully connected layer of all images: 1 x 1 over one pixel of each, and its parts."""
    source, target = network.tensors[conv.input], network.tensors[conv.output]
    name, size, outputs = joint(conv.name), source.size, target.channels
    made: list[Tensor] = []

    def tensor(what: str, like: Tensor, width: int, channels: int) -> str:
        made.append(replace(like, name=what, height=1, width=width, channels=channels))
        return what

    operators: list[Operator] = []
    inputs = [of_image(conv.input, image, images) for image in range(images)]
    if source.height * source.width > 1:
        for image, own in enumerate(inputs):
            inputs[image] = tensor(f"{name}/flat{image}", source, 1, size)
            operators.append(Reshape(inputs[image], own, inputs[image]))
    joined = tensor(f"{name}/joined", source, 1, images * size)
    pixels = tensor(f"{name}/pixels", source, images, size)
    result = tensor(joint(conv.output), target, images, outputs)
    row = tensor(f"{name}/row", target, 1, images * outputs)
    numbers = conv.numbers
    if numbers is not None:
        numbers = replace(numbers, weight=numbers.weight.reshape(outputs, 1, 1, size))
    operators += [
        Concat(joined, tuple(inputs), joined),
        Reshape(pixels, joined, pixels),
        replace(conv, name=name, input=pixels, output=result, window=Window(), numbers=numbers),
        Reshape(row, result, row),
        *_parts(conv, row, outputs, images),
    ]
    return operators, made


def _parts(conv: Conv, row: str, outputs: int, images: int) -> Iterator[Slice]:
    for image in range(images):
        own = of_image(conv.output, image, images)
        yield Slice(own, row, own, image * outputs)
