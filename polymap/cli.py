"""The program ``polymap``: nothing large is imported before an interrupt ends in one line."""

from __future__ import annotations

import sys
from typing import Any

from dse.process import interrupt
from polymap.commands import NAME


def main() -> None:
    """Runs the command line."""
    sys.exit(interrupt.command(_run, NAME))


def __getattr__(name: str) -> Any:
    """``app``, the command line itself, which takes a while to import."""
    if name == "app":
        from polymap.commands.app import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _run() -> None:
    from polymap.commands.app import app

    app(prog_name=NAME)


if __name__ == "__main__":
    main()
