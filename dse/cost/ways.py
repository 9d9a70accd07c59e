"""The ways to execute a convolution on the overlay, and the labels that name them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from dse.cost.cost_model import Label
from dse.network.conv_shape import ConvShape
from dse.passes.fold import folded_shape
from dse.tiling.layer_mapping import Choice
from dse.tiling.legality import (
    WINOGRAD_FLOWS,
    ConvAlgorithm,
    against_algorithm,
    against_depthwise,
    against_folding,
    against_walking,
    transforms_taps,
)
from dse.tiling.tile_form import TileForm, tile_forms
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig


@dataclass(frozen=True)
class Way:
    """Algorithm and dataflow, tiles of Winograd, and a folding factor.

    ``dataflow``: None beside the array.
    """

    algorithm: ConvAlgorithm
    dataflow: Dataflow | None
    form: TileForm | None = None
    fold: int = 1

    @property
    def label(self) -> Label:
        """The label; its variant is "f2", "f4" or "f4x1" of tiles, "fold2", ... of a folding, or
        both: "f4x1 fold2"."""
        tiles = [f"f{self.form.tile}"] if self.form else []
        variant = " ".join([*tiles, *([f"fold{self.fold}"] if self.fold > 1 else [])])
        flow = self.dataflow.name if self.dataflow is not None else ""
        return Label(self.algorithm.value, flow, variant)

    @property
    def choice(self) -> Choice:
        """What the compiler is to be told."""
        tile = self.form.tile if self.form else None
        return Choice(self.dataflow, self.algorithm, tile, self.fold)

    def legal(self, conv: ConvShape) -> bool:
        """Whether a convolution can be executed so; one tap is left to im2col."""
        if self.algorithm is ConvAlgorithm.DEPTHWISE:
            return not against_depthwise(conv)
        if self.algorithm is not ConvAlgorithm.IM2COL and conv.taps == 1:
            return False
        if against_folding(conv, self.fold):
            return False
        folded = folded_shape(conv, self.fold)
        if self.form and not transforms_taps(folded, self.form):
            return False
        against = against_algorithm(folded, self.algorithm, self.dataflow, self.form)
        return not (against or against_walking(folded, self.algorithm, self.form))


@lru_cache
def ways(template: OverlayConfig, folds: tuple[int, ...]) -> dict[Label, Way]:
    """All that some hardware can do, by label."""
    return {way.label: way for way in _ways(template, folds)}


@lru_cache(maxsize=1 << 12)
def legal_labels(
    template: OverlayConfig, folds: tuple[int, ...], conv: ConvShape
) -> tuple[Label, ...]:
    """What of it can execute a convolution."""
    return tuple(label for label, way in ways(template, folds).items() if way.legal(conv))


def _ways(template: OverlayConfig, folds: tuple[int, ...]) -> Iterator[Way]:
    for algorithm in (ConvAlgorithm.IM2COL, ConvAlgorithm.KN2ROW):
        yield from (Way(algorithm, flow) for flow in Dataflow)
    for form in tile_forms(template.transforms):
        yield from (Way(ConvAlgorithm.WINOGRAD, flow, form) for flow in WINOGRAD_FLOWS)
    if template.depthwise:
        yield Way(ConvAlgorithm.DEPTHWISE, None)
    lines = [form for form in tile_forms(template.transforms) if form.runs]
    for fold in (fold for fold in folds if fold > 1):
        yield from (Way(ConvAlgorithm.IM2COL, flow, fold=fold) for flow in Dataflow)
        # Folded pixels are strides along the other axis, which leaves these transforms alone.
        for form in lines:
            yield from (Way(ConvAlgorithm.WINOGRAD, flow, form, fold) for flow in WINOGRAD_FLOWS)
