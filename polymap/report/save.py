"""An exploration's files with its report beside them."""

from __future__ import annotations

from pathlib import Path

from dse.evaluate.report_data import report_data
from dse.explore.exploration import Exploration
from dse.files.writing import writing
from polymap.report.page import report_page

REPORT_FILE = "report.html"


def save(found: Exploration, folder: str | Path) -> None:
    """Writes mapping, configuration, everything, and on a board the report."""
    with writing(folder) as files:
        if found.board is None:
            files.absent(REPORT_FILE)
        else:
            files.text(REPORT_FILE, report_page(report_data(found, found.board)))
        found.write(files)
