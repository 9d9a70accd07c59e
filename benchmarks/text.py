"""A line of text as an image, drawn by a font, in the range that readers of text expect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from dse.onnx.shaping import Shapes

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's colours, with which detectors of text were trained."""


def text_images(text: str | None, shapes: Shapes) -> Mapping[str, npt.NDArray] | None:
    """The line of text as the image of inputs of these shapes; None if there is no text."""
    if text is None:
        return None
    return {name: text_image(text, extents[2:]) for name, extents in shapes.items()}


def text_image(text: str, size: Sequence[int]) -> npt.NDArray[np.float32]:
    """Dark on bright, in the middle of (1, 3, height, width), two thirds of the width."""
    height, width = size
    image = Image.new("RGB", (width, height), (236, 232, 224))
    draw = ImageDraw.Draw(image)
    points = height // 2
    while points > 6 and _width(draw, text, points) > 2 * width // 3:
        points -= 1
    middle = (width // 2, height // 2)
    font = ImageFont.load_default(points)
    draw.text(middle, text, (24, 32, 48), font, anchor="mm")
    values = (np.asarray(image, np.float32) / 255 - MEAN) / DEVIATION
    return values.astype(np.float32).transpose(2, 0, 1)[None]


def _width(draw: ImageDraw.ImageDraw, text: str, points: int) -> float:
    return draw.textlength(text, ImageFont.load_default(points))
