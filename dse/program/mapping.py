"""The mapping: what a user or a search forces for single layers (``mapping.json``)."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dse.program.errors import ProgramError
from hw.isa import Dataflow


class Algorithm(enum.Enum):
    """How a convolution becomes matrix products."""

    IM2COL = "im2col"
    KN2ROW = "kn2row"
    WINOGRAD = "winograd"


@dataclass(frozen=True)
class Choice:
    """What is forced for one layer; None leaves it to the compiler."""

    dataflow: Dataflow | None = None
    algorithm: Algorithm = Algorithm.IM2COL
    tile: int | None = None  # Winograd: edge of an output tile
    fold: int = 1  # output pixels that become channels


@dataclass(frozen=True)
class LayerMapping:
    """Choices by layer name, and what the graph passes (``dse.passes``) do first.

    ``merge``: groups of sibling 1 x 1 convolutions that become one each.  ``space_to_depth``: the
    host lays the inputs of strided convolutions out in blocks.  ``pool_parts``: what is only
    concatenated to be pooled is pooled first.  ``concat_in_place``: else all inputs of
    concatenations are copied.
    """

    layers: Mapping[str, Choice] = field(default_factory=dict)
    merge: tuple[tuple[str, ...], ...] = ()
    space_to_depth: bool = False
    pool_parts: bool = False
    concat_in_place: bool = True

    def choice(self, layer: str) -> Choice:
        """The choice for a layer."""
        return self.layers.get(layer, Choice())

    def check(self, known: Iterable[str]) -> None:
        """Refuse names that are no convolution of the network."""
        names = sorted(known)
        if unknown := sorted(set(self.layers) - set(names)):
            raise ProgramError(
                f"mapping: no convolution named {', '.join(map(repr, unknown))}; "
                f"the network has {', '.join(map(repr, names)) or 'none'}"
            )

    def to_json(self) -> dict[str, Any]:
        """The inverse of ``from_json``."""
        layers = {}
        for name, choice in self.layers.items():
            entry: dict[str, Any] = {"algorithm": choice.algorithm.value}
            if choice.tile is not None:
                entry["tile"] = choice.tile
            if choice.dataflow is not None:
                entry["dataflow"] = choice.dataflow.name
            if choice.fold != 1:
                entry["fold"] = choice.fold
            layers[name] = entry
        data: dict[str, Any] = {"layers": layers}
        if self.merge:
            data["merge"] = [list(group) for group in self.merge]
        switches = {name: getattr(self, name) for name in _SWITCHES}
        return data | {name: on for name, on in switches.items() if on != _SWITCHES[name]}

    @classmethod
    def from_json(cls, data: Any) -> LayerMapping:
        """Parse ``{"layers": {name: {"dataflow": .., "algorithm": .., "tile": .., "fold": ..}}}``.

        Further keys: ``"merge": [[name, ..], ..]``, and true or false for ``"space_to_depth"``,
        ``"pool_parts"`` and ``"concat_in_place"``.
        """
        _require(isinstance(data, dict), "must be an object", data)
        keys = ["layers", "merge", *_SWITCHES]
        _require(set(data) <= set(keys), f"may only have the keys {keys}", sorted(data))
        layers = data.get("layers", {})
        _require(isinstance(layers, dict), "'layers' must be an object", layers)
        choices = {name: _choice(name, entry) for name, entry in layers.items()}
        return cls(choices, _groups(data.get("merge", [])), **_switches(data))

    @classmethod
    def load(cls, path: Path) -> LayerMapping:
        """Read a mapping.json."""
        try:
            return cls.from_json(json.loads(path.read_text()))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ProgramError(f"cannot read the mapping {path}: {error}") from None


_SWITCHES = {
    name: getattr(LayerMapping(), name)
    for name in ("space_to_depth", "pool_parts", "concat_in_place")
}


def _groups(data: Any) -> tuple[tuple[str, ...], ...]:
    lists = isinstance(data, list) and all(isinstance(group, list) for group in data)
    known = lists and all(isinstance(name, str) for group in data for name in group)
    _require(known, "'merge' must be a list of lists of layer names", data)
    return tuple(tuple(group) for group in data)


def _switches(data: Mapping[str, Any]) -> dict[str, bool]:
    found = {name: data.get(name, default) for name, default in _SWITCHES.items()}
    for name, on in found.items():
        _require(isinstance(on, bool), f"{name!r} must be true or false", on)
    return found


def _choice(name: str, entry: Any) -> Choice:
    _require(isinstance(entry, dict), f"layer {name!r} must be an object", entry)
    keys = {"dataflow", "algorithm", "tile", "fold"}
    _require(set(entry) <= keys, f"layer {name!r} may only have {sorted(keys)}", sorted(entry))
    dataflow = entry.get("dataflow")
    flows = [flow.name for flow in Dataflow]
    known = dataflow is None or dataflow in flows
    _require(known, f"layer {name!r}: dataflow must be one of {', '.join(flows)}", dataflow)
    algorithm = entry.get("algorithm", Algorithm.IM2COL.value)
    values = [value.value for value in Algorithm]
    what = f"layer {name!r}: algorithm must be one of {', '.join(values)}"
    _require(algorithm in values, what, algorithm)
    tile = entry.get("tile")
    known = tile is None or (algorithm == Algorithm.WINOGRAD.value and tile in (2, 4))
    _require(known, f"layer {name!r}: tile must be 2 or 4, and only with winograd", tile)
    fold = entry.get("fold", 1)
    known = isinstance(fold, int) and not isinstance(fold, bool) and fold >= 1
    _require(known, f"layer {name!r}: fold must be a positive number of pixels", fold)
    flow = None if dataflow is None else Dataflow[dataflow]
    return Choice(flow, Algorithm(algorithm), tile, fold)


def _require(condition: bool, what: str, value: Any) -> None:
    if not condition:
        raise ProgramError(f"mapping: {what}, not {value!r}")
