"""Documents are true: examples of docs/cli.md run, links lead somewhere, files and names exist."""

from __future__ import annotations

import ast
import os
import re
import shlex
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import polymap
from polymap import __all__ as names

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cli.md").read_text()
LARGE = ("simulate", "run", "elaborate", "package")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FOLDERS = "hw|dse|boards|sim|polymap|benchmarks|tests|examples|docs"
MOST_FILES = 20  # that a thing is followed through
EACH_DOCUMENT = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the examples, and with the builds of the real one."""
    builds = Path(os.environ.get("POLYMAP_BUILD", "build")).resolve()
    monkeypatch.setenv("POLYMAP_BUILD", str(builds))
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("checkout")
def test_commands(invoke: Callable[..., Any]) -> None:
    lines = [shlex.split(line) for block in _blocks("console") for line in block.splitlines()]
    assert {line[1] for line in lines} > set(LARGE)
    for program, command, *arguments in lines:
        assert program == "polymap"
        if command not in LARGE:
            answer = invoke(command, *arguments)
            assert answer.code == 0, answer


@pytest.mark.usefixtures("checkout")
@pytest.mark.rtl
@pytest.mark.slow  # half a minute to build
def test_python(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = _blocks("python")
    exec(compile(block, "docs/cli.md", "exec"), {})
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(r"\d+ 0 \[\d \d\]", last), last


def test_every_public_name_exists() -> None:
    for name in names:
        assert getattr(polymap, name) is not None


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = polymap.nonsense


def _prose(document: Path) -> str:
    """The text without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)


@cache
def _anchors(document: Path) -> frozenset[str]:
    """What links to a heading may be called."""
    headings = re.findall(r"^#+ (.*)$", _prose(document), re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return frozenset(heading.replace(" ", "-") for heading in words)


@cache
def _defined(path: Path) -> frozenset[str]:
    """The names of a module: of its top level, and members of its classes as ``Class.name``."""
    names: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        own = set(_names(node))
        names |= own
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{name}" for part in node.body for name in _names(part)}
    return frozenset(names)


def _names(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.ClassDef() | ast.FunctionDef():
            yield node.name
        case ast.Assign():
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(name)):
            yield name


@EACH_DOCUMENT
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", _prose(document)):
        if re.match(r"https?:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


@EACH_DOCUMENT
def test_files_exist(document: Path) -> None:
    for name, inner in re.findall(rf"`((?:{FOLDERS})/[\w./-]+)(?:::(\w+))?`", _prose(document)):
        assert (ROOT / name).exists(), name
        assert not inner or inner in _defined(ROOT / name), f"{name}::{inner}"


@EACH_DOCUMENT
def test_modules_that_commands_start_exist(document: Path) -> None:
    for name in re.findall(rf"python -m ((?:{FOLDERS})[\w.]*\w)", document.read_text()):
        path = ROOT / name.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), name


def _tours() -> dict[str, list[tuple[str, str]]]:
    """The steps of each tour through the files: (file, name that hands on)."""
    sections = (ROOT / "docs" / "README.md").read_text().split("\n### ")[1:]
    return {
        section.splitlines()[0]: re.findall(r"^\d+\. `([\w/]+\.py)`, `([\w.]+)`: ", section, re.M)
        for section in (section.split("\n## ")[0] for section in sections)
    }


@pytest.mark.parametrize("title", ["An image byte", "A weight", "An instruction field"])
def test_the_tour_goes_through_what_there_is(title: str) -> None:
    steps = _tours()[title]
    assert 10 <= len({file for file, _ in steps}) <= MOST_FILES
    for file, name in steps:
        assert name in _defined(ROOT / file), f"{file}: {name}"


def test_every_step_of_the_tour_is_read() -> None:
    text = (ROOT / "docs" / "README.md").read_text()
    assert len(re.findall(r"^\d+\. ", text, re.M)) == sum(map(len, _tours().values()))


def test_folders_import_only_those_above_them_on_the_map() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = page.split("| folder | holds |")[1].split("\n\n")[0]
    rows = [re.findall(r"`([\w/]+)`", line.split("|")[1]) for line in table.splitlines()[2:]]
    place = {name: index for index, row in enumerate(rows) for name in row}
    assert set(place) >= {str(f.relative_to(ROOT)) for f in ROOT.glob("dse/*/") if _holds_code(f)}
    for name, index in place.items():
        for file in (ROOT / name).rglob("*.py"):
            imported = re.findall(r"^\s*(?:from|import) (\w+)\.?(\w*)", file.read_text(), re.M)
            for top, inner in imported:
                other = place.get(f"{top}/{inner}", place.get(top, -1))
                assert other <= index, f"{file}: {top}.{inner}"


def _holds_code(folder: Path) -> bool:
    return (folder / "__init__.py").exists()


def test_words_are_in_order_and_each_has_a_file() -> None:
    for table in (ROOT / "docs" / "glossary.md").read_text().split("\n## ")[1:]:
        rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
        words = [row[0].removeprefix("| ").lower() for row in rows]
        assert words == sorted(words)
        assert all(re.search(rf"`(?:{FOLDERS})/", row[-1]) for row in rows)
