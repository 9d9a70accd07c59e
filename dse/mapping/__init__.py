"""The optimal mapping of a network onto an array, and the search for the array."""

from dse.mapping.branch import Executor, SearchGrid
from dse.mapping.build import Restriction
from dse.mapping.hardware import Hardware, Single, Union
from dse.mapping.optimise import certify_mapping, map_network
from dse.mapping.result import LayerChoice, NetworkMapping, StoreChoice
from dse.mapping.sweep import ParetoPoint, Sweep, sweep

__all__ = [
    "Executor",
    "Hardware",
    "LayerChoice",
    "NetworkMapping",
    "ParetoPoint",
    "Restriction",
    "SearchGrid",
    "Single",
    "StoreChoice",
    "Sweep",
    "Union",
    "certify_mapping",
    "map_network",
    "sweep",
]
