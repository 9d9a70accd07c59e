"""Cycles of a matrix product on an R x C array in the three dataflows, without fill and drain.

(a x b)(b x c), DYNAMAP (Meng et al., FPGA 2021, arXiv 2012.00912), with P1 = R and P2 = C:
NS ceil(a/P1) ceil(c/P2) b, WS ceil(b/P1) ceil(c/P2) a, IS ceil(b/P1) ceil(a/P2) c.
NS keeps outputs in place (pixels down the rows, output channels along the columns), WS weights and
IS inputs (the reduction down the rows).
"""

from __future__ import annotations

import numpy as np

from dse.cost.cost_model import FloatArray, IntArray

DATAFLOWS = ("NS", "WS", "IS")


def ceil_div(a: int, b: IntArray) -> IntArray:
    """a / b, rounded up."""
    return -(-a // b)


def gemm_cycles(a: int, b: int, c: int, arrays: IntArray) -> FloatArray:
    """[A, 3]: cycles in the order of ``DATAFLOWS``."""
    rows, columns = arrays[:, 0], arrays[:, 1]
    b_rows = ceil_div(b, rows)
    c_columns = ceil_div(c, columns)
    cycles = np.empty((len(arrays), 3))
    np.multiply(ceil_div(a, rows) * c_columns, b, out=cycles[:, 0])
    np.multiply(b_rows * c_columns, a, out=cycles[:, 1])
    np.multiply(b_rows * ceil_div(a, columns), c, out=cycles[:, 2])
    return cycles
