"""POOL, and the counts of taps that its parameter records are made for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dse.assembly.instruction import Action, make
from dse.assembly.program_error import ProgramError
from dse.assembly.region import Memory, Region
from dse.compile.strips import Rows
from dse.compile.window_fields import WindowWalk
from dse.network import constants
from dse.network.graph import INT8_MIN, Network, Normalisation, Pool, Tensor
from dse.tiling.two_pixels import with_halves
from hw.isa import Opcode
from hw.isa.config import OverlayConfig
from hw.isa.squares import REACH

PARAMETER_INDEX = 1 << 16  # the record index of average pooling wraps here


@dataclass(frozen=True)
class PoolStrip:
    """Output rows ``[first, last)`` of a pooling, with the rows that they need.

    ``channels``: which it treats, all or, of a normalisation, as many as it can.
    """

    pool: Pool
    source: Rows
    target: Rows
    first: int
    last: int
    channels: range


def tap_counts(network: Network, pool: Pool) -> range:
    """From the least to the largest number of counted taps; a single 1 for a maximum."""
    average = pool.kind == "average"
    judged = pool if average else replace(pool, count_include_pad=False)
    counts = constants.pool_counts(network, judged)
    if counts.min() == 0:
        raise ProgramError(
            f"layer {pool.name!r}: a window lies outside the image: reduce the padding"
        )
    return range(int(counts.min()), int(counts.max()) + 1) if average else range(1, 2)


def pool(
    network: Network, strip: PoolStrip, counts: range, parameters: int, config: OverlayConfig
) -> Action:
    """The POOL of one strip."""
    pool, channels = strip.pool, strip.channels
    source = strip.source.of_channels(channels)
    view = source.view
    average = pool.kind == "average"
    walk = WindowWalk(
        window=pool.window,
        taps=pool.window.kernel,
        source=source,
        target=strip.target,
        first=strip.first,
        last=strip.last,
        zero_point=network.tensors[pool.input].zero_point if average else INT8_MIN,
        channel=channels.start,
    )
    padded = average and pool.count_include_pad
    _, _, bottom, right = pool.window.padding
    first = (parameters - counts.start) % PARAMETER_INDEX if average else parameters
    fields = {
        **walk.fields(),
        "parameters": first,
        "average": int(average),
        "include_padding": int(padded),
        "counted_height": view.height + bottom - strip.source.first
        if padded
        else strip.source.count,
        "counted_bytes": (view.width + (right if padded else 0)) * view.pitch,
        "channels": view.channels,
    }
    reads = (*walk.read(), Region(Memory.PARAMETER, parameters, len(counts)))
    if pool.normalisation is not None:
        x = network.tensors[pool.input]
        fields |= {"zero_point": x.zero_point, **_normalised(pool.normalisation, channels, x)}
        fields["address"] -= REACH
        beside = _with_neighbours(strip, pool.normalisation, x)
        reads = (*replace(walk, source=beside).read(), *reads)
    action = make(Opcode.POOL, pool.name, with_halves(fields, config))
    return Action(action, pool.name, reads, (walk.written(view.channels),))


def _normalised(normalisation: Normalisation, channels: range, x: Tensor) -> dict[str, int]:
    return {
        "normalise": 1,
        "reach": normalisation.reach,
        "channels_before": min(channels.start, REACH),
        "channels_after": min(x.channels - channels.stop, REACH),
    }


def _with_neighbours(strip: PoolStrip, normalisation: Normalisation, x: Tensor) -> Rows:
    """What is read of the source: the channels with those beside them."""
    first = max(0, strip.channels.start - normalisation.reach)
    last = min(x.channels, strip.channels.stop + normalisation.reach)
    return strip.source.of_channels(range(first, last))
