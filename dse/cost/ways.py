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
    """Algorithm and dataflow, with tiles (Winograd) or a folding factor (im2col).

    ``dataflow``: None beside the array.
    """

    algorithm: ConvAlgorithm
    dataflow: Dataflow | None
    form: TileForm | None = None
    fold: int = 1

    @property
    def label(self) -> Label:
        """The label; its variant is "f2", "f4" or "f4x1" of tiles, "fold2", ... of a folding."""
        variant = f"f{self.form.tile}" if self.form else ""
        if self.fold > 1:
            variant = f"fold{self.fold}"
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
        if self.form and not transforms_taps(conv, self.form):
            return False
        against = against_algorithm(conv, self.algorithm, self.dataflow, self.form)
        if against or against_folding(conv, self.fold):
            return False
        return not against_walking(folded_shape(conv, self.fold), self.algorithm, self.form)


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
    for fold in folds:
        if fold > 1:
            yield from (Way(ConvAlgorithm.IM2COL, flow, fold=fold) for flow in Dataflow)
