"""Places and routes overlays for an ECP5-85F, out of context.

``python -m benchmarks.route --array 4x4 --seed 1`` prints the clock rate, what is taken of the
device and the critical path by the source's names.  The netlist is kept in build/route, so that
further seeds (``--seed`` is repeatable) only place and route.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.depth.__main__ import small
from boards.ecp5.floor_plan import array_sites
from boards.ecp5.timing_report import Routed, read
from boards.ecp5.toolchain import CellPlacement, Ecp5, netlist, routed
from dse.process import interrupt
from dse.process.progress import Progress
from hw.conv.array.primitive import Primitive
from hw.isa.config import TRANSFORMS
from hw.isa.errors import PolymapError
from hw.lib.emit import emit
from hw.overlay import Overlay
from polymap.api.command_line import parse_array
from polymap.commands import output

AIM_MHZ = 50.0
SIZE, PACKAGE = "85", "CABGA756"
SPEEDS = (6, 7, 8)
CACHE = Path("build/route")
TOP, ARRAY = "polymap", "conv.array."


def main() -> int:
    """Command line."""
    arguments = _parser().parse_args()
    device = Ecp5(size=SIZE, package=PACKAGE, speed=arguments.speed)
    try:
        config = small(*parse_array(arguments.array), arguments.lanes, arguments.winograd)
        with Progress("route") as progress:
            progress.stage("elaborating")
            overlay = Overlay(config=config, primitive=Primitive(name="mult18x18d"))
            sources = {f"{TOP}.v": emit(overlay, TOP).text}
            placement = CellPlacement[arguments.placement.upper()]
            sites = array_sites(config, ARRAY) if placement is CellPlacement.WIRES else {}
            mapped = netlist(sources, TOP, sites=sites, progress=progress, folder=CACHE)
            aim = {"device": device, "aim_mhz": arguments.aim, "placement": placement}
            found = [
                read(routed(mapped, seed=seed, **aim, progress=progress).report, seed)
                for seed in arguments.seed or [1]
            ]
    except (PolymapError, ValueError) as error:
        print(f"route: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        output.document({"device": device.name, "designs": [asdict(one) for one in found]})
    else:
        _tell(arguments, device, found)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.route", description="An overlay placed and routed for an ECP5."
    )
    parser.add_argument("--array", default="4x4", help="rows and columns, such as 8x8")
    parser.add_argument("--lanes", type=int, choices=(1, 2), default=2)
    parser.add_argument("--winograd", choices=tuple(TRANSFORMS), default="none")
    parser.add_argument("--aim", type=float, default=AIM_MHZ, help="MHz that nextpnr aims at")
    parser.add_argument(
        "--placement",
        choices=[one.name.lower() for one in CellPlacement],
        default=CellPlacement.CLOCK.name.lower(),
        help="for a fast clock, or, as `polymap build` does, for short wires: large arrays",
    )
    parser.add_argument("--speed", type=int, choices=SPEEDS, default=SPEEDS[0], help="speed grade")
    parser.add_argument("--seed", type=int, action="append", help="repeatable; default: 1")
    parser.add_argument("--json", action="store_true")
    return parser


def _tell(arguments: argparse.Namespace, device: Ecp5, found: Sequence[Routed]) -> None:
    for one in found:
        taken = ", ".join(f"{used:,} of {all_:,} {name}" for name, (used, all_) in one.used.items())
        print(
            f"{arguments.array}, {arguments.lanes} lane(s), winograd {arguments.winograd}, on an "
            f"{device.name}, seed {one.seed}: {one.clock_mhz:.2f} MHz, out of context; {taken}"
        )
        logic, routing = one.share("logic"), one.share("routing")
        print(f"critical path: {logic:.1f} ns of logic and {routing:.1f} ns of routing")
        output.table(
            ("through", "name"),
            ("ns",),
            [(step.kind, step.name, f"{step.nanoseconds:.2f}") for step in one.path],
        )


if __name__ == "__main__":
    sys.exit(interrupt.command(main, "route"))
