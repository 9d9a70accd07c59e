"""The overlays that fit a board: what the search chooses beside R x C."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from dse.cost.cost_model import CostModel, IntArray
from dse.cost.infeasible import Infeasible
from dse.cost.overlay_model import LEAST_SIDE, MOST_SIDE, OverlayModel
from dse.explore.card import Card
from dse.explore.resources import Resources
from dse.mapping import Hardware, Single
from dse.mapping.joint import Joint
from hw.isa.config import OverlayConfig

SURE = 0.99
"""With deeper buffers tiles are larger, which may cost a network cycles, but not as many as this
leaves (at most 0.7 % were found)."""


@dataclass(frozen=True, eq=False)
class Family:
    """All overlays of a board with the same lanes and transforms; depths of buffers are open.

    So is whether the pooling engine has multipliers for depthwise convolutions.

    Parameters
    ----------
    base : the parameters beside R x C and the depths.
    depths : of each buffer by the name of its parameter, ascending; each changes the resources by
        as much, whatever the others.
    """

    board: Card
    base: OverlayModel
    depths: Mapping[str, tuple[int, ...]]

    @cached_property
    def bound(self) -> CostModel:
        """``SURE`` of the cycles with the deepest buffers, and the DSPs of the shallowest."""
        deepest = self._model({name: options[-1] for name, options in self.depths.items()})
        return Joint((deepest,), (self._model(self._least),), SURE)

    def possible(self, arrays: IntArray) -> IntArray:
        """Where the shallowest buffers fit, since resources grow with rows and with columns."""
        kept = arrays[((arrays >= LEAST_SIDE) & (arrays <= MOST_SIDE)).all(axis=1)]
        if not len(kept):
            return kept
        least = self._model(self._least)
        widest = np.zeros(int(kept[:, 0].max()) + 1, dtype=np.int64)
        columns = int(kept[:, 1].max())
        for rows in np.unique(kept[:, 0]).tolist():
            while columns >= LEAST_SIDE and not self.board.fits(least.config(rows, columns)):
                columns -= 1
            widest[rows] = columns
        return kept[kept[:, 1] <= widest[kept[:, 0]]]

    @property
    def single(self) -> bool:
        return False

    def parts(self, rows: int, columns: int) -> Sequence[Hardware]:
        """The deepest buffers that fit together."""
        fit = _maximal(self._fitting(rows, columns))
        chosen = [self._chosen(index) for index in np.argwhere(fit).tolist()]
        return [self._singles[tuple(depths.values())] for depths in chosen]

    def refusal(self, rows: int, columns: int) -> Infeasible:
        """Of the shallowest buffers: the bound that is exceeded most, and what fits instead."""
        config = self._model(self._least).config(rows, columns)
        parts, available = self.board.blocks(config), self.board.limits
        total = Resources.total(parts.values())
        bound = max(available, key=lambda name: getattr(total, name) / max(available[name], 1))
        needed = getattr(total, bound)
        largest = max(parts, key=lambda name: getattr(parts[name], bound))
        return Infeasible(
            f"an overlay of {rows} x {columns} on board {self.board.name!r}",
            bound=bound,
            needed=needed,
            available=available[bound],
            remedy=f"most of it is {largest} with {getattr(parts[largest], bound):,}: "
            f"{self._remedy(rows, columns, bound, needed)}",
        )

    def _remedy(self, rows: int, columns: int, bound: str, needed: int) -> str:
        """The nearest arrays that fit."""
        least = self._model(self._least)

        def fits(r: int, c: int) -> bool:
            return self.board.fits(least.config(r, c))

        narrower = next((c for c in range(columns, 1, -1) if fits(rows, c)), None)
        lower = next((r for r in range(rows, 1, -1) if fits(r, columns)), None)
        found = [f"{rows} x {narrower}"] if narrower else []
        found += [f"{lower} x {columns}"] if lower else []
        if found:
            return f"{' or '.join(found)} fits"
        shrunk = [(rows * k // 16, columns * k // 16) for k in range(15, 0, -1)]
        smaller = next((a for a in shrunk if min(a) >= LEAST_SIDE and fits(*a)), None)
        if smaller is not None:
            return f"{smaller[0]} x {smaller[1]} fits"
        if bound == "dsp":
            return f"allow at least {needed:,}"
        return (
            f"no array fits beside {self.base.template.tensor_bytes:,} bytes of activations: "
            "choose a larger board or a smaller network"
        )

    @cached_property
    def _least(self) -> dict[str, int]:
        return {name: options[0] for name, options in self.depths.items()}

    @cached_property
    def _models(self) -> dict[tuple[int, ...], OverlayModel]:
        return {
            depths: replace(self.base, template=self._template(depths))
            for depths in product(*self.depths.values())
        }

    @cached_property
    def _singles(self) -> dict[tuple[int, ...], Single]:
        return {depths: Single(model, self.board.budget) for depths, model in self._models.items()}

    def _template(self, depths: Sequence[int]) -> OverlayConfig:
        changes: dict[str, Any] = dict(zip(self.depths, depths, strict=True))
        return replace(self.base.template, **changes)

    def _model(self, depths: Mapping[str, int]) -> OverlayModel:
        return self._models[tuple(depths.values())]

    def _chosen(self, index: Sequence[int]) -> dict[str, int]:
        return {
            name: options[i] for (name, options), i in zip(self.depths.items(), index, strict=True)
        }

    def _fitting(self, rows: int, columns: int) -> npt.NDArray[np.bool_]:
        """One axis a buffer: whether all resources suffice, as the sum of what each depth adds."""
        deepest = {name: options[-1] for name, options in self.depths.items()}
        total = self._resources(self._model(deepest).config(rows, columns))
        available = self.board.limits
        names = list(available)
        room = np.array([available[name] - getattr(total, name) for name in names])
        shape = tuple(len(options) for options in self.depths.values())
        if (room >= 0).all():
            return np.ones(shape, dtype=bool)
        saved = np.zeros((*shape, len(names)), dtype=np.int64)
        for axis, (buffer, options) in enumerate(self.depths.items()):
            for i, depth in enumerate(options[:-1]):
                config = self._model({**deepest, buffer: depth}).config(rows, columns)
                used = self._resources(config)
                less = [getattr(total, name) - getattr(used, name) for name in names]
                saved[(slice(None),) * axis + (i,)] += np.array(less)
        fitting: npt.NDArray[np.bool_] = np.all(room + saved >= 0, axis=-1)
        return fitting

    def _resources(self, config: OverlayConfig) -> Resources:
        return Resources.total(self.board.blocks(config).values())


def _maximal(fit: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The members of a set, closed downwards, above which no neighbour is a member."""
    found = [fit]
    for axis in range(fit.ndim):
        above = np.roll(fit, -1, axis=axis)
        above[(slice(None),) * axis + (-1,)] = False
        found.append(~above)
    maximal: npt.NDArray[np.bool_] = np.logical_and.reduce(found)
    return maximal
