"""What the house's rule lets pass, each with its reason."""

from __future__ import annotations

from tests.house.rule import Exceptions

EXCEPTIONS = Exceptions(
    entries={
        "sim.demo": "make demo",
        "boards.kcu1500": "python -m boards.kcu1500 writes the board's first projects",
        "boards.u200": "python -m boards.u200",
        "boards.u250": "python -m boards.u250",
    },
    mirrors={
        f"dse.cycles.{unit}": f"the cycles of {home}.{unit}"
        for home, units in {
            "hw": ("overlay",),
            "hw.control": ("flow",),
            "hw.conv": ("convolution",),
            "hw.conv.array": ("parameter_chain",),
            "hw.conv.feed": ("feeder", "tap_walk"),
            "hw.conv.sequence": ("drain", "loader", "streamer"),
            "hw.conv.write": ("result_writer",),
            "hw.move": ("weights",),
        }.items()
        for unit in units
    },
    timing={
        "boards.runtime.setup:WATCHDOG_CYCLES": "how patient the host is",
        "dse.cost.candidates:CONV_CYCLES": "the search's allowance for one more CONV",
        "hw.stages.ring_rows:RING_TURN_CYCLES": "the same of the input ring",
        "hw.stages.shape:STEP_TURN_CYCLES": "the buffers' allowance for room that comes back",
        "dse.compile.limit:INSTRUCTION_CYCLES": "the allowance of a run's limit",
    },
    unused={
        "boards.estimate:estimate": "the estimate of a whole overlay, for users",
        "dse.cycles.single_layer:layer_cycles": "the exact cycles of one CONV, see docs/cycles.md",
        "dse.cost.scalesim:ScaleSim": "a second opinion on cycles, see docs/mapping.md",
        "dse.passes.fold:fold_factors": "the factors that a mapping may name, see docs/cycles.md",
        "dse.onnx.randomise:randomise": "weights for models without any, for examples/light.py",
        "hw.isa.timing:WRITE_TO_READ": "contract of the tensor memory",
        "hw.isa.timing:output_switch_gap": "contract of the output transform",
        "sim.cocotb_runner:run_job": "benches of cocotb, for tests",
        "sim.functional:run": "the functional model, an oracle of programs",
    },
)
