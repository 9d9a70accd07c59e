"""Places and routes overlays for an ECP5-85F, out of context.

``python -m benchmarks.route --array 4x4 --seed 1`` prints the clock rate, what is taken of the
device and the critical path by the source's names.  The netlist is kept in build/route, so that
further seeds (``--seed`` is repeatable) only place and route.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.depth.__main__ import small
from benchmarks.route.tools import DEVICE_NAME, TOP, netlist, routed
from dse.process import interrupt
from dse.process.progress import Progress
from hw.isa.errors import PolymapError
from hw.lib.emit import emit
from hw.overlay import Overlay
from polymap.api.command_line import parse_array
from polymap.commands import output

AIM_MHZ = 100.0
_COUNTED = ("TRELLIS_COMB", "TRELLIS_FF", "MULT18X18D", "DP16KD", "TRELLIS_RAMW")


@dataclass(frozen=True, kw_only=True)
class Step:
    """A part of a path: through a cell, or along a net."""

    kind: str
    name: str
    nanoseconds: float


@dataclass(frozen=True, kw_only=True)
class Routed:
    """A placed and routed overlay.

    Members
    -------
    clock_mhz : that static timing analysis gives.
    used : cells taken, and cells of the device.
    path : the critical path.
    """

    seed: int
    clock_mhz: float
    used: Mapping[str, tuple[int, int]]
    path: Sequence[Step]

    def share(self, kind: str) -> float:
        """Nanoseconds of the path in "logic" or "routing"."""
        logic = kind == "logic"
        return sum(one.nanoseconds for one in self.path if (one.kind != "routing") == logic)


def read(report: Mapping[str, Any], seed: int) -> Routed:
    """nextpnr's report of a design of one clock."""
    (rates,) = report["fmax"].values()
    (critical,) = (path for path in report["critical_paths"] if _within(path))
    return Routed(
        seed=seed,
        clock_mhz=rates["achieved"],
        used={
            name: (one["used"], one["available"])
            for name, one in report["utilization"].items()
            if name in _COUNTED
        },
        path=tuple(_steps(critical["path"])),
    )


def _within(path: Mapping[str, Any]) -> bool:
    """Whether a path lies between registers of the clock, not at a port."""
    return all(path[end].startswith("posedge") for end in ("from", "to"))


def _steps(path: Sequence[Mapping[str, Any]]) -> Iterator[Step]:
    for one in path:
        name = one.get("net") or one["from"]["cell"]
        yield Step(kind=one["type"], name=name.replace("\\", ""), nanoseconds=one["delay"])


def main() -> int:
    """Command line."""
    arguments = _parser().parse_args()
    try:
        config = small(*parse_array(arguments.array), arguments.lanes, arguments.winograd)
        with Progress("route") as progress:
            progress.stage("elaborating")
            verilog = emit(Overlay(config=config), TOP)
            mapped = netlist(verilog, progress=progress)
            found = [
                read(routed(mapped, seed=seed, aim_mhz=arguments.aim, progress=progress), seed)
                for seed in arguments.seed or [1]
            ]
    except (PolymapError, ValueError) as error:
        print(f"route: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        output.document({"device": DEVICE_NAME, "designs": [asdict(one) for one in found]})
    else:
        _tell(arguments, found)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.route", description="An overlay placed and routed for an ECP5."
    )
    parser.add_argument("--array", default="4x4", help="rows and columns, such as 8x8")
    parser.add_argument("--lanes", type=int, choices=(1, 2), default=2)
    parser.add_argument("--winograd", choices=("none", "f2", "f4", "both"), default="none")
    parser.add_argument("--aim", type=float, default=AIM_MHZ, help="MHz that nextpnr aims at")
    parser.add_argument("--seed", type=int, action="append", help="repeatable; default: 1")
    parser.add_argument("--json", action="store_true")
    return parser


def _tell(arguments: argparse.Namespace, found: Sequence[Routed]) -> None:
    for one in found:
        taken = ", ".join(f"{used:,} of {all_:,} {name}" for name, (used, all_) in one.used.items())
        print(
            f"{arguments.array}, {arguments.lanes} lane(s), winograd {arguments.winograd}, on an "
            f"{DEVICE_NAME}, seed {one.seed}: {one.clock_mhz:.2f} MHz, out of context; {taken}"
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
