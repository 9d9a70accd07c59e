"""The colours of a report: what a layer does is seen by its hue and shade."""

from __future__ import annotations

from collections.abc import Iterable

from dse.cost import Label
from dse.files.figures import HUES

OTHER = "#8c6d46"  # whatever is no convolution
NO_CONVOLUTION = "no convolution"
_SHADES = (0.0, 0.35, 0.65)  # towards white, by dataflow


class Palette:
    """A hue for every algorithm and variant, a shade of it for every dataflow.

    Members
    -------
    entries : the colour of each label by its name, in order.
    """

    def __init__(self, labels: Iterable[Label]) -> None:
        labels = sorted(set(labels))
        self._ways = sorted({_way(label) for label in labels})
        self._dataflows = sorted({label.dataflow for label in labels if label.dataflow})
        self.entries = {str(label): self._colour(label) for label in labels}

    def entry(self, label: Label | None) -> tuple[str, str]:
        """Name and colour of what a layer does; it does no convolution if it has no label."""
        if label is None:
            return NO_CONVOLUTION, OTHER
        return str(label), self._colour(label)

    def _colour(self, label: Label) -> str:
        hue = HUES[self._ways.index(_way(label)) % len(HUES)]
        flow = self._dataflows.index(label.dataflow) if label.dataflow else 0
        shade = _SHADES[flow % len(_SHADES)]
        parts = (int(hue[place : place + 2], 16) for place in (1, 3, 5))
        return "#" + "".join(f"{round(part + (255 - part) * shade):02x}" for part in parts)


def _way(label: Label) -> tuple[str, str]:
    return label.algorithm, label.variant
