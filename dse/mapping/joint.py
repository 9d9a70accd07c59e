"""A cost model made of several: a bound on them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from dse.cost.cost_model import CostModel, Crossing, FloatArray, IntArray, Label, Saving
from dse.network.conv_shape import ConvShape
from dse.network.tensor import Shape


@dataclass(frozen=True)
class Joint:
    """The cycles of the fastest hardware and the DSPs of the leanest.

    Parameters
    ----------
    fastest : a label's cycles are those of the first that has it, transitions those of the last.
    leanest : their least DSPs count.
    share : of the cycles that are sure.
    """

    fastest: tuple[CostModel, ...]
    leanest: tuple[CostModel, ...]
    share: float = 1.0

    @property
    def name(self) -> str:
        return self._last.name

    @property
    def clock_hz(self) -> float:
        return self._last.clock_hz

    def labels(self, conv: ConvShape) -> tuple[Label, ...]:
        found = (label for model in self.fastest for label in model.labels(conv))
        return tuple(dict.fromkeys(found))

    def cycles(self, conv: ConvShape, labels: Sequence[Label], arrays: IntArray) -> FloatArray:
        found = np.empty((len(arrays), len(labels)))
        rest = set(labels)
        for model in self.fastest:
            own = [label for label in model.labels(conv) if label in rest]
            if own:
                found[:, [labels.index(label) for label in own]] = model.cycles(conv, own, arrays)
            rest.difference_update(own)
        return self.share * found

    def least(
        self,
        conv: ConvShape,
        labels: Sequence[Label],
        arrays: IntArray,
        limit: FloatArray | None = None,
    ) -> FloatArray:
        found = np.full(len(arrays), np.inf) if limit is None else limit / self.share
        rest = set(labels)
        for model in self.fastest:
            own = [label for label in model.labels(conv) if label in rest]
            if own:
                found = model.least(conv, own, arrays, found)
            rest.difference_update(own)
        return self.share * found

    def store_labels(self, shape: Shape, consumers: Sequence[ConvShape]) -> tuple[Label, ...]:
        return self._last.store_labels(shape, consumers)

    def saving(self, label: Label) -> Saving | None:
        return next(filter(None, (model.saving(label) for model in self.fastest)), None)

    def layout(self, label: Label) -> str:
        return self._last.layout(label)

    def transition(
        self,
        crossing: Crossing,
        source: Sequence[Label],
        target: Sequence[Label],
        arrays: IntArray,
    ) -> FloatArray:
        return self.share * self._last.transition(crossing, source, target, arrays)

    def resources(self, arrays: IntArray) -> Mapping[str, IntArray]:
        return {"dsp": reduce(np.minimum, [m.resources(arrays)["dsp"] for m in self.leanest])}

    def peak_macs(self, arrays: IntArray) -> FloatArray:
        return self._last.peak_macs(arrays)

    @property
    def _last(self) -> CostModel:
        return self.fastest[-1]
