"""What a network needs of an overlay, whatever its array: memory, and widths of sums."""

from __future__ import annotations

from dataclasses import dataclass

from dse.networks.workload import Convolution, ConvShape, Join, Pool, Reshape, Workload
from hw.config import TRANSFORMS, power_of_two
from hw.winograd.matrices import INPUT_MAX, INPUT_MIN, WEIGHT_MAX, signed_bits

SHALLOWEST_PARAMETERS = 4096
"""Channel records that an overlay holds at least, so that usual networks share one."""


@dataclass(frozen=True)
class Needs:
    """Of a workload, weights unknown.

    Members
    -------
    tensor_bytes : the activations that live at once, at most.
    parameter_depth : channel records, two layers' at once.
    sum_bits, raw_bits : of the sums of any weights, and of those that Winograd may compute, whose
        inputs are not relative to their zero point.
    """

    tensor_bytes: int
    parameter_depth: int
    sum_bits: int
    raw_bits: int

    def accumulator_bits(self, winograd: str) -> int:
        """Width of the accumulators, with the bits that the output transform drops."""
        shifts = [2 * transform.scale_shift for transform in TRANSFORMS[winograd]]
        return max([self.sum_bits, *(self.raw_bits + shift for shift in shifts)])


def needs(workload: Workload) -> Needs:
    """The needs of a workload."""
    convs = [layer.conv for layer in workload.convolutions]
    tiled = [conv for conv in convs if conv.stride == conv.dilation == (1, 1) and conv.taps > 1]
    widest = max((conv.cout for conv in convs), default=1)
    return Needs(
        tensor_bytes=power_of_two(_peak(workload)),
        parameter_depth=max(SHALLOWEST_PARAMETERS, power_of_two(2 * widest)),
        sum_bits=max((_bits(conv, INPUT_MAX - INPUT_MIN) for conv in convs), default=1),
        raw_bits=max((_bits(conv, -INPUT_MIN) for conv in tiled), default=1),
    )


def _bits(conv: ConvShape, largest_input: int) -> int:
    """Bits of a sum of the largest inputs and weights."""
    products = conv.taps * conv.cin // conv.groups
    return signed_bits(-products * largest_input * WEIGHT_MAX)


def _peak(workload: Workload) -> int:
    """Bytes of the buffers that live at once, at the worst time.

    Reshapes share their input's buffer, and what is concatenated the result's.  A pooling behind a
    convolution runs beside it, so that the convolution's input lives as well.
    """
    home = {node.name: node.name for node in workload.nodes}
    for node in reversed(workload.nodes):
        if isinstance(node, Join) and node.kind == "concat":
            home.update(dict.fromkeys(node.inputs, home[node.name]))
    for node in workload.nodes:
        if isinstance(node, Reshape):
            home[node.name] = home[node.input]
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    size: dict[str, int] = {}
    for time, node in enumerate(workload.nodes):
        for name in (*node.inputs, node.name):
            first.setdefault(home[name], time)
            last[home[name]] = time
        if isinstance(node, Pool) and isinstance(before := workload.node[node.input], Convolution):
            last[home[before.input]] = time
        height, width, channels = node.shape
        size[home[node.name]] = max(size.get(home[node.name], 0), height * width * channels)
    return max(
        sum(size[name] for name in size if first[name] <= time <= last[name])
        for time in range(len(workload.nodes))
    )
