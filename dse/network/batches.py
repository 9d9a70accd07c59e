"""Images of a batch: how tensors and operators of each are named, grouped and told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")
JOINT = "all"


def of_image(name: str, image: int, batch: int) -> str:
    """The name that a tensor or operator of one image has in a batch; of a batch of one its own."""
    return name if batch == 1 else f"{image}/{name}"


def joint(name: str) -> str:
    """The name of what all images of a batch have in common."""
    return f"{JOINT}/{name}"


def together(images: Sequence[Mapping[str, T]], batch: int) -> dict[str, T]:
    """What images have by name, by the names of a batch; its last places take the last image."""
    return {
        of_image(name, place, batch): value
        for place in range(batch)
        for name, value in images[min(place, len(images) - 1)].items()
    }


def apart(values: Mapping[str, T], batch: int) -> list[dict[str, T]]:
    """The inverse: what each image has, by its own names; what they have in common is left out."""
    if batch == 1:
        return [dict(values)]
    found: list[dict[str, T]] = [{} for _ in range(batch)]
    for name, value in values.items():
        image, _, own = name.partition("/")
        if image != JOINT:
            found[int(image)][own] = value
    return found


def groups(images: Sequence[T], batch: int) -> list[Sequence[T]]:
    """The images of each run: ``batch`` of them, but for the last one."""
    return [images[first : first + batch] for first in range(0, len(images), batch)]
