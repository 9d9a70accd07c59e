"""Errors of graph passes."""


class PassError(ValueError):
    """A pass is asked for where it would change the network's results; the message says why."""
