"""Layers that the instruction set cannot say, told before anything is compiled."""

from __future__ import annotations

from dse.onnx.draft import DraftLayer
from dse.onnx.lowering import Lowering
from dse.onnx.values import Unsupported
from dse.tiling.walks import ImageWalk, against
from hw.isa import Opcode

SMALLER = "use smaller images, kernels, strides, dilations or padding, or run it on the host"


def refusals(lowering: Lowering) -> dict[int, Unsupported]:
    """The nodes of convolutions and poolings whose walk no instruction holds, and why."""
    found = {}
    for layer in lowering.draft.layers:
        why = ""
        if layer.kind == "conv":
            why = against(Opcode.CONV, _walk(layer).fields)
        elif layer.kind in ("max", "average", "normalise", "combine"):
            fields = {**_walk(layer).fields, "channels": layer.inputs[0].channels}
            why = against(Opcode.POOL, fields)
        if why:
            found[lowering.made[layer]] = Unsupported(f"no instruction can say it: {why}", SMALLER)
    return found


def _walk(layer: DraftLayer) -> ImageWalk:
    """The walk; a convolution's taps of a row are one run, and all of them if it sees all."""
    image, window = layer.inputs[0], layer.window
    height, width, channels = image.shape
    rows, columns = window.kernel
    if layer.kind == "conv" and layer.groups == 1 and window.dilation[1] == 1:
        columns = 1
        if window.kernel == (height, width) and not any(window.padding):
            height, width, channels, rows = 1, 1, 1, 1
    return ImageWalk(
        height=height,
        width=width,
        channels=channels,
        taps=(rows, columns),
        outputs=layer.output.shape[:2],
        stride=window.stride,
        dilation=window.dilation,
        before=window.padding[:2],
    )
