"""The public functions and types of the package; ``polymap`` passes them on.

Each is imported at its first use: the command line starts at once, and ``polymap doctor`` without
any package that it looks for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boards.board import board as board
    from boards.board import limited as limited
    from boards.ecp5.built import Built as Built
    from boards.ecp5.built import build as build
    from boards.ecp5.built import require_flow as require_flow
    from boards.packaging import scripts as scripts
    from boards.realise import realise as realise
    from boards.runtime.bundle import Bundle as Bundle
    from boards.runtime.target import Target as Target
    from dse.assembly.disassemble import structure as structure
    from dse.assembly.program import Program as Program
    from dse.explore.defaults import configuration as configuration
    from dse.explore.exploration import Exploration as Exploration
    from dse.explore.families import Space as Space
    from dse.explore.flights import explore_several as explore_several
    from dse.explore.memories import fit as fit
    from dse.explore.search import explore as explore
    from dse.explore.search import explore_all as explore_all
    from dse.explore.search import predict as predict
    from dse.explore.subject import shapes_of as shapes_of
    from dse.explore.subject import subject as subject
    from dse.explore.subject import workload as workload
    from dse.mapping import Restriction as Restriction
    from dse.network.graph import Network as Network
    from dse.network.segments import segments as segments
    from dse.onnx.findings import Report as Report
    from dse.onnx.importer import Imported as Imported
    from dse.onnx.reading import check as check
    from dse.onnx.reading import fix as fix
    from dse.onnx.reading import load as load
    from dse.passes import Passes as Passes
    from dse.tiling.layer_mapping import LayerMapping as LayerMapping
    from hw.isa.config import OverlayConfig as OverlayConfig
    from hw.isa.errors import InputError as InputError
    from polymap.api.command_line import configure as configure
    from polymap.api.elaboration import Elaborated as Elaborated
    from polymap.api.elaboration import elaborate as elaborate
    from polymap.api.elaboration import package as package
    from polymap.api.installation import diagnose as diagnose
    from polymap.api.models import bundle as bundle
    from polymap.api.models import compile as compile
    from polymap.api.models import disassemble as disassemble
    from polymap.api.models import read_images as read_images
    from polymap.api.models import read_instructions as read_instructions
    from polymap.api.models import read_mapping as read_mapping
    from polymap.api.models import simulate as simulate
    from polymap.api.running import Answered as Answered
    from polymap.api.running import run as run
    from polymap.report.save import save as save
    from sim.fast.simulated_run import DDR as DDR
    from sim.fast.simulated_run import IDEAL as IDEAL
    from sim.fast.simulated_run import Timing as Timing
    from sim.simulation import Result as Result

_HOMES = {
    "boards.board": ("board", "limited"),
    "boards.ecp5.built": ("Built", "build", "require_flow"),
    "boards.packaging": ("scripts",),
    "boards.realise": ("realise",),
    "dse.assembly.disassemble": ("structure",),
    "dse.assembly.program": ("Program",),
    "dse.explore.defaults": ("configuration",),
    "dse.explore.exploration": ("Exploration",),
    "dse.explore.families": ("Space",),
    "dse.explore.flights": ("explore_several",),
    "dse.explore.memories": ("fit",),
    "dse.explore.search": ("explore", "explore_all", "predict"),
    "dse.explore.subject": ("shapes_of", "subject", "workload"),
    "dse.mapping": ("Restriction",),
    "dse.network.graph": ("Network",),
    "dse.network.segments": ("segments",),
    "boards.runtime.bundle": ("Bundle",),
    "boards.runtime.target": ("Target",),
    "dse.onnx.findings": ("Report",),
    "dse.onnx.importer": ("Imported",),
    "dse.onnx.reading": ("check", "fix", "load"),
    "dse.passes": ("Passes",),
    "dse.tiling.layer_mapping": ("LayerMapping",),
    "hw.isa.config": ("OverlayConfig",),
    "hw.isa.errors": ("InputError",),
    "polymap.api.command_line": ("configure",),
    "polymap.api.elaboration": ("Elaborated", "elaborate", "package"),
    "polymap.api.installation": ("diagnose",),
    "polymap.api.models": (
        *("bundle", "compile", "disassemble", "simulate"),
        *("read_images", "read_instructions", "read_mapping"),
    ),
    "polymap.api.running": ("Answered", "run"),
    "polymap.report.save": ("save",),
    "sim.fast.simulated_run": ("DDR", "IDEAL", "Timing"),
    "sim.simulation": ("Result",),
}

NAMES = [name for names in _HOMES.values() for name in names]


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'polymap' has no attribute {name!r}")
