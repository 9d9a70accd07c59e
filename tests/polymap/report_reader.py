"""Reads a report back, as strictly as the file promises to be written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from plotly.offline import get_plotlyjs

_VOID = {"meta"}
_LOADING = {"src", "href", "xlink:href", "data", "action", "srcset"}
_DRAW = "Plotly.newPlot("
Row = tuple[str, ...]
Json = dict[str, Any]


@dataclass
class Page:
    """What a report holds: ``tables`` by the heading before them, heading row first.

    ``text`` is without the script that draws, which the page must hold once.  ``figures``: marks
    and layout of each by its name.
    """

    text: str
    tables: dict[str, list[Row]] = field(default_factory=dict)
    references: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    figures: dict[str, tuple[list[Json], Json]] = field(default_factory=dict)

    def marks(self, name: str) -> Iterator[tuple[Json, int]]:
        """Every mark of a figure that says something: its group, and its place in that."""
        groups, _ = self.figures[name]
        for group in groups:
            yield from ((group, index) for index in range(len(group.get("hovertext", ()))))

    def hints(self, name: str) -> list[str]:
        """What the marks of a figure say when hovered over."""
        return [group["hovertext"][index] for group, index in self.marks(name)]

    def words(self, name: str) -> list[str]:
        """The names beside a figure's rows."""
        words: list[str] = self.figures[name][1]["yaxis"]["ticktext"]
        return words


def read(path: Path) -> Page:
    """Parse a report; an element that is not closed or a figure that is no JSON is an error."""
    text = path.read_text(encoding="utf-8")
    script = get_plotlyjs()
    assert text.count(script) == ("<script>" in text)
    text = text.replace(script, "")
    page = Page(text)
    reader = _Reader(page)
    reader.feed(text)
    reader.close()
    assert not reader.open, reader.open
    for piece in text.split(_DRAW)[1:]:
        name, groups, layout = _values(piece, 3)
        assert f'<div id="{name}"' in text
        assert name not in page.figures
        page.figures[name] = groups, layout
    return page


def _values(text: str, count: int) -> Iterator[Any]:
    """So many JSON values with commas between them."""
    decoder = json.JSONDecoder()
    for _ in range(count):
        value, end = decoder.raw_decode(text.lstrip(", \n"))
        text = text.lstrip(", \n")[end:]
        yield value


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
