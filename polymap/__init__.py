"""polymap: from an ONNX model to a CNN overlay and the program that it executes.

The steps of the command line as functions (docs/cli.md)::

    model = polymap.load("digits.onnx", calibration="calibration.npz")
    config = polymap.fit(model, polymap.configuration(16, 32, 2))
    polymap.compile(model, config).save(Path("build/digits"))
    result = polymap.simulate(model, "test_images.npz", config)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dse.explore.defaults import configuration
from hw.isa.config import OverlayConfig
from hw.isa.errors import InputError
from polymap.api.configuration import configure

if TYPE_CHECKING:
    from boards.board import board, limited
    from dse.assembly.disassemble import structure
    from dse.assembly.program import Program
    from dse.explore.exploration import Exploration
    from dse.explore.families import Space
    from dse.explore.memories import fit
    from dse.explore.search import explore, explore_all, predict
    from dse.explore.subject import shapes_of, subject, workload
    from dse.mapping import Restriction
    from dse.onnx.findings import Report
    from dse.onnx.importer import Imported
    from dse.onnx.reading import check, load
    from dse.passes import Passes
    from dse.tiling.layer_mapping import LayerMapping
    from polymap.api.elaboration import Elaborated, elaborate, package
    from polymap.api.installation import diagnose
    from polymap.api.models import (
        compile,
        disassemble,
        read_images,
        read_instructions,
        read_mapping,
        simulate,
    )
    from polymap.report.save import save
    from sim.fast.simulated_run import DDR, IDEAL, Timing
    from sim.simulation import Result

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
    "save",
    "shapes_of",
    "simulate",
    "structure",
    "subject",
    "workload",
]

# Imported at first use: the command line starts at once, and `polymap doctor` without any of them.
_HOMES = {
    "boards.board": ("board", "limited"),
    "dse.mapping": ("Restriction",),
    "dse.onnx.importer": ("Imported",),
    "dse.onnx.findings": ("Report",),
    "dse.onnx.reading": ("check", "load"),
    "dse.passes": ("Passes",),
    "dse.assembly.disassemble": ("structure",),
    "dse.assembly.program": ("Program",),
    "dse.tiling.layer_mapping": ("LayerMapping",),
    "polymap.api.models": (
        *("compile", "disassemble"),
        *("read_images", "read_instructions", "read_mapping", "simulate"),
    ),
    "polymap.api.installation": ("diagnose",),
    "polymap.api.elaboration": ("Elaborated", "elaborate", "package"),
    "dse.explore.exploration": ("Exploration",),
    "dse.explore.families": ("Space",),
    "dse.explore.memories": ("fit",),
    "dse.explore.search": ("explore", "explore_all", "predict"),
    "dse.explore.subject": ("shapes_of", "subject", "workload"),
    "polymap.report.save": ("save",),
    "sim.fast.simulated_run": ("DDR", "IDEAL", "Timing"),
    "sim.simulation": ("Result",),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
