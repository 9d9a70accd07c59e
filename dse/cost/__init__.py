"""Cost models: cycles of layers and transitions as pure functions of shape, label and array."""

from dse.cost.array_budget import Budget
from dse.cost.cost_model import CostModel, Crossing, Label, PoolShape, as_arrays
from dse.cost.dynamap import Dynamap
from dse.cost.infeasible import Infeasible
from dse.cost.scalesim import ScaleSim

__all__ = [
    "Budget",
    "CostModel",
    "Crossing",
    "Dynamap",
    "Infeasible",
    "Label",
    "PoolShape",
    "ScaleSim",
    "as_arrays",
]
