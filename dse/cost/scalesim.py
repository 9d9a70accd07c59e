"""SCALE-Sim's cycle counts in closed form, fill and drain included, as a second opinion.

M = O1 O2, K = K1 K2 Cin, N = Cout on R x C:
OS ceil(M/R) ceil(N/C) (K + R + C - 2) - 1, WS ceil(K/R) ceil(N/C) (M + 2R + C - 2) - 1,
IS ceil(K/R) ceil(M/C) (N + 2R + C - 2) - 1; equal to SCALE-Sim 3.0.0 (Samajdar et al., ISPASS
2020) on every GoogLeNet convolution and dataflow.  Each group of a grouped convolution is a run of
its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dse.cost.cost_model import AtOnce, Crossing, FloatArray, IntArray, Label, Saving
from dse.cost.gemm import ceil_div
from dse.network.conv_shape import ConvShape
from dse.network.tensor import Shape

DATAFLOWS = ("OS", "WS", "IS")


@dataclass(frozen=True, kw_only=True)
class ScaleSim(AtOnce):
    """im2col in three dataflows behind the ``CostModel`` protocol; transitions are free."""

    clock_hz: float = 286e6

    @property
    def name(self) -> str:
        return "scalesim"

    def labels(self, conv: ConvShape) -> tuple[Label, ...]:
        return tuple(Label("im2col", dataflow) for dataflow in DATAFLOWS)

    def cycles(self, conv: ConvShape, labels: Sequence[Label], arrays: IntArray) -> FloatArray:
        r, c = arrays[:, 0], arrays[:, 1]
        m = conv.o1 * conv.o2
        k = conv.taps * conv.cin // conv.groups
        n = conv.cout // conv.groups
        table = {
            "OS": ceil_div(m, r) * ceil_div(n, c) * (k + r + c - 2) - 1,
            "WS": ceil_div(k, r) * ceil_div(n, c) * (m + 2 * r + c - 2) - 1,
            "IS": ceil_div(k, r) * ceil_div(m, c) * (n + 2 * r + c - 2) - 1,
        }
        stacked = np.stack([table[label.dataflow] for label in labels], axis=1)
        return stacked.astype(np.float64) * conv.groups

    def store_labels(self, shape: Shape, consumers: Sequence[ConvShape]) -> tuple[Label, ...]:
        return (Label("plain"),)

    def saving(self, label: Label) -> Saving | None:
        return None

    def layout(self, label: Label) -> str:
        return "plain"

    def transition(
        self,
        crossing: Crossing,
        source: Sequence[Label],
        target: Sequence[Label],
        arrays: IntArray,
    ) -> FloatArray:
        return np.zeros((1, len(source), len(target)))

    def resources(self, arrays: IntArray) -> Mapping[str, IntArray]:
        return {"dsp": arrays[:, 0] * arrays[:, 1]}

    def peak_macs(self, arrays: IntArray) -> FloatArray:
        return (arrays[:, 0] * arrays[:, 1]).astype(np.float64)
