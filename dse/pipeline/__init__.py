"""Parallelism search for layer-pipelined accelerators: one hardware stage per convolution layer.

`dse.pipeline.model` prices a stage; the modules here search. See ``docs/pipeline.md``.
"""

from dse.pipeline.chip_budget import Budget, device_budget
from dse.pipeline.design import Design, Stage
from dse.pipeline.exact import Exact, search_exact
from dse.pipeline.filtered import Filtered, search_filtered
from dse.pipeline.model.cost import StageModel, cost_model
from dse.pipeline.model.device import Device
from dse.pipeline.model.layer import Chain, ConvStage, StagePool, batched, resized
from dse.pipeline.model.loads import load_device, load_devices, load_network
from dse.pipeline.model.parallelism import Granule
from dse.pipeline.model.search_error import (
    BudgetError,
    ChainError,
    DeviceError,
    SearchError,
    WindowError,
)
from dse.pipeline.run import Method, Outcome, run
from dse.pipeline.windows import Windows

__all__ = [
    "Budget",
    "BudgetError",
    "Chain",
    "ChainError",
    "ConvStage",
    "Design",
    "Device",
    "DeviceError",
    "Exact",
    "Filtered",
    "Granule",
    "Method",
    "Outcome",
    "SearchError",
    "Stage",
    "StageModel",
    "StagePool",
    "WindowError",
    "Windows",
    "batched",
    "cost_model",
    "device_budget",
    "load_device",
    "load_devices",
    "load_network",
    "resized",
    "run",
    "search_exact",
    "search_filtered",
]
