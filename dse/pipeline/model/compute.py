"""Cycles and DSP blocks of a stage.

The paper publishes neither formula; these two are ours. With whole-row segments and no memory limit
they give the published bound of all five devices, which ties them to the literature.
"""

import numpy as np

from dse.pipeline.model.device import Pairing
from dse.pipeline.model.layer import ConvStage
from dse.pipeline.model.parallelism import Granule, Parallelism, ceil_div
from dse.pipeline.model.ram import IntArray


def cycles(stage: ConvStage, granule: Granule, par: Parallelism) -> IntArray:
    """Cycles of a stage for one image, shape (n,).

    ``ceil(n_in / para_in) ceil(n_out / para_out) kernel^2 run pixels``: one kernel tap of one
    output pixel per segment and cycle. Pipeline fill is left out: it adds latency, not period.
    """
    steps = ceil_div(stage.n_in, par.para_in) * ceil_div(stage.n_out, par.para_out)
    return steps * stage.kernel**2 * par.run * granule.pixels(stage)


def dsp_blocks(pairing: Pairing, par: Parallelism) -> IntArray:
    """DSP blocks of a stage, shape (n,): one product per multiplier and cycle.

    Independent multipliers pair freely inside a stage. Packed products share an operand: two output
    channels share the activation, or two segments the weight, whichever wastes less.
    """
    if pairing is Pairing.SHARED:
        by_channel = ceil_div(par.para_out, 2) * par.para_seg
        by_segment = par.para_out * ceil_div(par.para_seg, 2)
        return par.para_in * np.minimum(by_channel, by_segment)
    return ceil_div(par.para_in * par.para_out * par.para_seg, pairing.products)
