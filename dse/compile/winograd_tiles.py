"""Winograd: which layers and overlays, and the tiles of one CONV."""

from __future__ import annotations

from functools import lru_cache
from math import prod

from dse.assembly.program_error import ProgramError
from dse.compile.dataflow import cheapest
from dse.compile.runs import Runs
from dse.compile.views import View
from dse.cost.candidates import Tiled, Tiling, winograd_tilings
from dse.network.graph import Conv
from dse.tiling.grid import Grid
from dse.tiling.layer_mapping import Choice, ConvAlgorithm
from dse.tiling.legality import against_algorithm, forms_of
from dse.tiling.tile_form import TileForm
from hw.isa import TRANSFORM_OF, Dataflow
from hw.isa.config import OverlayConfig, ceil_div


def tiled(runs: Runs, form: TileForm, pixels: int, channels: int, config: OverlayConfig) -> Tiled:
    """The tiles of whole rows of output pixels."""
    width = runs.window.output(runs.view.height, runs.view.width)[1]
    rows, columns = form.own((pixels // width, width))
    transform = form.transform
    return Tiled(
        transform=transform,
        rows=ceil_div(rows, transform.y.m),
        columns=ceil_div(columns, transform.x.m),
        patches=prod(form.rounds(runs.form)) * runs.run_words(config.reduction),
        channels=channels,
    )


def legal_forms(conv: Conv, choice: Choice, config: OverlayConfig) -> tuple[TileForm | None, ...]:
    """The tiles that a layer may take; (None,) for another algorithm than Winograd."""
    if choice.algorithm is not ConvAlgorithm.WINOGRAD:
        return (None,)
    known = forms_of(config.transforms, choice.tile)
    reasons = {
        form: against_algorithm(conv.window, choice.algorithm, choice.dataflow, form)
        for form in known or forms_of(tuple(TRANSFORM_OF.values()), choice.tile)
    }
    if reasons and all(reasons.values()):
        folded = f", folded by {choice.fold}" if choice.fold > 1 else ""
        raise ProgramError(f"layer {conv.name!r}{folded}: {next(iter(reasons.values()))}")
    if not known:
        tile = f"tiles of {choice.tile}" if choice.tile else "a transform"
        raise ProgramError(
            f"layer {conv.name!r}: winograd needs an overlay with {tile}, this one has winograd "
            f"{config.winograd!r}"
        )
    return tuple(form for form, why in reasons.items() if not why)


def too_small(
    conv: Conv, view: View, forms: tuple[TileForm | None, ...], config: OverlayConfig
) -> str:
    """Why no transform fits the overlay's memories."""
    least = min(form.transform.elements for form in forms if form is not None)
    return (
        f"layer {conv.name!r}: winograd needs an accumulator and, for every patch of a tile, a "
        f"word of scratch memory for each of {least} elements; the overlay has "
        f"{config.accumulator_depth} and {config.scratch_words}: raise accumulator_depth or "
        "scratch_words, or choose another algorithm"
    )


@lru_cache(maxsize=4096)
def winograd_tiling(shape: Tiled, config: OverlayConfig, flow: Dataflow) -> Tiling | None:
    """The cheapest tiles under one dataflow; None if the memories are too small for one."""
    return cheapest(winograd_tilings(shape, flow, Grid.of(config)))
