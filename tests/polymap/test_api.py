"""The public names: what type checkers see of them is what comes at their first use."""

from __future__ import annotations

import ast
from pathlib import Path

import polymap
from polymap import api


def test_names_come_from_where_type_checkers_find_them() -> None:
    tree = ast.parse(Path(api.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    typed = {(node.module, one.name) for node in imports for one in node.names}
    assert typed == {(home, name) for home, names in api._HOMES.items() for name in names}


def test_the_package_passes_them_on() -> None:
    assert polymap.__all__ == api.NAMES
    assert all(getattr(polymap, name) is getattr(api, name) for name in api.NAMES)


def test_no_module_hides_a_name() -> None:
    modules = {path.stem for path in Path(api.__file__).parent.glob("*.py")}
    assert not modules & set(api.NAMES)
