"""Figures as inline SVG: matplotlib draws; hover titles and the page's own ink are added."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup
from matplotlib.artist import Artist
from matplotlib.axis import Axis
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, Formatter, LogLocator, NullFormatter

from dse.cost import Label

INK = "#010203"  # stands for the text colour of the page, light or dark
GREY = "#999999"
ACCENT = "#d55e00"
OTHER = "#8c6d46"  # whatever is no convolution
_HUES = (  # Okabe and Ito 2008
    *("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442"),
)
_SHADES = (0.0, 0.35, 0.65)  # towards white, by dataflow
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text remains text
    "svg.hashsalt": "polymap",
    "text.parse_math": False,  # layers may be named anything
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GREY,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK
    ),
}
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_REFERENCE = re.compile(r"#([\w-]+)")
_LONGEST = 36  # letters of a name beside a bar


def style() -> AbstractContextManager[None]:
    """The style in which figures are drawn and rendered."""
    return matplotlib.rc_context(_STYLE)


class Drawing:
    """A figure, in inches, some of whose artists say something when hovered over."""

    def __init__(self, label: str, width: float, height: float) -> None:
        self.figure = Figure(figsize=(width, height))
        self._label = label
        self._hints: dict[str, str] = {}

    def hint(self, artist: Artist, text: str) -> None:
        """What the artist says."""
        name = f"hint{len(self._hints)}"
        artist.set_gid(name)
        self._hints[name] = text

    def svg(self) -> Markup:
        """An ``<svg>`` element that scales with the page."""
        ElementTree.register_namespace("", _SVG)
        ElementTree.register_namespace("xlink", _XLINK)
        root = ElementTree.fromstring(self._render())
        for metadata in root.findall(f"{{{_SVG}}}metadata"):
            root.remove(metadata)
        self._add_hints(root)
        _drop_ids(root)
        width = root.attrib.pop("width").removesuffix("pt")
        del root.attrib["height"]
        root.attrib |= {
            "role": "img",
            "aria-label": self._label,
            "style": f"width: {float(width):.0f}pt",
        }
        text = ElementTree.tostring(root, encoding="unicode")
        return Markup(text.replace(INK, "currentColor"))

    def _render(self) -> bytes:
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            # Names in other scripts: the browser has glyphs that matplotlib's font lacks.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            self.figure.savefig(
                buffer, format="svg", dpi=150, bbox_inches="tight", metadata={"Date": None}
            )
        return buffer.getvalue()

    def _add_hints(self, root: ElementTree.Element) -> None:
        for element in root.iter():
            if element.get("id") in self._hints:
                title = ElementTree.Element(f"{{{_SVG}}}title")
                title.text = self._hints[element.attrib["id"]]
                element.insert(0, title)


def _drop_ids(root: ElementTree.Element) -> None:
    """Drop those that nothing refers to: several figures share a page."""
    used = {
        name
        for element in root.iter()
        for value in element.attrib.values()
        for name in _REFERENCE.findall(value)
    }
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)


class Palette:
    """A hue for every algorithm and variant, a shade of it for every dataflow."""

    def __init__(self, labels: Iterable[Label]) -> None:
        labels = sorted(set(labels))
        self._ways = sorted({_way(label) for label in labels})
        self._dataflows = sorted({label.dataflow for label in labels})
        self.entries = {str(label): self.colour(label) for label in labels}

    def colour(self, label: Label | None) -> str:
        """``OTHER`` for what has no label."""
        if label is None:
            return OTHER
        hue = to_rgb(_HUES[self._ways.index(_way(label)) % len(_HUES)])
        shade = _SHADES[self._dataflows.index(label.dataflow) % len(_SHADES)]
        red, green, blue = (value + (1 - value) * shade for value in hue)
        return to_hex((red, green, blue))


def _way(label: Label) -> tuple[str, str]:
    return label.algorithm, label.variant


def decades(axis: Axis, formatter: Formatter | None = None) -> None:
    """Ticks of a logarithmic axis: 1, 2, 5, by default with the prefixes of engineers."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(formatter or EngFormatter(sep=""))
    axis.set_minor_formatter(NullFormatter())


def printable(name: str) -> str:
    """The name without characters that no text may hold."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in name)


def short(name: str) -> str:
    """A name that fits beside a bar."""
    name = printable(name)
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}\u2026"
