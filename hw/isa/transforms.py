"""Exact integer matrices of Winograd's F(m, r), derived from interpolation points (Toom-Cook).

With points p_j and N_j = prod over k != j of (p_j - p_k), m outputs of an r-tap correlation are
``A^T (G g * B^T d)``, where row j of B^T holds the coefficients of prod over k != j of (x - p_k),
row j of G is ``(1, p_j, p_j^2, ..) / N_j`` and column j of A^T is ``(1, p_j, ..)``; the point at
infinity adds the product over all points, (0, .., 0, 1) and (0, .., 1).  B^T depends on the points
alone.  Rows of G are scaled to integers, and what is left of a common ``scale`` goes into the
columns of A^T, so that every matrix is an integer one and the result is exactly ``scale`` times the
correlation.

A row of G may be multiplied further as long as it does not become the largest.  That moves odd
factors and signs from A^T into the weights: all entries of A^T are powers of two, each of its rows
holds as few of them as possible (the shifts that an accumulator must choose from), and only odd
powers of negative points are negative.

A transform of an image has one of these along each of its axes, or along y alone: then ``POINT``,
which changes nothing, stands along x.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import lcm, prod

INPUT_MIN, INPUT_MAX = -128, 127
WEIGHT_MAX = 128  # weights are int8: no magnitude is larger

Matrix = tuple[tuple[int, ...], ...]


class TransformError(ValueError):
    """Points that give no transform; the message says why."""


@dataclass(frozen=True)
class Dimension:
    """F(m, r) of one dimension: ``scale * (m outputs) = A^T (G g * B^T d)``.

    Parameters
    ----------
    m : outputs of a tile.
    taps : r, of a kernel.
    input_matrix : B^T, alpha x alpha; the last non-zero entry of each row is 1.
    weight_matrix : G with its rows scaled to integers, alpha x r.
    output_matrix : A^T with the inverse scales, m x alpha; zeros and signed powers of two.
    scale : what remains to be divided by.
    """

    m: int
    taps: int
    input_matrix: Matrix
    weight_matrix: Matrix
    output_matrix: Matrix
    scale: int

    @property
    def alpha(self) -> int:
        """Length of a patch and of its transform."""
        return self.m + self.taps - 1

    @property
    def scale_shift(self) -> int:
        """Power of two in the scale."""
        return (self.scale & -self.scale).bit_length() - 1

    def scaled(self, factor: int) -> Dimension:
        """The same with a larger scale, for which the weights pay."""
        weights = tuple(tuple(factor * tap for tap in row) for row in self.weight_matrix)
        return Dimension(
            self.m, self.taps, self.input_matrix, weights, self.output_matrix, factor * self.scale
        )


@dataclass(frozen=True)
class Transform:
    """F of two dimensions: ``total_scale * (outputs) = A_y^T (U * V) A_x``.

    U = G_y g G_x^T, V = B_y^T d B_x.  Element e of U, V and their products M is
    ``x.alpha * i + j``, i along y, j along x.
    """

    y: Dimension
    x: Dimension

    @property
    def name(self) -> str:
        """As in the literature; of one dimension: with the other's outputs."""
        axis = f"F({self.y.m},{self.y.taps})"
        return axis if self.x == self.y else f"{axis} x {self.x.m}"

    @property
    def elements(self) -> int:
        """Words of a patch, and elements of its transform."""
        return self.y.alpha * self.x.alpha

    @property
    def pixels(self) -> int:
        """Outputs of a tile."""
        return self.y.m * self.x.m

    @property
    def drained(self) -> int:
        """Cycles in which the results of a tile leave the output transform, row by row."""
        return self.y.m * self.x.alpha

    @property
    def total_scale(self) -> int:
        """Factor of the result: 4 for F(2,3), 576 for F(4,3)."""
        return self.y.scale * self.x.scale

    @property
    def total_shift(self) -> int:
        """Power of two in it."""
        return self.y.scale_shift + self.x.scale_shift

    @property
    def odd_scale(self) -> int:
        """Odd part of the total scale."""
        return self.total_scale >> self.total_shift

    @property
    def divides(self) -> bool:
        """Whether sums are divided by more than a power of two."""
        return self.odd_scale != 1

    @cached_property
    def input_range(self) -> tuple[int, int]:
        """Least and greatest V of int8 inputs, both attained."""
        return _range([_outer(a, b) for a, b in product(self.y.input_matrix, self.x.input_matrix)])

    @cached_property
    def line_range(self) -> tuple[int, int]:
        """Least and greatest value after the input transform along y."""
        return _range(self.y.input_matrix)

    @cached_property
    def weight_bound(self) -> int:
        """Greatest |U| of int8 weights, attained."""
        rows = product(self.y.weight_matrix, self.x.weight_matrix)
        return max(map(abs, _range([_outer(a, b) for a, b in rows])))

    @property
    def operand_bits(self) -> int:
        """Bits that hold every U and every V."""
        return max(signed_bits(*self.input_range), signed_bits(-self.weight_bound))

    @property
    def sum_bits(self) -> int:
        """Bits that hold V + U: the factors of the fast inner product."""
        low, high = self.input_range
        return signed_bits(low - self.weight_bound, high + self.weight_bound)

    def product_bound(self, reduction: int) -> int:
        """Greatest |M| after so many input channels times rounds.  M may wrap, see below."""
        along_y, along_x = (
            list(zip(axis.input_matrix, axis.weight_matrix, strict=True))
            for axis in (self.y, self.x)
        )
        return reduction * max(
            max(map(abs, _range([_outer(a, b)]))) * max(map(abs, _range([_outer(g, h)])))
            for (a, g), (b, h) in product(along_y, along_x)
        )

    def accumulator_bits(self, result_bits: int) -> int:
        """Bits an accumulator of M needs if the convolution's sums fit ``result_bits``.

        Everything after the products is linear and the division is exact, so arithmetic modulo
        2^bits is enough: M may wrap.  Only the scale's power of two costs bits.
        """
        return result_bits + self.total_shift


def choice_bits(choices: Sequence[object]) -> int:
    """Bits of an index into the configured transforms, or their axes; at least one."""
    return max(1, (len(choices) - 1).bit_length())


def derive(m: int, points: Sequence[int], taps: int = 3) -> Dimension:
    """F(m, taps) from infinity and m + taps - 2 finite points, in this order."""
    if m < 1 or taps < 1 or len(points) != m + taps - 2 or len(set(points)) != len(points):
        raise TransformError(f"F({m},{taps}) needs {m + taps - 2} distinct points, not {points}")
    alpha = len(points) + 1
    norms = [1] + [prod(p - q for q in points if q != p) for p in points]
    others = [points] + [[q for q in points if q != p] for p in points]
    weights = [(0,) * (taps - 1) + (1,)] + [tuple(p**t for t in range(taps)) for p in points]
    powers = [[0] * (m - 1) + [1]] + [[p**k for k in range(m)] for p in points]
    scale = lcm(*norms)
    shares = [scale // norm for norm in norms]
    multipliers = _multipliers(shares, weights, powers)
    columns = [
        [share // multiplier * power for power in row]
        for share, multiplier, row in zip(shares, multipliers, powers, strict=True)
    ]
    return Dimension(
        m=m,
        taps=taps,
        input_matrix=tuple(_polynomial(roots, alpha) for roots in others),
        weight_matrix=tuple(
            tuple(multiplier * tap for tap in row)
            for multiplier, row in zip(multipliers, weights, strict=True)
        ),
        output_matrix=tuple(zip(*columns, strict=True)),
        scale=scale,
    )


def signed_bits(*values: int) -> int:
    """Least width of a signed number that holds all the values."""
    return max((value if value >= 0 else ~value).bit_length() for value in values) + 1


def _polynomial(roots: Sequence[int], length: int) -> tuple[int, ...]:
    """Coefficients of prod (x - root), lowest power first, padded with zeros."""
    coefficients = [1]
    for root in roots:
        shifted, scaled = [0, *coefficients], [*coefficients, 0]
        coefficients = [a - root * b for a, b in zip(shifted, scaled, strict=True)]
    return tuple(coefficients + [0] * (length - len(coefficients)))


def _multipliers(
    shares: Sequence[int], weights: Sequence[Sequence[int]], powers: Sequence[Sequence[int]]
) -> tuple[int, ...]:
    """For every row of G, see the module's docstring; the least ones among the best.

    ``shares``: what rows of G and columns of A^T share between them, of the common scale.
    """
    largest = max(_norm(row) for row in weights)
    choices = []
    for share, row in zip(shares, weights, strict=True):
        factors = range(1, largest // _norm(row) + 1)
        found = [k for k in factors if share % k == 0 and _power_of_two(abs(share) // k)]
        if not found:
            raise TransformError(
                f"no multiple of row {tuple(row)} of G leaves a power of two in A^T"
            )
        choices.append([k if share > 0 else -k for k in found])

    def cost(multipliers: tuple[int, ...]) -> tuple[int, int]:
        lines = zip(*powers, strict=True)
        coefficients = [share // k for share, k in zip(shares, multipliers, strict=True)]
        shifts = (
            len({abs(c * p) for c, p in zip(coefficients, line, strict=True) if p})
            for line in lines
        )
        return sum(shifts), _norm(multipliers)

    return min(product(*choices), key=cost)


def _power_of_two(value: int) -> bool:
    return value & (value - 1) == 0


def _outer(a: Sequence[int], b: Sequence[int]) -> tuple[int, ...]:
    return tuple(x * y for x in a for y in b)


def _norm(row: Sequence[int]) -> int:
    return sum(abs(value) for value in row)


def _range(rows: Sequence[Sequence[int]]) -> tuple[int, int]:
    """Least and greatest sum of products with int8 values over the rows."""
    pairs = [
        (
            sum(c * (INPUT_MIN if c > 0 else INPUT_MAX) for c in row),
            sum(c * (INPUT_MAX if c > 0 else INPUT_MIN) for c in row),
        )
        for row in rows
    ]
    return min(low for low, _ in pairs), max(high for _, high in pairs)


# No power of the last point is zero, so that a line's last element completes all its sums.
_TWO, _FOUR = (0, -1, 1), (0, -2, 2, -1, 1)
POINT = Dimension(1, 1, ((1,),), ((1,),), ((1,),), 1)
F2 = Transform(derive(2, _TWO), derive(2, _TWO))
F4 = Transform(derive(4, _FOUR), derive(4, _FOUR))
# Of one dimension, by outputs. All divide by 9 as F4 does, so that one divider serves them.
LINE4, LINE3 = (Transform(derive(m, _FOUR, 7 - m).scaled(3), POINT) for m in (4, 3))
