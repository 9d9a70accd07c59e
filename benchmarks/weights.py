"""Winograd's weights: transformed offline, or on the fly in hardware?  Figures for the decision.

    python -m benchmarks.weights
    python -m benchmarks.weights --layers vgg-19 --beat 64

Closed forms of docs/cycles.md, section 2, without fill and drain: a layer takes the cycles of the
array or the beats of its weights, whichever are more; its cheapest choice counts.  Each weight
crosses the bus once, in whole words of the array.  Transformed offline, an operand takes
`OPERAND_BYTES`; on the fly, the bus carries the 9 taps of each round, a byte each.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from dse.compile.winograd_weights import round_offsets
from dse.network.conv_shape import ConvShape
from dse.network.prune import without_dense
from dse.networks.catalogue import benchmark
from dse.process import interrupt
from hw.isa.config import OverlayConfig, ceil_div
from hw.isa.transforms import F2, F4, Transform

NETWORKS = ("squeezenet", "vgg-19", "resnet-50", "googlenet", "inception-v4")
ARRAY = OverlayConfig(rows=48, columns=128, lanes=2)
BEATS = (64, 128)
TRANSFORMS = (F2, F4)
OPERAND_BYTES = OverlayConfig.raised(winograd="f2", scratch_words=32).weight_bytes


@dataclass(frozen=True)
class Cost:
    """A layer under one choice: cycles of the array, beats of its weights."""

    name: str
    array: int
    beats: int

    @property
    def cycles(self) -> int:
        return max(self.array, self.beats)


def eligible(conv: ConvShape) -> bool:
    """Whether Winograd can and may pay: stride 1, no dilation, more than one tap, one group."""
    return conv.stride == conv.dilation == (1, 1) and conv.taps > 1 and conv.groups == 1


def weight_bytes(conv: ConvShape, transform: Transform | None) -> int:
    """Of a layer's weights as they are, or transformed."""
    if transform is None:
        return conv.taps * conv.cin * conv.cout
    rounds = len(round_offsets(conv.kernel, transform))
    return OPERAND_BYTES * rounds * transform.elements * conv.cin * conv.cout


def products(conv: ConvShape, beat: int) -> Iterator[Cost]:
    """im2col and kn2row."""
    cin, cout = conv.cin // conv.groups, conv.cout // conv.groups
    length = ARRAY.reduction
    by_rows = conv.kernel[0] * ceil_div(conv.kernel[1] * cin, length)
    for name, chunks in (("im2col", by_rows), ("kn2row", conv.taps * ceil_div(cin, length))):
        for cost in costs(name, conv.o1 * conv.o2, cout, chunks, chunks, 1, beat):
            yield Cost(cost.name, conv.groups * cost.array, conv.groups * cost.beats)


def winograd(conv: ConvShape, transform: Transform, on_the_fly: bool, beat: int) -> Iterator[Cost]:
    """One transform, its weights transformed offline or on the fly."""
    y, x = transform.y, transform.x
    tiles = ceil_div(conv.o1, y.m) * ceil_div(conv.o2, x.m)
    patches = len(round_offsets(conv.kernel, transform)) * ceil_div(conv.cin, ARRAY.reduction)
    chunks = patches * transform.elements
    read = patches * y.taps * x.taps if on_the_fly else chunks
    size = 1 if on_the_fly else OPERAND_BYTES
    return costs(transform.name, tiles, conv.cout, chunks, read, size, beat)


def costs(
    name: str, units: int, channels: int, chunks: int, read: int, size: int, beat: int
) -> Iterator[Cost]:
    """WS and IS; ``units``: pixels or tiles, ``read``: chunks of weights of ``size`` bytes each."""
    rows, columns = ARRAY.rows, ARRAY.columns
    channel_tiles, unit_tiles = ceil_div(channels, columns), ceil_div(units, columns)
    top, left = (ceil_div(size * n, beat) for n in (ARRAY.top_bytes, ARRAY.reduction))
    turned = rows * ceil_div(min(units, columns), rows)
    streamed = chunks * channel_tiles * max(units, ARRAY.tile_cycles)
    yield Cost(f"{name} WS", streamed, read * rows * channel_tiles * top)
    stationary = chunks * unit_tiles * max(channels + ARRAY.lanes - 1, turned)
    yield Cost(f"{name} IS", stationary, read * channels * left)


def best(conv: ConvShape, beat: int, offline: bool, on_the_fly: bool) -> Cost:
    """The cheapest choice, without Winograd's or with the one of either or both kinds."""
    kinds = [kind for kind, there in ((False, offline), (True, on_the_fly)) if there]
    found = list(products(conv, beat))
    if eligible(conv):
        for kind in kinds:
            for transform in TRANSFORMS:
                found += winograd(conv, transform, kind, beat)
    return min(found, key=lambda cost: (cost.cycles, cost.array))


def shapes(network: str) -> dict[str, ConvShape]:
    """The convolutions of a benchmark network by name."""
    found = without_dense(benchmark(network))
    return {conv.name: found.conv_shape(conv) for conv in found.convolutions()}


def traffic() -> Iterator[list[str]]:
    """Bytes of the weights that Winograd can take."""
    yield ["network", "layers", "of", "raw, MB", *(f"{t.name}, MB" for t in TRANSFORMS), "all, MB"]
    for network in NETWORKS:
        every = list(shapes(network).values())
        taken = [conv for conv in every if eligible(conv)]
        sizes = [sum(weight_bytes(conv, t) for conv in taken) for t in (None, *TRANSFORMS)]
        whole = sum(conv.taps * conv.cin // conv.groups * conv.cout for conv in every)
        megabytes = (f"{size / 1e6:.2f}" for size in (*sizes, whole))
        yield [network, str(len(taken)), str(len(every)), *megabytes]


def networks(beat: int) -> Iterator[list[str]]:
    """Cycles of whole networks, and how many layers take Winograd or wait for its weights."""
    yield [
        f"network, {beat} bytes a cycle",
        "no Winograd",
        "offline",
        "layers",
        "on the fly",
        "layers",
        "gain",
        "bound offline",
        "bound on the fly",
    ]
    for network in NETWORKS:
        convs = list(shapes(network).values())
        plain, offline, fly = (
            [best(conv, beat, *kinds) for conv in convs]
            for kinds in ((False, False), (True, False), (False, True))
        )
        totals = [sum(one.cycles for one in found) for found in (plain, offline, fly)]
        taken = [sum(one.name.startswith("F(") for one in found) for found in (offline, fly)]
        bound = [
            sum(fastest.beats > fastest.array for fastest in fastest_arrays(convs, kind, beat))
            for kind in (False, True)
        ]
        yield [
            network,
            f"{totals[0]:,}",
            f"{totals[1]:,}",
            str(taken[0]),
            f"{totals[2]:,}",
            str(taken[1]),
            f"{totals[1] / totals[2] - 1:.1%}",
            *map(str, bound),
        ]


def fastest_arrays(convs: list[ConvShape], on_the_fly: bool, beat: int) -> Iterator[Cost]:
    """Of each eligible layer, the transform that the array alone would choose."""
    for conv in filter(eligible, convs):
        found = [cost for t in TRANSFORMS for cost in winograd(conv, t, on_the_fly, beat)]
        yield min(found, key=lambda cost: (cost.array, cost.beats))


def layers(network: str, beat: int) -> Iterator[list[str]]:
    """Every eligible layer: the cheapest choice without Winograd, and with either kind."""
    yield ["layer", "image", "channels", "no Winograd", "offline", "on the fly"]
    for name, conv in shapes(network).items():
        if not eligible(conv):
            continue
        kinds = ((False, False), (True, False), (False, True))
        found = [best(conv, beat, *kind) for kind in kinds]
        cells = [f"{one.name} {one.array:,} / {one.beats:,}" for one in found]
        yield [name, f"{conv.o1} x {conv.o2}", f"{conv.cin} to {conv.cout}", *cells]


def markdown(rows: Iterator[list[str]]) -> str:
    """A table, the first row its head."""
    head, *body = rows
    lines = [head, ["---", *("---:" for _ in head[1:])], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", choices=NETWORKS, help="cycles / beats of a network's layers")
    parser.add_argument("--beat", type=int, choices=BEATS, default=BEATS[0], help="bytes a cycle")
    arguments = parser.parse_args()
    if arguments.layers:
        print(markdown(layers(arguments.layers, arguments.beat)))
        return
    print(markdown(traffic()))
    for beat in BEATS:
        print(f"\n{markdown(networks(beat))}")


if __name__ == "__main__":
    sys.exit(interrupt.command(main, "weights"))
