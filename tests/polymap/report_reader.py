"""Reads a report back, as strictly as the file promises to be written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

_SVG = "{http://www.w3.org/2000/svg}"
_VOID = {"meta"}
_LOADING = {"src", "href", "xlink:href", "data", "action", "srcset"}
Row = tuple[str, ...]


@dataclass
class Page:
    """What a report holds: ``tables`` by the heading before them, heading row first."""

    text: str
    tables: dict[str, list[Row]] = field(default_factory=dict)
    references: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    drawings: list[ElementTree.Element] = field(default_factory=list)

    def hints(self) -> list[str]:
        """The titles inside the drawings."""
        return [
            element.text or ""
            for drawing in self.drawings
            for element in drawing.iter(f"{_SVG}title")
        ]

    def bars(self) -> list[tuple[str, float]]:
        """Title and drawn width of every rectangle that has a title."""
        found = []
        for drawing in self.drawings:
            for group in drawing.iter(f"{_SVG}g"):
                title, path = group.find(f"{_SVG}title"), group.find(f"{_SVG}path")
                if title is not None and path is not None:
                    edges = [float(x) for x in re.findall(r"[ML] (\S+)", path.attrib["d"])]
                    found.append((title.text or "", max(edges) - min(edges)))
        return found

    def words(self) -> list[str]:
        """The texts drawn."""
        return [
            "".join(element.itertext())
            for drawing in self.drawings
            for element in drawing.iter(f"{_SVG}text")
        ]


def read(path: Path) -> Page:
    """Parse a report; an element that is not closed or a drawing that is no XML is an error."""
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    reader = _Reader(page)
    reader.feed(text)
    reader.close()
    assert not reader.open, reader.open
    for piece in text.split("<svg")[1:]:
        drawing, _ = piece.split("</svg>", 1)
        page.drawings.append(ElementTree.fromstring(f"<svg{drawing}</svg>"))
    return page


class _Reader(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self.open: list[str] = []
        self._page = page
        self._heading = ""
        self._cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag in _VOID:
            return
        self.open.append(tag)
        match tag:
            case "h1" | "h2":
                self._heading = ""
            case "table":
                self._page.tables[self._heading] = []
            case "tr":
                self._cells = []
            case "td" | "th":
                self._cells.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._page.tags.append(tag)
        self._page.references += [value or "" for name, value in attrs if name in _LOADING]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "tr":
            self._page.tables[self._heading].append(tuple(self._cells))

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("h1", "h2"):
            self._heading += data
        if self.open and self.open[-1] in ("td", "th"):
            self._cells[-1] += data
