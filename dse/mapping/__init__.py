"""The optimal mapping of a network onto an array, and the search for the array."""

from dse.mapping.build import Restriction
from dse.mapping.optimise import certify_mapping, map_network
from dse.mapping.result import LayerChoice, NetworkMapping, StoreChoice
from dse.mapping.sweep import ParetoPoint, Sweep, sweep

__all__ = [
    "LayerChoice",
    "NetworkMapping",
    "ParetoPoint",
    "Restriction",
    "StoreChoice",
    "Sweep",
    "certify_mapping",
    "map_network",
    "sweep",
]
