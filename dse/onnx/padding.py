"""What lies around an image, mostly zeros: a layer, until the windows that read it take it over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dse.network.graph import Window
from dse.onnx.draft import Draft, DraftLayer, DraftTensor
from dse.tiling.window_reach import all_touch

Sides = tuple[int, int, int, int]
"""(top, left, bottom, right)."""


def padded(name: str, origin: str, image: DraftTensor, sides: Sides) -> DraftLayer:
    """The layer that puts zeros around an image: averages of one value each, in image or padding.

    Padding reads the zero point.
    """
    top, left, bottom, right = sides
    height, width, channels = image.shape
    output = DraftTensor(name, height + top + bottom, width + left + right, channels)
    window = Window(padding=sides)
    return DraftLayer(
        "average",
        name,
        origin,
        [image],
        output,
        window,
        count_include_pad=True,
        moves=True,
    )


def absorb(draft: Draft, least: Callable[[DraftTensor], float]) -> None:
    """Give zeros to the windows that read them.

    ``least``: a bound of what a tensor holds.  A maximum takes zeros over where they change none.
    """
    zeros = {layer.output: layer for layer in draft.layers if layer.is_padding}
    for layer in draft.layers:
        before = zeros.get(layer.inputs[0])
        while before is not None and _takes(layer, before, least):
            layer.window = _wider(layer.window, before.window.padding)
            layer.count_include_pad |= layer.kind == "average"
            layer.inputs[0] = before.inputs[0]
            before = zeros.get(layer.inputs[0])


def into_maxima(draft: Draft) -> None:
    """Give what is below all values to the maxima that read it: their padding never counts."""
    lowest = {layer.output: layer for layer in draft.layers if layer.lowest}
    for layer in draft.layers:
        before = lowest.get(layer.inputs[0])
        while before is not None and layer.kind == "max" and _reaches(layer, before):
            layer.window = _wider(layer.window, before.window.padding)
            layer.inputs[0] = before.inputs[0]
            before = lowest.get(layer.inputs[0])


def _reaches(layer: DraftLayer, before: DraftLayer) -> bool:
    """Whether each window has a pixel of the image in front of the padding."""
    known = {before.inputs[0].quantisation, before.output.quantisation} - {None}
    window, image = _wider(layer.window, before.window.padding), before.inputs[0]
    return (
        len(known) < 2
        and all(side < window.kernel[axis % 2] for axis, side in enumerate(window.padding))
        and all_touch(window, image.shape[:2], layer.output.shape[:2])
    )


def _takes(layer: DraftLayer, before: DraftLayer, least: Callable[[DraftTensor], float]) -> bool:
    known = {before.inputs[0].quantisation, before.output.quantisation} - {None}
    if layer is before or before.is_limited or len(known) > 1 or layer.moves:
        return False
    if layer.kind == "conv":
        return True
    window = _wider(layer.window, before.window.padding)
    if any(side >= window.kernel[axis % 2] for axis, side in enumerate(window.padding)):
        return False
    if layer.kind == "average":
        return layer.count_include_pad or not any(layer.window.padding)
    image, output = before.inputs[0], layer.output
    touches = all_touch(window, image.shape[:2], output.shape[:2])
    return layer.kind == "max" and touches and least(image) >= 0


def _wider(window: Window, sides: Sides) -> Window:
    top, left, bottom, right = (a + b for a, b in zip(window.padding, sides, strict=True))
    return replace(window, padding=(top, left, bottom, right))
