"""What a network needs of an overlay, whatever its array: memory, and widths of sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dse.compile.compiler import whole_memory
from dse.compile.records import needed_bits
from dse.cost.infeasible import Infeasible
from dse.network.conv_shape import ConvShape
from dse.network.graph import Network
from dse.passes.layer_shapes import layer_shapes
from dse.tiling.legality import against_depthwise, transforms_taps
from dse.tiling.tile_form import TileForm, tile_forms
from hw.isa.config import ACCUMULATOR_BITS, TRANSFORMS, OverlayConfig, power_of_two
from hw.isa.transforms import INPUT_MAX, INPUT_MIN, POINT, WEIGHT_MAX, signed_bits

SHALLOWEST_PARAMETERS = 4096
"""Channel records that an overlay holds at least, so that usual networks share one."""

MOST_COLUMNS = 5
"""Of wider kernels, which are rare, columns of taps are passed more than once."""


@dataclass(frozen=True)
class Needs:
    """Of a network, whatever its weights are.

    Members
    -------
    tensor_bytes : the activations that live at once, at most.
    parameter_depth : channel records, two layers' at once.
    sum_bits, raw_bits : of the sums of any weights, and of those that Winograd may compute, whose
        inputs are not relative to their zero point. line_bits : that it may in one dimension.
    tables : activation tables: one that is in use, one that is loaded; 0 if it applies none.
    products : 1 if it multiplies tensors, or normalises them.
    pairs : 1 if it combines them otherwise.
    normalisation : 1 if it normalises across channels.
    depthwise : multipliers a lane that its depthwise convolutions keep busy beside the array: the
        columns of the widest kernel, at most ``MOST_COLUMNS``; 0 if it has none.
    """

    tensor_bytes: int
    parameter_depth: int
    sum_bits: int
    raw_bits: int
    line_bits: int = 1
    tables: int = 0
    products: int = 0
    pairs: int = 0
    normalisation: int = 0
    depthwise: int = 0

    def accumulator_bits(self, winograd: str) -> int:
        """Width of the accumulators, with the bits that the output transform drops."""
        transforms = TRANSFORMS[winograd]
        raw = max([self.raw_bits, *(self.line_bits for t in transforms if t.x == POINT)])
        needed = (raw + transform.total_shift for transform in transforms)
        return max([ACCUMULATOR_BITS[0], self.sum_bits, *needed])

    def possible(self, kinds: Sequence[str]) -> tuple[str, ...]:
        """Those of some sets of transforms for which accumulators can be wide enough."""
        bits = {kind: self.accumulator_bits(kind) for kind in kinds}
        found = tuple(kind for kind in kinds if bits[kind] <= ACCUMULATOR_BITS[1])
        if found:
            return found
        raise Infeasible(
            "the sums of the network's largest layer",
            bound="accumulator_bits",
            needed=min(bits.values()),
            available=ACCUMULATOR_BITS[1],
            remedy="split that layer, or leave it out",
        )


def needs(network: Network, numbers: Network | None = None) -> Needs:
    """The needs of a network, whatever its weights are.

    ``numbers``: the same with its biases, which can be larger.
    """
    found = _needs(network)
    if numbers is None:
        return found
    bits = [needed_bits(numbers, conv)[0] for conv in numbers.convolutions()]
    return replace(found, sum_bits=max([found.sum_bits, *bits]))


def _needs(network: Network) -> Needs:
    convs = [network.conv_shape(conv) for conv in network.convolutions()]
    forms = list(tile_forms(TRANSFORMS["all"]))
    widest = max((conv.cout for conv in convs), default=1)
    beside = [c for c in layer_shapes(network).values() if not against_depthwise(c)]
    return Needs(
        tensor_bytes=whole_memory(network, depthwise=bool(beside)),
        parameter_depth=max(SHALLOWEST_PARAMETERS, power_of_two(2 * widest)),
        sum_bits=max((_bits(conv, INPUT_MAX - INPUT_MIN) for conv in convs), default=1),
        raw_bits=_tiled_bits(convs, [form for form in forms if not form.line]),
        line_bits=_tiled_bits(convs, [form for form in forms if form.line]),
        tables=OverlayConfig.tables if network.tables or network.normalisations else 0,
        products=int(bool(network.combines or network.normalisations)),
        pairs=int(any(map(network.needs_pairs, network.combines))),
        normalisation=int(bool(network.normalisations)),
        depthwise=min(MOST_COLUMNS, max((conv.kernel[1] for conv in beside), default=0)),
    )


def _tiled_bits(convs: Sequence[ConvShape], forms: Sequence[TileForm]) -> int:
    """Bits of the sums of those convolutions that Winograd can compute with one of the forms."""
    tiled = (conv for conv in convs if any(transforms_taps(conv, form) for form in forms))
    return max((_bits(conv, -INPUT_MIN) for conv in tiled), default=1)


def _bits(conv: ConvShape, largest_input: int) -> int:
    """Bits of a sum of the largest inputs and weights."""
    products = conv.taps * conv.cin // conv.groups
    return signed_bits(-products * largest_input * WEIGHT_MAX)
