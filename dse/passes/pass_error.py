"""Errors of graph passes."""

from hw.isa.errors import PolymapError


class PassError(PolymapError, ValueError):
    """A pass is asked for where it would change the network's results; the message says why."""
