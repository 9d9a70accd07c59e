"""Every multiplier of the array has a place of its own, and the mapped netlist says which."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from boards.ecp5 import toolchain
from boards.ecp5.floor_plan import DSP_ROWS, SITES, array_sites
from boards.ecp5.ulx3s_design import ARRAY
from dse.process.progress import Progress
from hw.conv.array.array import Array
from hw.conv.array.primitive import Primitive
from hw.isa.config import OverlayConfig
from hw.lib.emit import emit


def config(rows: int, columns: int, lanes: int) -> OverlayConfig:
    return OverlayConfig(rows=rows, columns=columns, lanes=lanes)


def row(site: str) -> int:
    return int(site.split("/")[1].removeprefix("Y"))


def test_the_device_has_its_multipliers() -> None:
    assert len(set(SITES)) == len(SITES) == 156  # of the LFE5U-85F, by its data sheet
    assert Counter(map(row, SITES)) == dict.fromkeys(DSP_ROWS, 52)


@pytest.mark.parametrize(
    ("rows", "columns", "lanes"),
    [(8, 8, 2), (8, 8, 1), (3, 2, 1), (2, 3, 2), (12, 12, 2), (12, 13, 1), (52, 3, 1)],
)
def test_rows_of_multipliers_share_alike(rows: int, columns: int, lanes: int) -> None:
    sites = array_sites(config(rows, columns, lanes), ARRAY)
    assert len(sites) == len(set(sites.values())) == rows * (columns + lanes - 1)
    assert set(sites.values()) <= set(SITES)
    shares = Counter(map(row, sites.values()))
    assert max(shares.values()) - min(shares[one] for one in DSP_ROWS) <= 1


def test_columns_of_a_bunch_lie_side_by_side() -> None:
    sites = array_sites(config(8, 8, 2), "")
    places = [sites[f"column_{column}.column.row_5.multiplier"] for column in range(8)]
    assert list(map(row, places)) == [10, 10, 34, 34, 34, 58, 58, 58]
    assert row(sites["before.row_5.multiplier"]) == 10
    across = [int(one.split("/")[0].removeprefix("X")) for one in places[2:5]]
    assert across == sorted(across) and across[-1] - across[0] <= 9  # as wide as a block


def test_more_than_the_device_has_are_left_to_the_placer() -> None:
    assert array_sites(config(12, 13, 2), ARRAY) == {}


@pytest.mark.parametrize("lanes", [1, 2])
def test_the_netlist_has_the_sites(lanes: int, tmp_path: Path) -> None:
    small = config(2, 2, lanes)
    verilog = emit(Array(config=small, primitive=Primitive(name="mult18x18d")), "array")
    sites = array_sites(small, "")
    with Progress("test") as progress:
        mapped = toolchain.netlist(
            {"array.v": verilog.text}, "array", sites=sites, progress=progress, folder=tmp_path
        )
    cells = json.loads(mapped.read_text())["modules"]["array"]["cells"]
    found = {name: cell["attributes"].get("BEL") for name, cell in cells.items()}
    assert {name: site for name, site in found.items() if site} == sites
    with Progress("test") as progress, pytest.raises(toolchain.FlowError, match="selection"):
        toolchain.netlist(
            {"array.v": verilog.text},
            "array",
            sites={"none": SITES[0]},
            progress=progress,
            folder=tmp_path,
        )
