"""The results that the paper of the pipeline search publishes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def load_published() -> list[dict[str, Any]]:
    """Rows of the published result table, one per device, with the keys of ``published.json``."""
    raw = json.loads((Path(__file__).parent / "published.json").read_text())
    rows: list[dict[str, Any]] = raw["results"]
    return rows
