"""The stages of hardware that a design of the search stands for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import lcm

from dse.pipeline.design import Design, Stage
from dse.pipeline.model.cost import StageModel
from dse.pipeline.model.layer import ConvStage, StagePool
from dse.pipeline.model.parallelism import Granule
from dse.pipeline.model.search_error import DeviceError
from hw.stages.map_link import MapLink
from hw.stages.maximum_shape import MaximumShape
from hw.stages.shape import StageShape


def stage_shapes(design: Design) -> tuple[StageShape, ...]:
    """The stages, with links as wide as the period asks for.

    Results of 8 bits are multiplied by a mantissa of their channel, those of 16 only shifted.

    Raises
    ------
    DeviceError
        When the design has segments of rows: such stages are only searched for.
    """
    if design.model.granule is not Granule.PIXEL:
        raise DeviceError(
            "segments of rows are only searched for, not built; leave --granularity row out"
        )
    layers, stages = design.network.stages, design.stages
    link = _input(layers[0], stages[0], design.cycles)
    shapes: list[StageShape] = []
    for number, (layer, stage) in enumerate(zip(layers, stages, strict=True)):
        flattens = link if number and layer.images > layers[number - 1].images else None
        alone = _shape(layer, stage, link, design.model, flattens)
        legal = _legal(_divisors(alone.beat_channels), layer.within)
        wholes = [replace(alone, out_width=width) for width in legal]
        period = max(design.cycles * layer.images, wholes[-1].period)
        widths = [one.out_width for one in wholes if one.period <= period]
        width = _choose(widths, *stages[number + 1 : number + 2])
        shapes.append(replace(alone, out_width=width))
        link = shapes[-1].target
    return tuple(shapes)


def _shape(
    layer: ConvStage, stage: Stage, link: MapLink, model: StageModel, flattens: MapLink | None
) -> StageShape:
    return StageShape(
        name=layer.name,
        n_in=layer.n_in,
        n_out=layer.n_out,
        size_in=layer.size_in,
        size_out=layer.size_out,
        kernel=layer.kernel,
        stride=layer.stride,
        pad=layer.pad,
        groups=layer.groups,
        pool=None if layer.pool is None else _pool(layer.pool),
        para_in=stage.para_in,
        para_out=stage.para_out,
        para_seg=stage.para_seg,
        scheme=stage.scheme,
        bits=model.bits,
        scaled=model.bits == 8,
        packed=model.packed,
        source=link if flattens is None else flattens.flattened(layer.size_in),
        out_width=1,
        images=layer.images,
        flattens=flattens,
    )


def _pool(pool: StagePool) -> MaximumShape:
    return MaximumShape(
        kernel=pool.kernel, stride=pool.stride, size_out=pool.size_out, pad=pool.pad
    )


def _input(layer: ConvStage, stage: Stage, period: int) -> MapLink:
    """Images arrive pixel by pixel."""
    channels, pixels = layer.channels, layer.size_in**2
    legal = _legal(range(1, channels + 1), layer.n_in if layer.groups > 1 else None)
    widths = [width for width in legal if pixels * -(-channels // width) <= period]
    width = _choose(widths or [legal[-1]], stage)
    return MapLink(channels=channels, size=layer.size_in, tile=channels, width=width)


def _legal(widths: Iterable[int], within: int | None) -> list[int]:
    """Widths of beats that stay within so many channels, the rising ones of ``widths``."""
    return [width for width in widths if within is None or within % width == 0]


def _choose(widths: list[int], *reader: Stage) -> int:
    """The width with which the reader's words are narrowest."""
    para_in = reader[0].para_in if reader else 1
    return min(widths, key=lambda width: (lcm(para_in, width), width))


def _divisors(number: int) -> list[int]:
    return [width for width in range(1, number + 1) if number % width == 0]
