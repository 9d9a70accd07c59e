"""The mapping: what a user or a search forces for single layers (``mapping.json``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge

from dse.assembly.program_error import ProgramError
from dse.files.documents import DocumentError, build, read_json, versioned
from dse.tiling.legality import ConvAlgorithm
from dse.tiling.tile_form import Tile, tile_forms
from hw.isa import TRANSFORM_OF, Dataflow

MAPPING_VERSION = 1


@dataclass(frozen=True)
class Choice:
    """What is forced for one layer; None leaves it to the compiler."""

    dataflow: Dataflow | None = None
    algorithm: ConvAlgorithm = ConvAlgorithm.IM2COL
    tile: Tile | None = None  # Winograd: of the output
    fold: int = 1  # output pixels that become channels


@dataclass(frozen=True)
class LayerMapping:
    """Choices by layer name, and what the graph passes (``dse.passes``) do first.

    ``merge``: groups of sibling 1 x 1 convolutions that become one each.  ``apart``: convolutions
    whose results are copied to where they are read.  ``space_to_depth``: the
    host lays the inputs of strided convolutions out in blocks.  ``pool_parts``: what is only
    concatenated to be pooled is pooled first.  ``concat_in_place``: else all inputs of
    concatenations are copied.
    """

    layers: Mapping[str, Choice] = field(default_factory=dict)
    merge: tuple[tuple[str, ...], ...] = ()
    apart: tuple[str, ...] = ()
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
        """The inverse of ``from_json``, but for the version."""
        data: dict[str, Any] = {"layers": {n: _entry(c) for n, c in self.layers.items()}}
        if self.merge:
            data["merge"] = [list(group) for group in self.merge]
        if self.apart:
            data["apart"] = list(self.apart)
        default = LayerMapping()
        for name in ("space_to_depth", "pool_parts", "concat_in_place"):
            if getattr(self, name) != getattr(default, name):
                data[name] = getattr(self, name)
        return data

    @classmethod
    def from_json(cls, data: Any) -> LayerMapping:
        """Parse ``{"layers": {name: {"dataflow": .., "algorithm": .., "tile": .., "fold": ..}}}``.

        Further keys: ``"merge": [[name, ..], ..]``, ``"apart": [name, ..]``, true or false for
        ``"space_to_depth"``, ``"pool_parts"`` and ``"concat_in_place"``, and ``"version"``.
        """
        try:
            data = dict(versioned(data, "the file", MAPPING_VERSION, required=False))
            data.pop("version", None)
            form = build(_Form, data)
        except DocumentError as error:
            raise ProgramError(f"mapping: {error}") from None
        return cls(
            {name: entry.choice for name, entry in form.layers.items()},
            form.merge,
            form.apart,
            form.space_to_depth,
            form.pool_parts,
            form.concat_in_place,
        )

    @classmethod
    def load(cls, path: Path) -> LayerMapping:
        """Read a mapping.json."""
        try:
            return cls.from_json(read_json(path))
        except OSError as error:
            raise ProgramError(f"cannot read the mapping {path}: {error.strerror}") from None
        except DocumentError as error:
            raise ProgramError(f"cannot read the mapping {path}: {error}") from None


def _entry(choice: Choice) -> dict[str, Any]:
    entry: dict[str, Any] = {"algorithm": choice.algorithm.value}
    if choice.tile is not None:
        entry["tile"] = choice.tile
    if choice.dataflow is not None:
        entry["dataflow"] = choice.dataflow.name
    if choice.fold != 1:
        entry["fold"] = choice.fold
    return entry


@dataclass(frozen=True)
class _Entry:
    """A layer's choice as the file has it."""

    algorithm: ConvAlgorithm = ConvAlgorithm.IM2COL
    tile: Tile | None = None
    dataflow: str | None = None
    fold: Annotated[int, Ge(1)] = 1

    def __post_init__(self) -> None:
        flows = [flow.name for flow in Dataflow]
        if self.dataflow is not None and self.dataflow not in flows:
            raise ValueError(f"dataflow must be one of {', '.join(flows)}, not {self.dataflow!r}")
        if self.dataflow is not None and self.algorithm is ConvAlgorithm.DEPTHWISE:
            raise ValueError(f"dataflow must be left out with depthwise, not {self.dataflow!r}")
        winograd = self.algorithm is ConvAlgorithm.WINOGRAD
        tiles = [form.tile for form in tile_forms(tuple(TRANSFORM_OF.values()))]
        if self.tile is not None and not (winograd and self.tile in tiles):
            known = " or ".join(map(repr, tiles))
            raise ValueError(f"tile must be {known}, and only with winograd, not {self.tile!r}")

    @property
    def choice(self) -> Choice:
        flow = None if self.dataflow is None else Dataflow[self.dataflow]
        return Choice(flow, self.algorithm, self.tile, self.fold)


@dataclass(frozen=True)
class _Form:
    """The whole file."""

    layers: dict[str, _Entry] = field(default_factory=dict)
    merge: tuple[tuple[str, ...], ...] = ()
    apart: tuple[str, ...] = ()
    space_to_depth: bool = False
    pool_parts: bool = False
    concat_in_place: bool = True
