"""Winograd: which layers and overlays, and the tiles of one CONV."""

from __future__ import annotations

from functools import lru_cache

from dse.assembly.program_error import ProgramError
from dse.compile.dataflow import cheapest
from dse.compile.runs import Runs
from dse.compile.views import View
from dse.compile.winograd_weights import round_offsets
from dse.cost.candidates import Tiled, Tiling, winograd_tilings
from dse.network.graph import Conv
from dse.tiling.grid import Grid
from dse.tiling.layer_mapping import Choice, ConvAlgorithm
from dse.tiling.legality import against_algorithm, transforms
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig, ceil_div
from hw.isa.transforms import Transform


def tiled(
    runs: Runs, transform: Transform, pixels: int, channels: int, config: OverlayConfig
) -> Tiled:
    """The tiles of whole rows of output pixels."""
    width = runs.window.output(runs.view.height, runs.view.width)[1]
    return Tiled(
        transform=transform,
        rows=ceil_div(pixels // width, transform.m),
        columns=ceil_div(width, transform.m),
        patches=len(round_offsets(runs.window.kernel)) * runs.run_words(config.reduction),
        channels=channels,
    )


def legal_transforms(
    conv: Conv, choice: Choice, config: OverlayConfig
) -> tuple[Transform | None, ...]:
    """The transforms that a layer may take; (None,) for another algorithm than Winograd."""
    if choice.algorithm is not ConvAlgorithm.WINOGRAD:
        return (None,)
    if why := against_algorithm(conv.window, choice.algorithm, choice.dataflow):
        raise ProgramError(f"layer {conv.name!r}: {why}")
    found = transforms(config.transforms, choice.tile)
    if not found:
        tile = f"tiles of {choice.tile}" if choice.tile else "a transform"
        raise ProgramError(
            f"layer {conv.name!r}: winograd needs an overlay with {tile}, this one has winograd "
            f"{config.winograd!r}"
        )
    return found


def too_small(
    conv: Conv, view: View, transforms: tuple[Transform | None, ...], config: OverlayConfig
) -> str:
    """Why no transform fits the overlay's memories."""
    least = min(t.elements for t in transforms if t is not None)
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
