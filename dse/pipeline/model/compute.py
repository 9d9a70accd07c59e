"""Cycles and DSP blocks of a stage.

The paper publishes none of these formulas; they are ours. With whole-row segments and no memory
limit they give the published bound of all five devices, which ties them to the literature.
"""

import numpy as np
import numpy.typing as npt

from dse.pipeline.model.device import Pairing
from dse.pipeline.model.layer import ConvStage
from dse.pipeline.model.parallelism import Granule, Parallelism, ceil_div
from dse.pipeline.model.pixel_results import PixelResults
from dse.pipeline.model.ram import IntArray
from hw.stages.product_pair import borders_part_pairs
from hw.stages.scheme import Scheme


def cycles(stage: ConvStage, granule: Granule, par: Parallelism) -> IntArray:
    """Cycles in which a stage multiplies for one image, shape (n,).

    ``ceil(n_in / para_in) ceil(n_out / para_out) kernel^2 run pixels``: one kernel tap of one
    output pixel per segment and cycle. Pipeline fill is left out: it adds latency, not period.
    """
    steps = ceil_div(stage.n_in, par.para_in) * ceil_div(stage.n_out, par.para_out)
    return steps * stage.kernel**2 * par.run * granule.pixels(stage)


def period(stage: ConvStage, granule: Granule, scheme: Scheme, par: Parallelism) -> IntArray:
    """Cycles of a stage from one image to the next, shape (n,), up to whole ones.

    The images of a batch share its cycles. At most one pixel enters in a cycle, of one group.
    Segments of pixels send their results on in beats, one a cycle (`pixel_results`).
    """
    coming = stage.size_in**2 * stage.groups
    if granule is not Granule.PIXEL:
        taken = np.maximum(cycles(stage, granule, par), stage.size_in**2)
    else:
        taken = np.maximum(PixelResults(stage=stage, scheme=scheme, par=par).cycles, coming)
    return ceil_div(taken, stage.images)


def dsp_blocks(stage: ConvStage, pairing: Pairing, par: Parallelism) -> IntArray:
    """DSP blocks of a stage, shape (n,): one product per multiplier and cycle.

    Independent multipliers pair freely inside a stage. Packed products share an operand: two output
    channels share the activation, or two segments the weight, whichever wastes less. Channels that
    read different groups share nothing.
    """
    if pairing is Pairing.SHARED:
        by_channel = np.where(_parted(stage, par), par.para_out, ceil_div(par.para_out, 2))
        by_channel = by_channel * par.para_seg
        by_segment = par.para_out * ceil_div(par.para_seg, 2)
        return par.para_in * np.minimum(by_channel, by_segment)
    return ceil_div(par.para_in * par.para_out * par.para_seg, pairing.products)


def _parted(stage: ConvStage, par: Parallelism) -> npt.NDArray[np.bool_]:
    """Whether a border between groups parts two channels of a pair."""
    values, inverse = np.unique(par.para_out, return_inverse=True)
    parted = [
        borders_part_pairs(n_out=stage.n_out, groups=stage.groups, para_out=int(value))
        for value in values
    ]
    return np.array(parted)[inverse]
