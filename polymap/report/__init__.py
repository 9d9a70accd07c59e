"""The report of an exploration as one self-contained HTML file."""

from polymap.report.baselines import Baseline, baselines
from polymap.report.data import Event, ReportData, Rival, Roof, Timeline
from polymap.report.gather import report_data
from polymap.report.page import report_page, write_report
from polymap.report.save import save

__all__ = [
    "Baseline",
    "Event",
    "ReportData",
    "Rival",
    "Roof",
    "Timeline",
    "baselines",
    "report_data",
    "report_page",
    "save",
    "write_report",
]
