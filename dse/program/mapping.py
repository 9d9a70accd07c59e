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


@dataclass(frozen=True)
class LayerMapping:
    """Choices by layer name."""

    layers: Mapping[str, Choice] = field(default_factory=dict)

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
            layers[name] = entry
        return {"layers": layers}

    @classmethod
    def from_json(cls, data: Any) -> LayerMapping:
        """Parse ``{"layers": {name: {"dataflow": .., "algorithm": .., "tile": ..}}}``."""
        _require(isinstance(data, dict), "must be an object", data)
        _require(set(data) <= {"layers"}, "may only have the key 'layers'", sorted(data))
        layers = data.get("layers", {})
        _require(isinstance(layers, dict), "'layers' must be an object", layers)
        return cls({name: _choice(name, entry) for name, entry in layers.items()})

    @classmethod
    def load(cls, path: Path) -> LayerMapping:
        """Read a mapping.json."""
        try:
            return cls.from_json(json.loads(path.read_text()))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ProgramError(f"cannot read the mapping {path}: {error}") from None


def _choice(name: str, entry: Any) -> Choice:
    _require(isinstance(entry, dict), f"layer {name!r} must be an object", entry)
    keys = {"dataflow", "algorithm", "tile"}
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
    return Choice(None if dataflow is None else Dataflow[dataflow], Algorithm(algorithm), tile)


def _require(condition: bool, what: str, value: Any) -> None:
    if not condition:
        raise ProgramError(f"mapping: {what}, not {value!r}")
