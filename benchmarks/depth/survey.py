"""The levels of all blocks of an overlay, and its longest chains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from benchmarks.depth.blocks import Block, blocks
from benchmarks.depth.cells import LEVEL
from benchmarks.depth.levels import Chain, Timing
from benchmarks.depth.synthesis import Family, Yosys, mapped
from dse.process.progress import Progress
from hw.conv.array.primitive import BEHAVIOURAL, Primitive
from hw.isa.config import OverlayConfig
from hw.lib.emit import emit
from hw.lib.yosys import without_zeros
from hw.overlay import Overlay

TOP = "polymap"
PRIMITIVES = {Family.XCUP: Primitive(name="dsp48e2"), Family.ECP5: BEHAVIOURAL}


@dataclass(frozen=True, kw_only=True)
class Levels:
    """A block's longest chains, in tenths of a level.

    Members
    -------
    inside : between registers, through the block alone.
    ends : between registers, of those that end in the block, wherever they begin; the longest.
    enters : from an input to the block's registers, and those of blocks in it.
    leaves : from registers to an output.
    through : from an input to an output.
    beyond : register pins behind more than six levels, of chains inside.
    """

    inside: int
    ends: int
    enters: int
    leaves: int
    through: int
    beyond: int

    def to_json(self) -> dict[str, float]:
        """Levels, and the count of pins."""
        tenths = {name: value / LEVEL for name, value in vars(self).items() if name != "beyond"}
        return {**tenths, "beyond": self.beyond}


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What `survey` found: levels by block, and the longest chains, the longest first."""

    family: Family
    config: OverlayConfig
    blocks: Mapping[str, Levels]
    chains: tuple[Chain, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "family": self.family.value,
            "configuration": self.config.to_json(),
            "blocks": {name: levels.to_json() for name, levels in self.blocks.items()},
            "chains": [described(chain) for chain in self.chains],
        }


def described(chain: Chain) -> dict[str, Any]:
    """A chain as plain data."""
    return {
        "levels": chain.tenths / LEVEL,
        "block": short(chain.block),
        "around": short(chain.around),
        "start": chain.start,
        "end": chain.end,
        "carries": chain.carries,
        "multipliers": chain.multipliers,
        "fanout": chain.fanout,
        "through": chain.through,
    }


def short(module: str) -> str:
    """A block's name without the top's."""
    return module.removeprefix(f"{TOP}.")


def design(config: OverlayConfig, family: Family) -> list[Block]:
    """The blocks of an overlay as it is built for a family, whose memories hold zeros anyway."""
    design = emit(Overlay(config=config, primitive=PRIMITIVES[family]), TOP)
    return blocks(replace(design, text=without_zeros(design.text)))


def survey(
    config: OverlayConfig,
    family: Family,
    *,
    progress: Progress,
    only: Iterable[str] = (),
    without: Iterable[str] = (),
    yosys: Yosys | None = None,
    longest: int = 40,
) -> Survey:
    """Maps an overlay's blocks and counts their levels.

    ``only`` : blocks to look at, each with those in it; by default all.  Chains through what stands
    around them are then not seen.  ``without`` : blocks to leave out, at whose pins chains begin
    and end, as if all of them were registers.  ``yosys`` : by default PyPI's.
    """
    progress.stage("elaborating")
    every = design(config, family)
    wanted = _closure(every, set(only)) if only else {block.module for block in every}
    wanted -= _named(every, set(without))
    chosen = [block for block in every if block.module in wanted]
    data = mapped(chosen, family, progress=progress, yosys=yosys)
    timings: dict[str, Timing] = {}
    for done, (block, one) in enumerate(zip(chosen, data, strict=True)):
        progress.share("counting levels", done, len(chosen))
        timings[block.module] = Timing(block, one, timings)
    ends: dict[str, int] = {}
    for timing in timings.values():
        for found in timing.found:
            ends[found.block] = max(ends.get(found.block, 0), found.tenths)
    ranked = sorted(
        ((found, timing) for timing in timings.values() for found in timing.found),
        key=lambda pair: -pair[0].tenths,
    )
    return Survey(
        family=family,
        config=config,
        blocks={
            short(name): _levels(timing, ends.get(name, 0)) for name, timing in timings.items()
        },
        chains=tuple(timing.chain(found) for found, timing in islice(ranked, longest)),
    )


def _named(every: list[Block], names: set[str]) -> set[str]:
    """Full names of some blocks."""
    modules = [block.module for block in every]
    missing = names - {short(module) for module in modules}
    if missing:
        known = ", ".join(map(short, modules))
        raise ValueError(f"no block named {sorted(missing)[0]!r}; known: {known}")
    return {module for module in modules if short(module) in names}


def _closure(every: list[Block], only: set[str]) -> set[str]:
    """Full names of the blocks asked for, and of all that lie in them."""
    inner = {block.module: block.inner for block in every}
    found = [*_named(every, only)]
    for name in found:
        found += [one for one in inner[name] if one not in found]
    return set(found)


def _levels(timing: Timing, ends: int) -> Levels:
    return Levels(
        inside=timing.inside,
        ends=ends,
        enters=max((end.tenths for way in timing.into.values() for end in way.values()), default=0),
        leaves=max(timing.out.values(), default=0),
        through=max((max(way.values()) for way in timing.through.values()), default=0),
        beyond=timing.beyond,
    )
