"""polymap: from an ONNX model to a CNN overlay and the program that it executes.

The steps of the command line as functions (docs/cli.md)::

    model = polymap.load("digits.onnx", calibration="calibration.npz")
    config = polymap.fit(model, polymap.configuration(16, 32, 2))
    polymap.compile(model, config).save(Path("build/digits"))
    result = polymap.simulate(model, "test_images.npz", config)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hw.config import OverlayConfig
from polymap.configuration import configuration, configure
from polymap.errors import InputError

if TYPE_CHECKING:
    from boards.board import board
    from dse.mapping import Restriction
    from dse.network.importer import Imported
    from dse.network.report import Report
    from dse.passes import Passes
    from dse.program import LayerMapping, Program
    from dse.program.disassemble import structure
    from polymap.api import (
        check,
        compile,
        disassemble,
        load,
        read_images,
        read_instructions,
        read_mapping,
        simulate,
    )
    from polymap.doctor import diagnose
    from polymap.elaboration import Elaborated, elaborate, package
    from polymap.exploration import Exploration
    from polymap.families import Space
    from polymap.memories import fit
    from polymap.search import explore, explore_all, limited, predict
    from polymap.shapes import shapes_of, subject, workload
    from sim.fast.job import DDR, IDEAL, Timing
    from sim.simulate import Result

__all__ = [
    "DDR",
    "IDEAL",
    "Elaborated",
    "Exploration",
    "Imported",
    "InputError",
    "LayerMapping",
    "OverlayConfig",
    "Passes",
    "Program",
    "Report",
    "Restriction",
    "Result",
    "Space",
    "Timing",
    "board",
    "check",
    "compile",
    "configuration",
    "configure",
    "diagnose",
    "disassemble",
    "elaborate",
    "explore",
    "explore_all",
    "fit",
    "limited",
    "load",
    "package",
    "predict",
    "read_images",
    "read_instructions",
    "read_mapping",
    "shapes_of",
    "simulate",
    "structure",
    "subject",
    "workload",
]

# Imported at first use: the command line starts at once, and `polymap doctor` without any of them.
_HOMES = {
    "boards.board": ("board",),
    "dse.mapping": ("Restriction",),
    "dse.network.importer": ("Imported",),
    "dse.network.report": ("Report",),
    "dse.passes": ("Passes",),
    "dse.program": ("LayerMapping", "Program"),
    "dse.program.disassemble": ("structure",),
    "polymap.api": (
        *("check", "compile", "disassemble", "load"),
        *("read_images", "read_instructions", "read_mapping", "simulate"),
    ),
    "polymap.doctor": ("diagnose",),
    "polymap.elaboration": ("Elaborated", "elaborate", "package"),
    "polymap.exploration": ("Exploration",),
    "polymap.families": ("Space",),
    "polymap.memories": ("fit",),
    "polymap.search": ("explore", "explore_all", "limited", "predict"),
    "polymap.shapes": ("shapes_of", "subject", "workload"),
    "sim.fast.job": ("DDR", "IDEAL", "Timing"),
    "sim.simulate": ("Result",),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
