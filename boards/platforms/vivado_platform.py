"""A board whose device Vivado builds for and loads."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from amaranth.vendor import XilinxPlatform

_LOAD = """open_hw_manager
connect_hw_server
open_hw_target
set device [lindex [get_hw_devices {device}*] 0]
set_property PROGRAM.FILE {{{bitstream}}} $device
program_hw_devices $device
"""


class VivadoPlatform(XilinxPlatform):
    """What boards of UltraScale and UltraScale+ have in common."""

    def toolchain_prepare(self, fragment: Any, name: str, **kwargs: Any) -> Any:
        """Cards are cooled by their host's fans: one that gets too hot shuts itself down."""
        overrides = {
            "script_before_bitstream": (
                "set_property BITSTREAM.CONFIG.OVERTEMPSHUTDOWN ENABLE [current_design]\n"
                "set_property BITSTREAM.GENERAL.COMPRESS TRUE [current_design]\n"
            )
        }
        return super().toolchain_prepare(fragment, name, **(overrides | kwargs))

    def toolchain_program(self, products: Any, name: str) -> None:
        """Loads the bitstream over JTAG."""
        vivado = os.environ.get("VIVADO", "vivado")
        with products.extract(f"{name}.bit") as bitstream:
            script = _LOAD.format(device=self.device, bitstream=bitstream)
            subprocess.run(
                [vivado, "-mode", "tcl", "-nojournal", "-nolog"],
                input=script,
                text=True,
                check=True,
            )
