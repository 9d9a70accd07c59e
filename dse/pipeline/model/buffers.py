"""Memory blocks of a stage: the paper publishes no formula, this model is ours.

Three ways to build a stage:

- LINE: the weights stay on chip. A ring of input rows holds what the present step reads and what
  arrives meanwhile; all output channels of a step are made before the next step.
- BAND: as LINE, but a step is a band of ``1 / BANDS`` of the map, and the weights of one tile of
  output channels are held twice, one tile in use and one arriving from DRAM. Every weight is read
  once per band.
- MAP: the whole input map is held twice, one copy being read and one being written, and the
  weights as in BAND. Every weight is read once per image.

Input banks are interleaved: the granule (row or pixel) that segment s reads for a kernel tap lies a
fixed distance after its own, so neighbouring segments read neighbouring banks, and ``para_seg``
banks serve ``para_seg`` segments without conflict. See ``docs/pipeline.md``.
"""

from dataclasses import dataclass

import numpy as np

from dse.pipeline.model.layer import ConvStage
from dse.pipeline.model.parallelism import Granule, Parallelism, ceil_div
from dse.pipeline.model.pixel_buffers import PixelBuffers, groups_touched
from dse.pipeline.model.ram import IntArray, Ram
from hw.stages.scheme import Scheme, step_passes


@dataclass(frozen=True, kw_only=True, eq=False)
class Buffers:
    """Memory blocks of n candidates of one stage, five arrays of shape (n,).

    Parameters
    ----------
    input : IntArray
        Ring of rows (LINE, BAND) or double-buffered map (MAP).
    weight : IntArray
        All weights (LINE) or a double-buffered tile (BAND, MAP).
    output : IntArray
        Results that wait: two steps or more (LINE, BAND), two passes or more (MAP).
    pool : IntArray
        Partial results of pooling.
    parameter : IntArray
        Biases and shifts of the channels; only counted for segments of pixels.
    """

    input: IntArray
    weight: IntArray
    output: IntArray
    pool: IntArray
    parameter: IntArray

    @property
    def total(self) -> IntArray:
        """Memory blocks of the stage."""
        return self.input + self.weight + self.output + self.pool + self.parameter


def buffers(
    stage: ConvStage,
    scheme: Scheme,
    granule: Granule,
    par: Parallelism,
    *,
    ram: Ram,
    bits: int,
    packed: bool = False,
) -> Buffers:
    """Memory blocks of every buffer of a stage, for words of ``bits`` bits.

    Packed products take a few cycles more, for which results of segments of pixels must wait.
    """
    if granule is Granule.PIXEL:
        sizes = PixelBuffers(stage=stage, scheme=scheme, par=par, ram=ram, bits=bits, packed=packed)
        return Buffers(
            input=sizes.input,
            weight=sizes.weight,
            output=sizes.output,
            pool=sizes.pool,
            parameter=sizes.parameter,
        )
    word = -(-bits // 8)
    return Buffers(
        input=_input(stage, scheme, granule, par, ram=ram, word=word),
        weight=_weight(stage, scheme, par, ram=ram, word=word),
        output=_output(stage, scheme, granule, par, ram=ram, word=word),
        pool=_pool(stage, scheme, granule, par, ram=ram, word=word),
        parameter=np.zeros_like(par.run),
    )


def live_rows(stage: ConvStage, scheme: Scheme, granule: Granule, par: Parallelism) -> IntArray:
    """Input rows that a stage holds, in cells of ``stride`` rows, shape (n,).

    MAP holds the map twice. LINE and BAND hold the rows under the kernel for one step, and those
    which arrive during the step, but never more than the map twice.
    """
    whole = np.full_like(par.para_seg, 2 * _cells(stage))
    if scheme is Scheme.MAP:
        return whole
    step = _step(scheme, par)
    arriving = step if granule is Granule.ROW else ceil_div(step, stage.size_out)
    under_kernel = _row_span(stage, granule, step) - 1 + -(-stage.kernel // stage.stride)
    return np.minimum(whole, under_kernel + arriving)


def bank_depth(stage: ConvStage, granule: Granule, para_seg: IntArray, rows: IntArray) -> IntArray:
    """Pixels (of one channel step) in the fullest of ``para_seg`` banks, shape (n,).

    ``rows`` is in cells of ``stride`` rows; columns are taken in such cells too. The bank of row
    cell y is ``y mod para_seg``, of pixel cell (y, x) ``(y size_out + x) mod para_seg``. Where a
    row has more cells than outputs, the bound adds the surplus columns: each of them meets a bank
    once per ``para_seg / gcd(size_out, para_seg)`` rows.
    """
    if granule is Granule.ROW:
        return ceil_div(rows, para_seg) * stage.stride * stage.rows_used
    dense = ceil_div(rows * min(_cells(stage), stage.size_out), para_seg)
    surplus = max(0, _cells(stage) - stage.size_out) * ceil_div(
        rows * np.gcd(stage.size_out, para_seg), para_seg
    )
    return (dense + surplus) * stage.stride**2


def _cells(stage: ConvStage) -> int:
    """Cells of ``stride`` rows (or columns) which the used part of the padded input map covers."""
    last = stage.rows_used - 1 + stage.pad
    return last // stage.stride - stage.pad // stage.stride + 1


def weight_reads(scheme: Scheme, par: Parallelism) -> IntArray:
    """Times that a stage reads each of its weights from DRAM for one image, shape (n,)."""
    if scheme is Scheme.LINE:
        return np.zeros_like(par.run)
    if scheme is Scheme.MAP:
        return np.ones_like(par.run)
    return ceil_div(par.run, step_passes(scheme, par.run))


def _step(scheme: Scheme, par: Parallelism) -> IntArray:
    """Granules of one step: those which all segments make before the channels start again."""
    return par.para_seg if scheme is Scheme.MAP else par.para_seg * step_passes(scheme, par.run)


def _row_span(stage: ConvStage, granule: Granule, count: IntArray) -> IntArray:
    """Output rows touched by ``count`` neighbouring granules in steps of ``count``."""
    width = stage.size_out
    if granule is Granule.ROW:
        return np.minimum(count, width)
    aligned = ceil_div(count, width)
    anywhere = np.where(count == 1, 1, (count - 2) // width + 2)
    is_aligned = (count % width == 0) | (width % count == 0)
    return np.minimum(np.where(is_aligned, aligned, anywhere), width)


def _input(
    stage: ConvStage, scheme: Scheme, granule: Granule, par: Parallelism, *, ram: Ram, word: int
) -> IntArray:
    values, inverse = np.unique(par.para_out, return_inverse=True)
    touched = np.array([groups_touched(stage, int(value)) for value in values])[inverse]
    channel_steps = ceil_div(stage.n_in, par.para_in) * ceil_div(stage.groups, touched)
    rows = live_rows(stage, scheme, granule, par)
    bank = ram.blocks(
        lanes=par.para_in * touched * word,
        depth=channel_steps * bank_depth(stage, granule, par.para_seg, rows),
    )
    return bank * par.para_seg


def _weight(stage: ConvStage, scheme: Scheme, par: Parallelism, *, ram: Ram, word: int) -> IntArray:
    tile = ceil_div(stage.n_in, par.para_in) * stage.kernel**2
    copies = ceil_div(stage.n_out, par.para_out) if scheme is Scheme.LINE else 2
    return ram.blocks(lanes=par.para_in * par.para_out * word, depth=tile * copies)


def _output(
    stage: ConvStage, scheme: Scheme, granule: Granule, par: Parallelism, *, ram: Ram, word: int
) -> IntArray:
    if scheme is Scheme.MAP:
        return np.zeros_like(par.para_seg)
    ports = ceil_div(par.para_seg, _cycles_per_result(stage, par))
    pixels = 2 * _step(scheme, par) * granule.pixels(stage)
    depth = ceil_div(pixels, ports) * ceil_div(stage.n_out, par.para_out)
    return ram.blocks(lanes=par.para_out * word, depth=depth) * ports


def _pool(
    stage: ConvStage, scheme: Scheme, granule: Granule, par: Parallelism, *, ram: Ram, word: int
) -> IntArray:
    pool = stage.pool
    if pool is None:
        return np.zeros_like(par.para_seg)
    overlap = -(-pool.kernel // pool.stride)
    if scheme is Scheme.MAP:
        rows = overlap + ceil_div(_row_span(stage, granule, par.para_seg) - 1, pool.stride)
        entries = rows * pool.size_out
    else:
        entries = overlap * pool.size_out * ceil_div(stage.n_out, par.para_out)
    ports = ceil_div(par.para_seg * overlap**2, _cycles_per_result(stage, par))
    bank = ram.blocks(lanes=par.para_out * word, depth=ceil_div(entries, ports))
    return bank * ports


def _cycles_per_result(stage: ConvStage, par: Parallelism) -> IntArray:
    """Cycles that a segment spends on one tile of output channels of one pixel."""
    return ceil_div(stage.n_in, par.para_in) * stage.kernel**2
