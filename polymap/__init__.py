"""polymap: from an ONNX model to a CNN overlay and the program that it executes.

The steps of the command line as functions (docs/cli.md)::

    model = polymap.load("digits.onnx", calibration="calibration.npz")
    config = polymap.fit(model, polymap.configuration(16, 32, 2))
    polymap.compile(model, config).save(Path("build/digits"))
    result = polymap.simulate(model, "test_images.npz", config)
"""

from typing import TYPE_CHECKING, Any

import polymap.api as _api

if TYPE_CHECKING:
    from polymap.api import *  # noqa: F403

__all__ = _api.NAMES


def __getattr__(name: str) -> Any:
    return getattr(_api, name)
