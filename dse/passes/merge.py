"""Merging sibling 1 x 1 convolutions: one convolution, whose channel ranges are their results.

Each result is a Slice, a view that costs nothing.  If some results are inputs of a concatenation,
they must be at one end of it, and the others lie beyond that end, in the same buffer:
[others | concatenation] or [concatenation | others].  What is read from such a buffer is no longer
contiguous, so that a merge is not always a gain: which ones to make is the caller's choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from dse.network.graph import Concat, Conv, Network, Numbers, Operator, Slice
from dse.network.operators import Limit
from dse.network.prune import prune
from dse.passes.pass_error import PassError
from dse.passes.placement import without_copies
from dse.tiling.legality import against_merging

Group = tuple[str, ...]


def merged_name(group: Sequence[str]) -> str:
    """The name of the convolution that a group becomes; its members' are those of the slices."""
    return "+".join(group)


def merge(network: Network, groups: Sequence[Sequence[str]]) -> Network:
    """The graph with each group merged; PassError if that cannot be laid out without a copy."""
    for group in groups:
        network = _merged(network, group)
    return network


def siblings(network: Network) -> tuple[Group, ...]:
    """Groups that can be merged, all of them together; none could take a further sibling."""
    found: list[Group] = []
    merged = network = prune(network)
    for convs in _alike(network):
        seats = {conv.name: _seat(network, conv.output) for conv in convs}
        names = list(seats)
        # What no concatenation holds is free to join anything, so it comes first.
        left = sorted(names, key=lambda name: seats[name] is not None)
        while len(left) > 1:
            group = _grown(merged, left)
            if len(group) > 1:
                found.append(tuple(sorted(group, key=names.index)))
                merged = _merged(merged, found[-1])
            left = [name for name in left if name not in group]
    return tuple(found)


def _grown(network: Network, names: Sequence[str]) -> Group:
    """The first of the names and all that can join it, in whatever order they can."""
    group: Group = (names[0],)
    while True:
        more = next((n for n in names if n not in group and _possible(network, (*group, n))), None)
        if more is None:
            return group
        group = (*group, more)


def _alike(network: Network) -> list[list[Conv]]:
    """Unfused 1 x 1 convolutions of the same tensor and stride."""
    found: dict[tuple[str, tuple[int, int]], list[Conv]] = {}
    for conv in network.convolutions():
        if not against_merging(network, (conv.name,)):
            found.setdefault((conv.input, conv.window.stride), []).append(conv)
    return list(found.values())


def _possible(network: Network, group: Group) -> bool:
    try:
        _merged(network, group)
    except PassError:
        return False
    return True


def _merged(network: Network, group: Sequence[str]) -> Network:
    what = f"layers {', '.join(map(repr, group))} cannot be merged"
    if len(group) < 2:
        raise PassError(f"{what}: two different ones are the least")
    if why := against_merging(network, group):
        raise PassError(f"{what}: {why}")
    convs = [conv for conv in network.convolutions() if conv.name in group]
    convs.sort(key=lambda conv: group.index(conv.name))
    refusal = PassError(what)
    for order in _orders(network, convs):
        try:
            return without_copies(network, _ordered(network, merged_name(group), order), what)
        except PassError as error:
            refusal = error
    raise refusal


def _seat(network: Network, tensor: str) -> tuple[int, int] | None:
    """Where a tensor is in the concatenation that reads it first: its number and the input's."""
    for number, op in enumerate(network.operators):
        if isinstance(op, Concat) and tensor in op.inputs:
            return number, op.inputs.index(tensor)
    return None


def _orders(network: Network, convs: Sequence[Conv]) -> Iterator[list[Conv]]:
    """Orders of the channel ranges: those of a concatenation in its order, behind or before all."""
    seats = {conv.name: _seat(network, conv.output) for conv in convs}
    seated = sorted((seat, conv.name) for conv in convs if (seat := seats[conv.name]))
    by_name = {conv.name: conv for conv in convs}
    joined = [by_name[name] for _, name in seated]
    others = [conv for conv in convs if seats[conv.name] is None]
    yield [*others, *joined]
    if others and joined:
        yield [*joined, *others]


def _ordered(network: Network, name: str, convs: Sequence[Conv]) -> Network:
    """The graph with one convolution in the place of the first, and a slice for each result."""
    tensors = [network.tensors[conv.output] for conv in convs]
    couts = [tensor.channels for tensor in tensors]
    parts = () if network.is_outline else [part for tensor in tensors for part in tensor.ranges]
    whole = replace(tensors[0], name=name, channels=sum(couts), parts=tuple(parts))
    numbers = [conv.numbers for conv in convs if conv.numbers is not None]
    joined = _joined(numbers, couts) if numbers else None
    conv = replace(convs[0], name=name, output=name, numbers=joined)
    starts = [sum(couts[:index]) for index in range(len(couts))]
    slices = [
        Slice(part.name, name, part.output, start)
        for part, start in zip(convs, starts, strict=True)
    ]
    first = next(op for op in network.operators if op in convs)
    operators: list[Operator] = []
    for op in network.operators:
        if op is first:
            operators += [conv, *slices]
        elif op not in convs:
            operators.append(op)
    return replace(network, tensors={**network.tensors, name: whole}, operators=tuple(operators))


def _joined(numbers: Sequence[Numbers], couts: Sequence[int]) -> Numbers:
    """The numbers of all channels."""

    def limits(bounds: Iterable[Limit]) -> npt.NDArray[np.int8]:
        parts = [np.broadcast_to(one, n) for one, n in zip(bounds, couts, strict=True)]
        return np.concatenate(parts).astype(np.int8)

    return Numbers(
        np.concatenate([one.weight for one in numbers]),
        np.concatenate([one.weight_scale for one in numbers]),
        np.concatenate([one.bias for one in numbers]),
        limits(one.low for one in numbers),
        limits(one.high for one in numbers),
    )
