"""The errors of the project: what went wrong, in words for whoever asked for it."""

from __future__ import annotations

from typing import ClassVar

BAD_INPUT, FAILURE = 2, 1
"""Exit codes: the input cannot be used; the tool or the design failed."""


class PolymapError(Exception):
    """Base of the errors that input can bring about; the message says what, where and what to do.

    Any other error that ends a command is a fault of the program itself.

    Members
    -------
    exit_code : of a command that it ends.
    heading : what the command line puts before the message.
    """

    exit_code: ClassVar[int] = BAD_INPUT
    heading: ClassVar[str] = ""


class InputError(PolymapError, ValueError):
    """Input that cannot be used; the message says what, where and what to do."""


def one_line(error: Exception) -> str:
    """An error's message in one line."""
    return " ".join(str(error).split()) or type(error).__name__
