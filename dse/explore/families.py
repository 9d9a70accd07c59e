"""The space of the search: lanes, transforms, widths and depths of the overlays for a board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dse.cost.cost_model import IntArray
from dse.cost.infeasible import Infeasible
from dse.cost.overlay_model import LEAST_SIDE, OverlayModel
from dse.explore.card import Card
from dse.explore.defaults import WEIGHT_ROWS
from dse.explore.family import Family
from dse.explore.needs import Needs
from dse.mapping import Hardware, Union
from dse.mapping.hardware import Unless
from hw.isa.config import TRANSFORMS, OverlayConfig
from hw.isa.timing import LEAST_TILE_CYCLES

LANES = (2, 1)
WINOGRAD = tuple(TRANSFORMS)  # the leaner ones first
DEPTHS: Mapping[str, tuple[int, ...]] = {
    "accumulator_depth": (2048, 8192),
    "weight_words": (4096, 16384),
    "scratch_words": (2048, 8192),
    "tensor_copies": (1, 2),
}
FOLDS = (1, 2, 3, 4)  # 3 for widths that 2 does not divide, such as 147 or 111
LEAST_BUS, WIDEST_BUS = 4, 128  # bytes of a beat
PORTS = (1, 2, 4)


@dataclass(frozen=True, kw_only=True)
class Space:
    """What may be chosen; the depths of buffers are always open.

    ``winograd``: the leaner ones first.  ``axi_bytes``: width of a bus, ``weight_ports``: how many
    bring weights; None: the most that the memory keeps busy.
    """

    lanes: Sequence[int] = LANES
    winograd: Sequence[str] = WINOGRAD
    folds: tuple[int, ...] = FOLDS
    axi_bytes: int | None = None
    weight_ports: int | None = None

    def families(self, board: Card, needs: Needs, *, fixed: bool = False) -> list[Hardware]:
        """All overlays that serve a network on a board, at the board's clock, by lanes.

        ``fixed``: of given arrays; else those of one lane that two lanes beat are left out.
        """
        found: dict[int, Hardware] = {}
        for lanes in sorted(self.lanes, reverse=True):
            family = self._union(board, needs, lanes)
            beaten = 2 in found and not fixed
            found[lanes] = Unless(family, found[2], half_as_high) if beaten else family
        return list(found.values())

    def templates(self, needs: Needs) -> list[OverlayConfig]:
        """Without a board: one overlay for each number of lanes and set of transforms."""
        return [
            OverlayConfig.raised(
                rows=LEAST_SIDE,
                columns=LEAST_SIDE,
                lanes=lanes,
                weight_words=WEIGHT_ROWS // lanes,
                winograd=winograd,
                scratch_words=DEPTHS["scratch_words"][-1] if TRANSFORMS[winograd] else 0,
                axi_bytes=self.axi_bytes or OverlayConfig.axi_bytes,
                weight_ports=self.weight_ports or OverlayConfig.weight_ports,
                tensor_bytes=needs.tensor_bytes,
                parameter_depth=needs.parameter_depth,
                tables=needs.tables,
                products=needs.products,
                pairs=needs.pairs,
                normalisation=needs.normalisation,
                depthwise=needs.depthwise,
                accumulator_bits=needs.accumulator_bits(winograd),
            )
            for lanes in self.lanes
            for winograd in needs.possible(self.winograd)
        ]

    def _union(self, board: Card, needs: Needs, lanes: int) -> Union:
        kinds = needs.possible(self.winograd)
        families = tuple(self._family(board, needs, lanes, kind) for kind in kinds)
        return Union(tuple(family.bound for family in families), families)

    def _family(self, board: Card, needs: Needs, lanes: int, winograd: str) -> Family:
        depths = dict(DEPTHS)
        if needs.depthwise:
            depths["depthwise"] = (0, needs.depthwise)
        if not TRANSFORMS[winograd]:
            del depths["scratch_words"]
        deepest = {name: options[-1] for name, options in depths.items()}
        template = OverlayConfig.raised(
            rows=LEAST_SIDE,
            columns=LEAST_SIDE,
            lanes=lanes,
            winograd=winograd,
            pool_lanes=pool_lanes(board),
            **buses(board, self),
            tensor_bytes=needs.tensor_bytes,
            parameter_depth=needs.parameter_depth,
            tables=needs.tables,
            products=needs.products,
            pairs=needs.pairs,
            normalisation=needs.normalisation,
            accumulator_bits=needs.accumulator_bits(winograd),
            **deepest,
        )
        base = OverlayModel(template=template, clock_hz=board.clock_hz, folds=self.folds)
        return Family(board, base, depths)


def half_as_high(arrays: IntArray) -> IntArray:
    """The arrays of two lanes with as many reduction lanes and columns as these of one lane.

    They make the same tiles of a layer and load them in half the time, with about half the DSPs, so
    that an array of one lane is only worth a look where its counterpart does not fit.  (0, 0) where
    halves would not load faster.
    """
    rows, columns = arrays.T
    halves = np.where(rows >= 2 * LEAST_TILE_CYCLES, -(-rows // 2), 0)
    return np.stack([halves, columns * (halves > 0)], axis=1)


def pool_lanes(board: Card) -> int:
    """A fiftieth of the DSPs for the pooling engine, a power of two of 4 to 128.

    With fewer, poolings outlast the layers beside them, which the closed form does not see.
    """
    share = max(1, board.dsp // 50)
    return min(max(4, 1 << (share.bit_length() - 1)), 128)


def buses(board: Card, space: Space) -> dict[str, int]:
    """Bytes of a beat and weight ports: as asked for, or the most that the memory keeps busy.

    Each master has a memory channel to itself, but ``gmem0`` shares one if the weight ports take
    all of them.
    """
    wanted = 1 if space.weight_ports is None else space.weight_ports
    ports = [n for n in PORTS if n <= board.memory_channels]
    if wanted > board.memory_channels:
        raise Infeasible(
            f"{wanted} weight ports on board {board.name!r}",
            bound="memory_channels",
            needed=wanted,
            available=board.memory_channels,
            remedy=f"choose at most {max(ports)} weight ports",
        )
    return {
        "axi_bytes": _bus_bytes(board, space.axi_bytes),
        "weight_ports": max(ports) if space.weight_ports is None else wanted,
    }


def _bus_bytes(board: Card, wanted: int | None) -> int:
    """The width of a bus: the wanted one, or the widest whose beats a channel can deliver."""
    least = wanted or LEAST_BUS
    needed, available = least * board.clock_hz, board.memory_bandwidth / board.memory_channels
    if needed > available:
        raise Infeasible(
            f"a bus of {least} bytes at {board.clock_hz / 1e6:g} MHz on a memory channel of board "
            f"{board.name!r}",
            bound="bandwidth",
            needed=needed,
            available=available,
            remedy=f"choose at most {available / board.clock_hz:.0f} bytes a beat, or a clock of "
            f"{available / least / 1e6:.0f} MHz or less",
        )
    if wanted is not None:
        return wanted
    widths = [1 << k for k in range(LEAST_BUS.bit_length() - 1, WIDEST_BUS.bit_length())]
    return max(width for width in widths if width * board.clock_hz <= available)
