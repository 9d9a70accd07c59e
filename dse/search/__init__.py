"""Parallelism search for layer-pipelined accelerators: one hardware stage per convolution layer.

`dse.search.model` prices a stage; the modules here search. See ``docs/pipeline.md``.
"""

from dse.search.budget import Budget, device_budget
from dse.search.design import Design, Stage
from dse.search.errors import BudgetError, DeviceError, NetworkError, SearchError, WindowError
from dse.search.exact import Exact, search_exact
from dse.search.filtered import Filtered, search_filtered
from dse.search.model.cost import CostModel, cost_model
from dse.search.model.device import Device
from dse.search.model.layer import Conv, Network, Pool
from dse.search.model.load import load_device, load_devices, load_network, load_published
from dse.search.model.parallelism import Granule
from dse.search.run import Method, Outcome, run
from dse.search.windows import Windows

__all__ = [
    "Budget",
    "BudgetError",
    "Conv",
    "CostModel",
    "Design",
    "Device",
    "DeviceError",
    "Exact",
    "Filtered",
    "Granule",
    "Method",
    "Network",
    "NetworkError",
    "Outcome",
    "Pool",
    "SearchError",
    "Stage",
    "WindowError",
    "Windows",
    "cost_model",
    "device_budget",
    "load_device",
    "load_devices",
    "load_network",
    "load_published",
    "run",
    "search_exact",
    "search_filtered",
]
