"""Results that lie apart: copied, where they would be a range of channels.

The result of a merged convolution is a range of another's channels, and so is one that a
concatenation takes in place.  The rows of a range are not contiguous, so that a reader with few
channels fills few of the array's words; and a convolution whose result is a range cannot be folded.
The engine beside the array copies such a result while the array goes on.
"""

from __future__ import annotations

from collections.abc import Sequence

from dse.network.graph import Concat, Network, Slice
from dse.passes.concat import with_copies
from dse.passes.pass_error import PassError


def set_apart(network: Network, names: Sequence[str]) -> Network:
    """The graph with a copy of what convolutions compute, by their names, also if merged.

    Of a merged one, what all read is the copy; of another one, what concatenations read.  One that
    none reads lies apart already: calibration may have put a requantisation in between.
    """
    ranges = {op.name: (op.output, 0) for op in network.operators if isinstance(op, Slice)}
    results = {conv.output: conv.name for conv in network.convolutions()}
    inputs = [
        (results[name], (op.output, index))
        for op in network.operators
        if isinstance(op, Concat)
        for index, name in enumerate(op.inputs)
        if name in results
    ]
    slots = []
    for name in names:
        if name not in ranges and name not in results.values():
            raise PassError(f"there is no convolution {name!r} whose result could lie apart")
        own = [ranges[name]] if name in ranges else [slot for conv, slot in inputs if conv == name]
        slots += own
    return with_copies(network, slots)
