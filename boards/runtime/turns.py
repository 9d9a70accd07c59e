"""A model of several segments on a card: program, host, program, in turns."""

from __future__ import annotations

import numpy as np

from boards.runtime.bundle import Bundle
from boards.runtime.link import Ended, Link
from boards.runtime.runtime import run_images
from dse.network.inputs import Arrays, images, join
from dse.onnx.host import ImagePassage


def run_model(link: Link[Ended], bundle: Bundle, batch: Arrays) -> dict[str, np.ndarray]:
    """The model's outputs of a validated batch of its inputs; HostError if a run fails.

    Each program is loaded once, and runs on all images.
    """
    passages = [ImagePassage(bundle.host, image) for image in images(batch)]
    for program in bundle.programs:
        names = [place.name for place in program.manifest.inputs]
        made = run_images(link, program, [passage.entries(names) for passage in passages])
        for passage, tensors in zip(passages, made, strict=True):
            passage.take(tensors)
    return join([passage.outputs() for passage in passages])
