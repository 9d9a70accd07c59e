"""From a network to the program that the overlay executes (docs/program.md)."""

from dse.program.compile import compile_network
from dse.program.errors import ProgramError
from dse.program.mapping import Choice, LayerMapping
from dse.program.program import Program, read_program

__all__ = [
    "Choice",
    "LayerMapping",
    "Program",
    "ProgramError",
    "compile_network",
    "read_program",
]
