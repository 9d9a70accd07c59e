"""Where the cycles go, on boards: ``python -m benchmarks.causes [MODEL ..] [--board B] [--bare]``.

The best design of each network for each board, as ``polymap explore --no-dense`` finds it; a table
of all, and of each the layers that add a thousand cycles or more to their multiplications, by
part and cause (``dse.explore.waterfall``), of the exact model; layers that do not differ in these
numbers have one row, "x 4", with the numbers of each.  A network is a benchmark's name or an ONNX
file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.arguments import convolutional, explored, line
from boards.board import Board, board
from dse.cost.infeasible import Infeasible
from dse.cost.overlay_model import OverlayModel
from dse.explore.exploration import Exploration
from dse.explore.search import explore, predict
from dse.explore.waterfall import PARTS, Parts
from dse.mapping import LayerChoice
from dse.passes import layer_shapes
from dse.process import interrupt

LEAST = 1000
"""Added cycles of a layer that is named."""
SHARE = 0.2
"""Of the added cycles, that make a part a cause."""
CAUSES = {
    "weights": "weights are missing",
    "activations, room": "activations, or room behind the array, are missing",
    "fill": "fills",
    "drain": "the drain of the layer before",
    "other engines": "poolings or transfers",
    "begin": "the program's and the image's load",
    "end": "the last layers off the array, and the store",
}
HEADER = ("network", "board", "array, lanes, transforms", "DSP", "cycles", "ms", "closed form")
COLUMNS = ("layer", "way", "cycles", "added", *list(PARTS)[1:], "cause")


def row(name: str, target: Board, found: Exploration) -> str:
    """Of the first table."""
    mapping, execution = found.mapping, found.execution
    assert execution is not None
    total = execution.cycles.total
    return line(
        name,
        _offer(target),
        f"{mapping.rows} x {mapping.columns}, {found.lanes}, {found.winograd}",
        f"{mapping.dsp:,}",
        f"{total:,}",
        f"{total / mapping.clock_hz * 1e3:.3f}",
        f"{mapping.cycles / total - 1:+.1%}",
    )


def _offer(target: Board) -> str:
    return f"{target.name}, {'what the card leaves' if target.source else 'bare device'}"


def layer_rows(found: Exploration) -> Iterator[str]:
    """The layers that add most, then all others together."""
    layers = found.waterfall_by_layer
    choices = {layer.name: layer for layer in found.mapping.layers}
    added = {name: _added(parts) for name, parts in layers.items()}
    named = [name for name in sorted(added, key=lambda n: -added[n]) if added[name] >= LEAST]
    equal: dict[tuple[str, ...], list[str]] = {}
    for name in named:
        choice = choices.get(name)
        way = f"{choice.label}" if choice else ""
        cells = _parts_cells(way, layers[name], _cause(found, choice, layers[name]))
        equal.setdefault(cells, []).append(name)
    for cells, (first, *more) in equal.items():
        yield line(f"`{first}` x {len(more) + 1}" if more else f"`{first}`", *cells)
    others = [parts for name, parts in layers.items() if name not in named]
    rest = {part: sum(parts[part] for parts in others) for part in PARTS}
    yield line(f"others ({len(others)})", *_parts_cells("", rest, "less than a thousand each"))


def _added(parts: Parts) -> float:
    return sum(parts.values()) - parts["multipliers"]


def _cause(found: Exploration, choice: LayerChoice | None, parts: Parts) -> str:
    """The parts that make most of what a layer adds, in words."""
    added = _added(parts)
    words = [words for part, words in CAUSES.items() if parts[part] >= SHARE * added]
    if choice is not None and parts["algorithms, edges"] >= SHARE * added:
        words.insert(0, _edges(found, choice))
    return "; ".join(words)


def _edges(found: Exploration, choice: LayerChoice) -> str:
    """Which extents of a layer leave a part of the array idle."""
    assert isinstance(found.model, OverlayModel)
    shape, way = layer_shapes(found.network)[choice.name], found.model.way(choice.label)
    channels, columns = way.fold * shape.cout, found.mapping.columns
    room = -(-channels // columns) * columns
    idle = [f"{channels} of {room} columns"] if channels < room else []
    if shape.groups > 1:
        idle.append(f"{shape.groups} groups, whose blocks stand on a diagonal")
    return ", ".join(idle) or "operand words or tiles that are not full"


def _parts_cells(way: str, parts: Parts, cause: str) -> tuple[str, ...]:
    """All cells of a row behind the layer's name."""
    cycles = [sum(parts.values()), _added(parts), *(parts[part] for part in list(PARTS)[1:])]
    return (way, *(f"{n:,.0f}" for n in cycles), cause)


def _head(cells: Sequence[str]) -> str:
    return f"{line(*cells)}\n{'|---' * len(cells)}|"


def main(arguments: Sequence[str]) -> None:
    """Print the tables, each row as soon as it is known."""
    parser = explored("causes", __doc__, ["googlenet", "inception-v4"])
    parser.add_argument("--board", action="append", help="may be repeated; default: u200")
    asked = parser.parse_args(arguments)
    boards = [board(name, bare=asked.bare) for name in asked.board or ["u200"]]
    print(_head(HEADER), flush=True)
    tables = []
    for model in asked.models:
        network = convolutional(model)
        name = Path(model).stem
        for target in boards:
            try:
                chosen = explore(network, target, array=asked.array, certify=False)
            except Infeasible as error:
                print(line(name, _offer(target), f"none: {error}", "", "", "", ""), flush=True)
                continue
            found = predict(chosen, network)
            print(row(name, target, found), flush=True)
            lines = "\n".join(layer_rows(found))
            tables.append(f"**{name}, {target.name}**\n\n{_head(COLUMNS)}\n{lines}\n")
    print("\n" + "\n".join(tables))


if __name__ == "__main__":
    sys.exit(interrupt.command(lambda: main(sys.argv[1:]), "causes"))
