"""Whatever configuration is accepted, builds: ``python -m tests.fuzz.configurations --count 200``.

Each case draws all parameters of an overlay and what its elements are made of, emits it, and has
the Verilog read by three tools: Verilator's lint, Icarus Verilog and Yosys.

Memories are drawn shallow: Yosys' time to read one rises with the square of its rows (8192 wide
ones take minutes).  Deep ones are the default overlays', which the tests lint.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

from hw.conv.array.primitive import BEHAVIOURAL, Primitive
from hw.isa.config import (
    MAX_WEIGHT_PORTS,
    MOST_CROSSINGS,
    MOST_TABLES,
    TRANSFORMS,
    ConfigError,
    OverlayConfig,
    power_of_two,
)
from hw.lib.emit import Verilog, emit
from hw.overlay import Overlay
from sim.verilator import ToolError, lint
from tests.fuzz.campaign import Verdict, command
from tests.fuzz.readers import MissingTool, Refused, compile_with_icarus, yosys_check

SIDES = range(2, 41)  # successive seeds go through all numbers of columns


def draw(seed: int) -> OverlayConfig:
    """A configuration; depths begin at the least legal ones, and end some octaves above them."""
    rng = random.Random(seed)
    rows, columns = rng.choice(SIDES), SIDES[seed % len(SIDES)]
    lanes, axi_bytes = rng.randint(1, 2), 1 << rng.randint(2, 7)
    pool_lanes = rng.choice((0, 1, rng.randint(2, 64)))
    winograd = rng.choice(tuple(TRANSFORMS))
    elements = max((transform.elements for transform in TRANSFORMS[winograd]), default=0)
    word = power_of_two(max(lanes * rows, columns, axi_bytes, pool_lanes or min(columns, 32)))
    tables, products = rng.randint(0, MOST_TABLES), rng.randint(0, 1)
    return OverlayConfig(
        rows=rows,
        columns=columns,
        lanes=lanes,
        tensor_bytes=max(256, 4 * word) << rng.randint(0, 6),
        tensor_copies=rng.randint(1, 2),
        accumulator_depth=4 << rng.randint(0, 6),
        weight_words=2 * max(rows, columns) + rng.choice((0, rng.randint(0, 300))),
        parameter_depth=power_of_two(2 * columns) << rng.randint(0, 3),
        axi_bytes=axi_bytes,
        weight_ports=rng.choice([n for n in (1, 2, 4) if n <= MAX_WEIGHT_PORTS]),
        accumulator_bits=rng.randint(20, 40),
        pool_lanes=pool_lanes,
        watchdog_cycles=rng.choice((1 << 8, 1 << 20, (1 << 32) - 1)),
        winograd=winograd,
        scratch_words=power_of_two(2 * elements) << rng.randint(0, 1) if elements else 0,
        tables=tables,
        products=products,
        pairs=products * rng.randint(0, 1),
        normalisation=rng.randint(0, 1) if tables and products and word > 4 else 0,
        depthwise=rng.choice((0, rng.randint(1, 8))),
        crossings=rng.randint(0, min(MOST_CROSSINGS, columns - 1)),
    )


def emitted(seed: int) -> Verilog:
    """The Verilog of a drawn configuration, of elements of either kind."""
    config, rng = draw(seed), random.Random(-seed - 1)
    slices = Primitive(name="dsp48e2", cascade=rng.choice((0, rng.randint(1, config.rows))))
    overlay = Overlay(
        config=config,
        primitive=rng.choice((BEHAVIOURAL, slices)),
        ram_style=rng.choice((None, "ultra", "block")),
    )
    return emit(overlay, "polymap", clock="ap_clk", reset="ap_rst_n")


def judge(seed: int) -> Verdict:
    """What three tools say of a drawn overlay."""
    try:
        verilog = emitted(seed)
        with tempfile.TemporaryDirectory(prefix="polymap-") as name:
            folder = Path(name)
            lint(verilog, folder=folder)
            compile_with_icarus(verilog.text, verilog.top, folder)
            yosys_check(verilog.text, verilog.top, folder)
    except ConfigError as error:
        return Verdict(kind="refused", good=True, detail=str(error))
    except MissingTool as error:
        return Verdict(kind="not checked, a tool is missing", good=False, detail=str(error))
    except (ToolError, Refused) as error:
        return Verdict(kind="not clean", good=False, detail=f"{draw(seed)}: {error}")
    return Verdict(kind="clean in three tools", good=True)


if __name__ == "__main__":
    sys.exit(command(judge, "drawn overlays build", count=200))
