"""An exploration's files with its report beside them."""

from __future__ import annotations

from pathlib import Path

from dse.explore.card import Card
from dse.explore.exploration import Exploration
from dse.files.writing import writing
from polymap.report.baselines import baselines
from polymap.report.gather import report_data
from polymap.report.page import report_page

REPORT_FILE = "report.html"


def save(found: Exploration, folder: str | Path) -> None:
    """Writes mapping, configuration, everything, and on a board the report."""
    with writing(folder) as files:
        if found.board is None:
            files.absent(REPORT_FILE)
        else:
            files.text(REPORT_FILE, _report(found, found.board))
        found.write(files)


def _report(found: Exploration, board: Card) -> str:
    what = found.network, found.model, found.mapping, board
    data = report_data(
        *what,
        lanes=found.lanes,
        certified_gap=found.certified_gap,
        seconds=found.seconds,
        baselines=baselines(*what, found.restriction),
        grids=found.grids,
        pareto=found.pareto,
        config=found.configuration,
        execution=found.execution,
    )
    return report_page(data)
