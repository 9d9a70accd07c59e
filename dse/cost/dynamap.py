"""The cost model of DYNAMAP (Meng, Kuppannagari, Kannan, Prasanna, FPGA 2021, arXiv 2012.00912).

Layers are matrix products on the P1 x P2 array (``dse.cost.gemm``), one multiplier per PE:

- im2col: one product, a = O1 O2, b = K1 K2 Cin, c = Cout.
- kn2row: K1 K2 products, a = O1 O2, b = Cin, c = Cout; pad-and-accumulate is hidden.
- Winograd F(m x m, 3 x 3): (m+2)^2 products over the tiles, a = ceil(O1/m) ceil(O2/m), b = Cin,
  c = Cout, in ceil(K1/3) ceil(K2/3) rounds; legal only at stride 1.  The transform is always the
  two-dimensional one, so that a 1 x 7 kernel takes three rounds.

A 1 x 1 kernel is left to im2col: kn2row is the same product there, and Winograd never costs less
than four times as much.  A grouped convolution is ``groups`` products of Cin/groups and
Cout/groups channels.

Transitions are the bytes that cross the memory bus over its bandwidth, in cycles:

- into im2col: the Toeplitz matrix, O1 O2 K1 K2 C of the reader; into kn2row: the plain tensor.
- plain into Winograd: O1 O2 ((m+2)/m)^2 C, scattered, at a burst efficiency of C/(C+m^2).
- Winograd into Winograd of equal m: every element moves once, at that same burst efficiency.  For
  F(2,3) this is the paper's quotient by m^2; for F(4,3), which the paper does not use, dividing by
  m^2 would move less than the tensor itself.
- into a stored tensor: the plain tensor, or as plain into Winograd; and from Winograd into a plain
  store as much as from plain into a Winograd one.

A store never keeps a Toeplitz matrix: reading it would cost what building it on the way costs.
A pooling is done on the fly and costs nothing; what leaves it is plain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from dse.cost.cost_model import AtOnce, Crossing, FloatArray, IntArray, Label, Saving
from dse.cost.gemm import DATAFLOWS, gemm_cycles
from dse.network.conv_shape import ConvShape
from dse.network.tensor import Shape

IM2COL, KN2ROW, PLAIN = "im2col", "kn2row", "plain"
WINOGRAD = {"winograd-f2": 2, "winograd-f4": 4}
"""Output tile m of each F(m x m, 3 x 3)."""

_TAPS = 3


@dataclass(frozen=True, kw_only=True)
class Dynamap(AtOnce):
    """The paper's model, behind the ``CostModel`` protocol.

    Parameters
    ----------
    clock_hz : clock of the array.
    bandwidth : bytes per second of the memory; infinite: compute only.
    winograd : the transforms offered, of ``WINOGRAD``; the paper has F(2,3) only.
    """

    clock_hz: float = 286e6
    bandwidth: float = inf
    winograd: tuple[str, ...] = ("winograd-f2",)

    def __post_init__(self) -> None:
        if not 0 < self.clock_hz < inf:
            raise ValueError(f"clock_hz must be positive and finite, not {self.clock_hz!r}")
        if not self.bandwidth > 0:
            raise ValueError(f"bandwidth must be positive, not {self.bandwidth!r}")
        if not set(self.winograd) <= WINOGRAD.keys():
            raise ValueError(f"winograd must be of {list(WINOGRAD)}, not {self.winograd!r}")

    @property
    def name(self) -> str:
        return "dynamap"

    def labels(self, conv: ConvShape) -> tuple[Label, ...]:
        algorithms = [IM2COL]
        if conv.taps > 1:
            algorithms.append(KN2ROW)
            if conv.stride == conv.dilation == (1, 1):
                algorithms.extend(self.winograd)
        return tuple(Label(algorithm, flow) for algorithm in algorithms for flow in DATAFLOWS)

    def cycles(self, conv: ConvShape, labels: Sequence[Label], arrays: IntArray) -> FloatArray:
        tables = {
            algorithm: self._algorithm_cycles(conv, algorithm, arrays)
            for algorithm in {label.algorithm for label in labels}
        }
        flows = [DATAFLOWS.index(label.dataflow) for label in labels]
        columns = [
            tables[label.algorithm][:, flow] for label, flow in zip(labels, flows, strict=True)
        ]
        return np.stack(columns, axis=1)

    def _algorithm_cycles(self, conv: ConvShape, algorithm: str, arrays: IntArray) -> FloatArray:
        pixels = conv.o1 * conv.o2
        cin, cout = conv.cin // conv.groups, conv.cout // conv.groups
        if algorithm == IM2COL:
            products, gemm = 1, gemm_cycles(pixels, conv.taps * cin, cout, arrays)
        elif algorithm == KN2ROW:
            products, gemm = conv.taps, gemm_cycles(pixels, cin, cout, arrays)
        else:
            m = WINOGRAD[algorithm]
            rounds = -(-conv.kernel[0] // _TAPS) * -(-conv.kernel[1] // _TAPS)
            tiles = -(-conv.o1 // m) * -(-conv.o2 // m)
            products = rounds * (m + _TAPS - 1) ** 2
            gemm = gemm_cycles(tiles, cin, cout, arrays)
        return gemm * (conv.groups * products)

    def store_labels(self, shape: Shape, consumers: Sequence[ConvShape]) -> tuple[Label, ...]:
        legal = {label.algorithm for conv in consumers for label in self.labels(conv)}
        return (Label(PLAIN), *(Label(name) for name in self.winograd if name in legal))

    def saving(self, label: Label) -> Saving | None:
        m = WINOGRAD.get(label.algorithm)
        if m is None:
            return None
        return Saving((m * _TAPS) ** 2 / (m + _TAPS - 1) ** 2, f"F({m},{_TAPS})")

    def layout(self, label: Label) -> str:
        return label.algorithm

    def transition(
        self,
        crossing: Crossing,
        source: Sequence[Label],
        target: Sequence[Label],
        arrays: IntArray,
    ) -> FloatArray:
        bytes_moved = [[_bytes(crossing, s.algorithm, t.algorithm) for t in target] for s in source]
        return np.array([bytes_moved]) * (self.clock_hz / self.bandwidth)

    def resources(self, arrays: IntArray) -> Mapping[str, IntArray]:
        return {"dsp": arrays[:, 0] * arrays[:, 1]}

    def peak_macs(self, arrays: IntArray) -> FloatArray:
        return (arrays[:, 0] * arrays[:, 1]).astype(np.float64)


def _bytes(crossing: Crossing, source: str, target: str) -> float:
    """Bytes moved, those lost to short bursts included."""
    height, width, channels = crossing.shape
    plain = height * width * channels
    consumer = crossing.consumer
    pixels = consumer.o1 * consumer.o2 if consumer else height * width
    if crossing.pools:
        source = PLAIN
    if target in WINOGRAD:
        return _scattered(pixels, channels, WINOGRAD[target], target == source)
    if target == IM2COL and consumer:
        return pixels * consumer.taps * channels
    if target == PLAIN and source in WINOGRAD:
        return _scattered(pixels, channels, WINOGRAD[source], False)
    return plain


def _scattered(pixels: int, channels: int, m: int, scattered_already: bool) -> float:
    growth = 1.0 if scattered_already else ((m + _TAPS - 1) / m) ** 2
    burst_efficiency = channels / (channels + m * m)
    return pixels * channels * growth / burst_efficiency
