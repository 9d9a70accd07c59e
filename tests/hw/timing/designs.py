"""The configurations whose units are measured."""

from __future__ import annotations

from dataclasses import replace

from hw.isa.config import OverlayConfig

PLAIN = OverlayConfig(
    rows=3,
    columns=2,
    lanes=1,
    axi_bytes=4,
    tensor_bytes=1024,
    weight_words=16,
    parameter_depth=16,
    accumulator_depth=64,
)
WINOGRAD = replace(PLAIN, winograd="f2", scratch_words=128)
RECORD = {"mantissa": 1 << 16, "shift": 16, "low": -128, "high": 127}
"""Parameters that hand a sum on as it is."""
