"""The overlay behind the ``CostModel`` protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, reduce
from math import inf

import numpy as np
import numpy.typing as npt

from dse.cost.between import BANDS, SHORTEST, depthwise_cycles, load_cycles, pool_cycles, pool_lanes
from dse.cost.candidates import CONV_CYCLES, ConvExtents, Tiled, tilings, winograd_tilings
from dse.cost.cost_model import (
    POOLING,
    Crossing,
    FloatArray,
    IntArray,
    Label,
    Saving,
    as_arrays,
)
from dse.cost.extents import extents, packings
from dse.cost.waves import least_waves
from dse.cost.ways import Way, legal_labels, ways
from dse.network.conv_shape import ConvShape
from dse.network.pool_shape import PoolShape
from dse.network.tensor import Shape
from dse.passes import folded_shape
from dse.tiling.count import Count, either, greater, lesser
from dse.tiling.grid import Grid
from dse.tiling.legality import most_channels
from hw.isa import Dataflow
from hw.isa.config import OverlayConfig
from hw.isa.timing import DISPATCH
from hw.lib.requantise import DSP_FACTOR

PLAIN = "plain"
Parts = Mapping[str, Count]
"""Cycles by part."""
LEAST_SIDE, MOST_SIDE = 2, 1024  # rows and columns that ``OverlayConfig`` takes


@dataclass(frozen=True, kw_only=True)
class OverlayModel:
    """Cycles of our own overlay, one layer after the other, in closed form.

    A layer takes fill and drain, and between them the longer of array and weight stream.  Whole
    tensors stay on chip in one layout, so layers meet without conversions.  What poolings and the
    input's LOAD take is charged where the array waits for them (`transition`).

    Parameters
    ----------
    template : the hardware but for rows and columns, which are ignored.
    prefetched : share of a layer's wait for its weights that the compiler's prefetch hides behind
        earlier layers, see docs/cycles.md.
    clock_hz : clock of the overlay.
    folds : folding factors on offer; () or (1,) is none.
    """

    template: OverlayConfig = field(default_factory=OverlayConfig)
    clock_hz: float = 286e6
    folds: tuple[int, ...] = (1, 2, 4)
    prefetched: float = 0.25

    def __post_init__(self) -> None:
        if not 0 < self.clock_hz < inf:
            raise ValueError(f"clock_hz must be positive and finite, not {self.clock_hz!r}")
        if not 0 <= self.prefetched <= 1:
            raise ValueError(f"prefetched must be within [0, 1], not {self.prefetched!r}")
        if any(not isinstance(fold, int) or fold < 1 for fold in self.folds):
            raise ValueError(f"folds must be positive integers, not {self.folds!r}")

    @property
    def name(self) -> str:
        return "overlay"

    def config(self, rows: int, columns: int) -> OverlayConfig:
        """The configuration of an array: the template's memories, raised to the least it needs."""
        return OverlayConfig.raised(**{**vars(self.template), "rows": rows, "columns": columns})

    def way(self, label: Label) -> Way:
        """What a layer's label stands for."""
        return ways(self.template, self.folds)[label]

    def labels(self, conv: ConvShape) -> tuple[Label, ...]:
        return legal_labels(self.template, self.folds, conv)

    def cycles(self, conv: ConvShape, labels: Sequence[Label], arrays: IntArray) -> FloatArray:
        if len(arrays) == 1:
            rows, columns = arrays[0].tolist()
            return np.array([[_on_one_array(self, conv, lb, rows, columns) for lb in labels]])
        return np.stack([self._cycles(conv, label, arrays) for label in labels], axis=1)

    def least(
        self,
        conv: ConvShape,
        labels: Sequence[Label],
        arrays: IntArray,
        limit: FloatArray | None = None,
    ) -> FloatArray:
        if len(arrays) == 1:
            least = _least_on_one_array(self, conv, tuple(labels), *arrays[0].tolist())
            return np.array([least])
        grid = _grid(arrays, self.template)
        best = np.full(len(arrays), inf) if limit is None else limit.copy()
        bounds = [np.broadcast_to(self._bound(conv, lb, grid), best.shape) for lb in labels]
        for k in sorted(range(len(labels)), key=lambda k: float(bounds[k].sum())):
            (open_,) = np.nonzero(bounds[k] < best)
            if len(open_):
                cycles = self._cycles(conv, labels[k], arrays[open_])
                best[open_] = np.minimum(best[open_], cycles)
        return best

    def least_waves(self, conv: ConvShape, rows: int, columns: int) -> float:
        """Cycles with waves that a layer has on an array at least, whatever its label."""
        grid = Grid(float(rows), float(columns), self.template)
        waves = (
            count * least_waves(shape, way.dataflow, grid)
            for way in map(self.way, self.labels(conv))
            if way.dataflow is not None
            for shape, count in self._convs(conv, way, grid)
        )
        return min(waves, default=0.0)

    def _bound(self, conv: ConvShape, label: Label, grid: Grid) -> Count:
        """No more than the cycles of a label: its waves, and one way through the array.

        0 beside the array.
        """
        way = self.way(label)
        if way.dataflow is None:
            return 0
        through = grid.rows if way.dataflow is Dataflow.IS else grid.rows + grid.columns
        cuts = [(1, conv), *(_bands(conv, way) if conv.pooled else ())]
        waves = (
            parts * count * least_waves(shape, way.dataflow, grid)
            for parts, part in cuts
            for shape, count in self._convs(part, way, grid)
        )
        return through + reduce(lesser, waves)

    def _cycles(self, conv: ConvShape, label: Label, arrays: IntArray) -> FloatArray:
        """[A]: of one label; inf on arrays that no configuration has."""
        grid, way = _grid(arrays, self.template), self.way(label)
        options = list(self._candidates(conv, way, grid))
        found = np.full(len(arrays), inf)
        for parts in options:
            np.minimum(found, sum(parts.values()), out=found)
        if conv.pooled is not None:
            found += self._tail(conv, conv.pooled, way, options, grid)
        found[_beyond(arrays)] = inf
        return found

    def store_labels(self, shape: Shape, consumers: Sequence[ConvShape]) -> tuple[Label, ...]:
        return (Label(PLAIN),)

    def saving(self, label: Label) -> Saving | None:
        way = ways(self.template, self.folds).get(label)
        if way is None or way.form is None:
            return None
        transform = way.form.transform
        products = transform.pixels * transform.y.taps * transform.x.taps
        return Saving(products / transform.elements, transform.name)

    def layout(self, label: Label) -> str:
        return PLAIN

    def transition(
        self,
        crossing: Crossing,
        source: Sequence[Label],
        target: Sequence[Label],
        arrays: IntArray,
    ) -> FloatArray:
        """Cycles in which the reader waits; the input's LOAD is shared by its readers."""
        waits = np.zeros((1, 1, 1))
        if crossing.loaded:
            waits = waits + load_cycles(crossing.source, self.template) / crossing.readers
        if crossing.pools:
            waits = waits + self._poolings(crossing, arrays).reshape(-1, 1, 1)
        return np.broadcast_to(waits, (len(waits), len(source), len(target)))

    def resources(self, arrays: IntArray) -> Mapping[str, IntArray]:
        """DSPs as ``boards.estimate`` counts them: elements, requantisation, residuals, pooling."""
        rows, columns = arrays[:, 0], arrays[:, 1]
        template = self.template
        feet = 1 if template.accumulator_bits <= DSP_FACTOR else 2
        elements = rows * (columns + template.lanes - 1)
        lane = 1 + template.products + template.depthwise
        lane += feet - 1 if template.depthwise else 0  # whose sums are the accumulators'
        pooling = lane * pool_lanes(columns, template)
        return {"dsp": elements + (feet + 2) * columns + pooling}

    def peak_macs(self, arrays: IntArray) -> FloatArray:
        return (self.template.lanes * arrays[:, 0] * arrays[:, 1]).astype(np.float64)

    def split(self, conv: ConvShape, label: Label, arrays: IntArray) -> Mapping[str, FloatArray]:
        """[A] by part: fill, array, load (of weights, beyond the array's own cycles), drain."""
        grid = _grid(arrays, self.template)
        found = list(self._candidates(conv, self.way(label), grid))
        best = np.argmin([np.broadcast_to(sum(p.values()), len(arrays)) for p in found], axis=0)
        split = {
            name: np.choose(best, [np.broadcast_to(parts[name], len(arrays)) for parts in found])
            for name in found[0]
        }
        if conv.pooled is not None:
            tail = self._tail(conv, conv.pooled, self.way(label), found, grid)
            split[POOLING] = np.broadcast_to(tail, len(arrays))
        return split

    def _poolings(self, crossing: Crossing, arrays: IntArray) -> FloatArray:
        """[A]: cycles of an edge's poolings in which the array stands still.

        With one copy of the tensor memory, a pooling starves the feeder: all of its cycles.  With
        two, other readers of its input are taken to keep the array busy meanwhile; and what alone
        follows a convolution is part of that, see `_tail`.
        """
        beside = self.template.tensor_copies > 1
        if beside and crossing.readers > 1:
            return np.zeros(1)
        pools = crossing.pools
        if crossing.producer is not None and crossing.producer.pooled is not None:
            pools = pools[1:]
        cycles = [pool_cycles(p, self.template, arrays[:, 1]) for p in pools]
        total: FloatArray = np.zeros(1) + sum(cycles) + DISPATCH * len(cycles)
        return total

    def _tail(
        self, conv: ConvShape, pool: PoolShape, way: Way, whole: Sequence[Parts], grid: Grid
    ) -> Count:
        """Cycles by which the pooling that reads a convolution outlasts it; ``whole``: its own.

        One after the other; or, with two copies of the tensor memory, band by band: then the
        array's steady cycles are those of all bands, whose weights are streamed anew, and the
        pooling's last band is left, or all of it behind the first band where it takes longer.
        """
        pooling = pool_cycles(pool, self.template, grid.columns)
        least = pooling
        if self.template.tensor_copies > 1 and way.dataflow is not None:
            steady = _steady(whole)
            for count, part in _bands(conv, way):
                band = _steady(self._candidates(part, way, grid))
                array = either(band < SHORTEST, inf, count * band)
                done = greater(array + pooling / count, array / count + pooling)
                least = lesser(least, done - steady)
        return least + DISPATCH

    def _candidates(self, conv: ConvShape, way: Way, grid: Grid) -> Iterator[Parts]:
        """Cycles by part of each packing of groups into block-diagonal products, and each tiling.

        A depthwise convolution beside the array has no other parts than its engine's cycles.

        A CONV takes half of the parameter records at most; several follow each other at once.
        """
        if way.dataflow is None:
            cycles = depthwise_cycles(conv, self.template, grid.columns)
            yield {"fill": 0, "array": cycles, "load": 0, "drain": DISPATCH}
            return
        for shape, count in self._convs(conv, way, grid):
            found = (
                winograd_tilings(shape, way.dataflow, grid)
                if isinstance(shape, Tiled)
                else tilings(shape, way.dataflow, grid)
            )
            for tiling in found:
                yield {
                    "fill": tiling.fill + (count - 1) * CONV_CYCLES,
                    "array": count * tiling.cycles,
                    "load": (1 - self.prefetched) * count * (tiling.longest - tiling.cycles),
                    "drain": either(tiling.legal, tiling.drain - 1 + DISPATCH, inf),
                }

    def _convs(
        self, conv: ConvShape, way: Way, grid: Grid
    ) -> Iterator[tuple[ConvExtents | Tiled, int]]:
        """Of each packing of groups its CONVs, all of one shape, and how many there are."""
        if way.fold > 1:
            conv = folded_shape(conv, way.fold)
        for groups in packings(conv.groups):
            whole = extents(conv, way, groups, grid.reduction)
            pieces = -(-whole.channels // most_channels(self.template.parameter_depth))
            shape = replace(whole, channels=-(-whole.channels // pieces))
            yield shape, pieces * -(-conv.groups // groups)


@lru_cache(maxsize=1 << 16)
def _on_one_array(
    model: OverlayModel, conv: ConvShape, label: Label, rows: int, columns: int
) -> float:
    """Asked again and again: arrangements of a network have most layers in common."""
    (cycles,) = model._cycles(conv, label, as_arrays(rows, columns))
    return float(cycles)


@lru_cache(maxsize=1 << 14)
def _least_on_one_array(
    model: OverlayModel, conv: ConvShape, labels: tuple[Label, ...], rows: int, columns: int
) -> float:
    grid, best = Grid(float(rows), float(columns), model.template), inf
    bounds = {label: model._bound(conv, label, grid) for label in labels}
    for label in sorted(bounds, key=lambda label: bounds[label]):
        if bounds[label] < best:
            best = min(best, _on_one_array(model, conv, label, rows, columns))
    return best


def _steady(found: Iterable[Parts]) -> Count:
    """The least cycles but for fill and drain."""
    return reduce(lesser, (parts["array"] + parts["load"] for parts in found))


def _bands(conv: ConvShape, way: Way) -> Iterator[tuple[int, ConvShape]]:
    """The cuts that are tried before a pooling: how many bands, and one of them."""
    tile = way.form.rows if way.form else 1
    for wanted in BANDS:
        rows = tile * -(-conv.o1 // (wanted * tile))
        yield -(-conv.o1 // rows), _band(conv, rows)


def _band(conv: ConvShape, rows: int) -> ConvShape:
    """So many output rows from within a convolution."""
    height = (rows - 1) * conv.stride[0] + conv.dilation[0] * (conv.kernel[0] - 1) + 1
    _, left, _, right = conv.padding
    return replace(conv, height=height, padding=(0, left, 0, right), pooled=None)


def _beyond(arrays: IntArray) -> npt.NDArray[np.bool_]:
    """[A]: those that no configuration has."""
    beyond = (arrays < LEAST_SIDE) | (arrays > MOST_SIDE)
    return np.asarray(beyond.any(axis=1))


def _grid(arrays: IntArray, template: OverlayConfig) -> Grid:
    """The arrays as columns of numbers; a single one as plain numbers, which are faster."""
    if len(arrays) == 1:
        rows, columns = arrays[0].tolist()
        return Grid(float(rows), float(columns), template)
    rows, columns = arrays.T.astype(np.float64)
    return Grid(rows, columns, template)
