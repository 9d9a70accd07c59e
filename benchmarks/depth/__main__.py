"""The longest chains of logic between registers, by block.

``python -m benchmarks.depth --array 4x4 --lanes 2 --winograd both`` maps the overlay's blocks with
Yosys (to UltraScale+, or with ``--family ecp5``) and prints the levels of each block and the
longest chains with the source's names.  Maps are kept in build/depth, so that only what has changed
is mapped again.  Chains are followed through all blocks; logic is not merged across the border of
two blocks.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import polymap
from benchmarks.depth.cells import LEVEL
from benchmarks.depth.levels import Chain
from benchmarks.depth.survey import Survey, described, short, survey
from benchmarks.depth.synthesis import Family, installed
from dse.explore.defaults import configuration
from dse.process import interrupt
from dse.process.progress import Progress
from hw.isa.config import TRANSFORMS, OverlayConfig
from hw.isa.errors import PolymapError
from polymap.api.command_line import parse_array
from polymap.commands import output

SMALL: dict[str, int | str] = {
    "tensor_bytes": 1 << 15,
    "accumulator_depth": 256,
    "weight_words": 256,
}
SMALL |= {"parameter_depth": 256, "axi_bytes": 8}
"""Memories up to 16 x 16: depth adds a multiplexer to a chain, but much time."""


def small(rows: int, columns: int, lanes: int, winograd: str) -> OverlayConfig:
    """An overlay with an 8-byte bus and small memories."""
    asked = {**SMALL, "rows": rows, "columns": columns, "lanes": lanes, "winograd": winograd}
    return OverlayConfig.from_json(asked | _transforms(winograd))


def _transforms(winograd: str) -> dict[str, int]:
    """What the largest transform needs."""
    return {} if winograd == "none" else {"scratch_words": 128, "accumulator_bits": 38}


def main() -> int:
    """Command line."""
    arguments = _parser().parse_args()
    try:
        config = _config(arguments)
        with Progress("depth") as progress:
            found = survey(
                config,
                Family(arguments.family),
                progress=progress,
                only=arguments.block,
                without=arguments.without,
                yosys=None if arguments.yosys is None else installed(arguments.yosys),
                longest=arguments.chains,
            )
    except (PolymapError, ValueError) as error:
        print(f"depth: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        output.document(found.to_json())
    else:
        _tell(found)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.depth",
        description="Levels of logic between registers, by block.",
    )
    parser.add_argument("--array", default="4x4", help="rows and columns, such as 48x112")
    parser.add_argument("--lanes", type=int, choices=(1, 2), default=2)
    parser.add_argument("--winograd", choices=tuple(TRANSFORMS), default="both")
    parser.add_argument("--config", help="a configuration's file instead, such as explore writes")
    parser.add_argument("--family", choices=[one.value for one in Family], default="xcup")
    parser.add_argument("--yosys", help="a Yosys of the machine's instead of PyPI's 4 GB")
    parser.add_argument("--block", action="append", default=[], help="only this one; repeatable")
    parser.add_argument(
        "--without", action="append", default=[], help="leave this block out; repeatable"
    )
    parser.add_argument("--chains", type=int, default=20, help="how many of the longest to list")
    parser.add_argument("--json", action="store_true")
    return parser


def _config(arguments: argparse.Namespace) -> OverlayConfig:
    if arguments.config is not None:
        return polymap.configure(None, None, Path(arguments.config))
    return chosen(arguments.array, arguments.lanes, arguments.winograd)


def chosen(array: str, lanes: int, winograd: str) -> OverlayConfig:
    """Up to 16 x 16 with small memories, else with the default ones."""
    rows, columns = parse_array(array)
    if rows <= 16 and columns <= 16:
        return small(rows, columns, lanes, winograd)
    return configuration(rows, columns, lanes, winograd=winograd, **_transforms(winograd))


def _tell(found: Survey) -> None:
    output.table(
        ("block",),
        ("inside", "ends here", "from inputs", "to outputs", "through", "pins behind > 6"),
        [
            (
                name,
                *(_text(value) for value in (one.inside, one.ends, one.enters)),
                *(_text(value) for value in (one.leaves, one.through)),
                f"{one.beyond:,}" if one.beyond else "",
            )
            for name, one in sorted(found.blocks.items(), key=lambda item: -item[1].ends)
        ],
    )
    print()
    output.table(
        ("from", "to", "ends in"),
        ("levels", "carry bits", "multipliers", "fan-out"),
        [_row(chain) for chain in found.chains],
    )
    if found.chains:
        print("\nthe first, step by step:", " > ".join(described(found.chains[0])["through"]))


def _row(chain: Chain) -> tuple[str, ...]:
    return (
        chain.start,
        chain.end,
        short(chain.block),
        _text(chain.tenths),
        f"{chain.carries}",
        f"{chain.multipliers or ''}",
        f"{chain.fanout:,}",
    )


def _text(tenths: int) -> str:
    return f"{tenths / LEVEL:.1f}" if tenths else ""


if __name__ == "__main__":
    sys.exit(interrupt.command(main, "depth"))
