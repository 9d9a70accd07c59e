"""Graph passes that a mapping may use; functions from graph to graph, with or without numbers."""

from dse.passes.apply import Arrangement, Passes, apply, rearrange
from dse.passes.concat import insert_copies
from dse.passes.fold import fold, fold_factors, folded_shape
from dse.passes.layer_shapes import layer_shapes, pool_shape
from dse.passes.merge import merge, merged_name, siblings
from dse.passes.pass_error import PassError
from dse.passes.pool_parts import pool_parts
from dse.passes.space_to_depth import blockable, blocked_shape, space_to_depth

__all__ = [
    "Arrangement",
    "PassError",
    "Passes",
    "apply",
    "blockable",
    "blocked_shape",
    "fold",
    "fold_factors",
    "folded_shape",
    "insert_copies",
    "layer_shapes",
    "merge",
    "merged_name",
    "pool_parts",
    "pool_shape",
    "rearrange",
    "siblings",
    "space_to_depth",
]
