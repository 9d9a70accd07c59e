"""Integer weights beyond int8, exactly: the sum of several weights that read the same value.

``w = a + b`` with a and b in int8: the convolution reads the value of such a weight twice, from an
input to which these channels are joined again.  Only where weights are that wide: of one group the
range of channels that has some, of several groups those groups.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import numpy as np
import numpy.typing as npt

from dse.network.graph import INT8_MAX, INT8_MIN
from dse.network.names import Names
from dse.onnx.arrange import Arranger
from dse.onnx.draft import Coefficients, Draft, DraftLayer, DraftTensor

MOST_PARTS = 16
"""Convolutions that one is cut into; beyond that all its groups count as wide."""

Weights = npt.NDArray[np.integer]


def split(draft: Draft) -> None:
    """Replace the convolutions of a draft that have such weights."""
    names, layers = draft.names(), draft.layers
    draft.layers = []
    for layer in layers:
        draft.layers += _Splitter(layer, names).layers() if _is_wide(layer) else [layer]


def _is_wide(layer: DraftLayer) -> bool:
    weight = layer.weight
    return weight is not None and weight.scale is not None and bool(_wide(weight.values).any())


def _wide(values: Weights) -> npt.NDArray[np.bool_]:
    return (values < INT8_MIN) | (values > INT8_MAX)


def _terms(values: Weights) -> list[Weights]:
    """Weights in int8 whose sum the values are."""
    terms: list[Weights] = []
    while values.any() or not terms:
        terms.append(np.clip(values, INT8_MIN, INT8_MAX))
        values = values - terms[-1]
    return terms


class _Splitter:
    """Makes the layers that stand for one."""

    def __init__(self, layer: DraftLayer, names: Names) -> None:
        self._layer = layer
        self._names = names
        self._made: list[DraftLayer] = []
        self._arrange = Arranger(self._add, layer.name, layer.origin)

    def layers(self) -> list[DraftLayer]:
        layer = self._layer
        assert layer.weight is not None
        if layer.groups == 1:
            self._made.append(self._dense())
            return self._made
        values = layer.weight.values
        each = len(values) // layer.groups
        wide = np.any(_wide(values).reshape(layer.groups, -1), axis=1)
        runs = [
            [number for number, _ in run] for _, run in groupby(enumerate(wide), lambda g: g[1])
        ]
        if len(runs) > MOST_PARTS:
            runs = [list(range(layer.groups))]
        parts = []
        for run in runs:
            filters = slice(run[0] * each, (run[-1] + 1) * each)
            parts.append(self._add(self._some(run, filters)))
        self._arrange.joined(parts)
        self._made[-1].output = layer.output
        return self._made

    def _add(self, layer: DraftLayer) -> DraftTensor:
        layer.name = self._names.fresh(layer.name)
        layer.output.name = self._names.fresh(layer.output.name)
        self._made.append(layer)
        return layer.output

    def _dense(self) -> DraftLayer:
        """All channels, and behind them those that are read again."""
        layer, image = self._layer, self._layer.inputs[0]
        assert layer.weight is not None
        first, *rest = _terms(layer.weight.values)
        inputs, weights = [image], [first]
        for term in rest:
            used = np.flatnonzero(term.any(axis=(0, 1, 2)))
            channels = slice(int(used[0]), int(used[-1]) + 1)
            inputs.append(
                self._arrange.channels(image, channels.start, channels.stop - channels.start)
            )
            weights.append(term[..., channels])
        weight = Coefficients(np.concatenate(weights, axis=3), layer.weight.scale)
        return replace(layer, inputs=[self._arrange.joined(inputs)], weight=weight)

    def _some(self, groups: list[int], filters: slice) -> DraftLayer:
        """Some of the groups, each with its channels as often as the widest weight needs them."""
        layer, image = self._layer, self._layer.inputs[0]
        assert layer.weight is not None and layer.weight.scale is not None
        own = image.channels // layer.groups
        some = self._arrange.channels(image, groups[0] * own, len(groups) * own)
        terms = _terms(layer.weight.values[filters])
        if len(terms) > 1:
            height, width, channels = some.shape
            apart = self._arrange.reshaped(some, (height, width * len(groups), own))
            again = self._arrange.joined([apart] * len(terms))
            some = self._arrange.reshaped(again, (height, width, len(terms) * channels))
        bias = layer.bias
        if bias is not None:
            scale = None if bias.scale is None else bias.scale[filters]
            bias = Coefficients(bias.values[filters], scale)
        output = layer.output
        count = filters.stop - filters.start
        return replace(
            layer,
            inputs=[some],
            output=DraftTensor(layer.name, output.height, output.width, count, output.quantisation),
            groups=len(groups),
            weight=Coefficients(np.concatenate(terms, axis=3), layer.weight.scale[filters]),
            bias=bias,
        )
