"""The error of this package."""


class ProgramError(ValueError):
    """A network cannot be compiled, or a file is not a program; the message says what and why."""
