"""The error of this package."""

from hw.isa.errors import PolymapError


class ProgramError(PolymapError, ValueError):
    """A network cannot be compiled, or a file is not a program; the message says what and why."""
