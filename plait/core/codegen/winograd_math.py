"""The three small matrices of Winograd's convolutions, derived from the points they interpolate at.

F(m, 3) finds m results of a correlation with three taps by m + 2 multiplications:

    y = A^T [(G w) * (B^T x)]

Results and taps are coefficients of polynomials; the product is found from its values at m + 1
points and at infinity, and the transposed algorithm is the correlation (Toom 1963, Cook 1966,
Winograd 1980; Lavin & Gray, *Fast Algorithms for Convolutional Neural Networks*, arXiv:1509.09308).
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from plait.core.codegen.brgemm import multiply_add
from plait.core.codegen.text import Function, spread_constant

Matrix = tuple[tuple[Fraction, ...], ...]

TAPS = 3
#: Where products are evaluated, by m; infinity besides. Those of small numbers round least.
_POINTS = {2: ("0", "1", "-1"), 4: ("0", "1", "-1", "1/2", "-2")}


class Transforms(NamedTuple):
    """A^T (m x n), G (n x 3) and B^T (n x n) with n = m + 2."""

    result: Matrix
    weight: Matrix
    source: Matrix


def transforms(m: int) -> Transforms:
    """The matrices of F(m, 3)."""
    points = [Fraction(point) for point in _POINTS[m]]
    none = (Fraction(0),)
    result = [(*[point**i for point in points], Fraction(int(i == m - 1))) for i in range(m)]
    weight, source = [], []
    for point in points:
        others = [other for other in points if other != point]
        scale = Fraction(1)
        for other in others:
            scale *= point - other
        weight.append(tuple([point**k / scale for k in range(TAPS)]))
        source.append((*_monic(others), *none))
    weight.append((*none, *none, Fraction(1)))
    source.append(_monic(points))
    return Transforms(tuple(result), tuple(weight), tuple(source))


def _monic(roots: list[Fraction]) -> tuple[Fraction, ...]:
    """The coefficients of the product of (x - root), the constant one first."""
    found = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *found]
        found = [a - root * b for a, b in zip(shifted, [*found, Fraction(0)])]
    return tuple(found)


def apply(f: Function, kind: str, matrix: Matrix, values: list[list[str]]) -> list[list[str]]:
    """matrix @ values @ matrix^T: a square of vectors to a square of vectors."""
    columns = [_product(f, kind, matrix, list(column)) for column in zip(*values)]
    return [_product(f, kind, matrix, list(row)) for row in zip(*columns)]


def _product(f: Function, kind: str, matrix: Matrix, values: list[str]) -> list[str]:
    return [_combined(f, kind, row, values) for row in matrix]


def _combined(f: Function, kind: str, factors: tuple[Fraction, ...], values: list[str]) -> str:
    """The sum of factor * value. A positive unit factor comes first, where there is one."""
    terms = [(factor, value) for factor, value in zip(factors, values) if factor]
    terms.sort(key=lambda term: term[0] != 1)
    factor, total = terms[0]
    if factor == -1:
        total = f.let(f"fneg {kind} {total}")
    elif factor != 1:
        total = f.let(f"fmul {kind} {total}, {spread_constant(kind, float(factor))}")
    for factor, value in terms[1:]:
        if abs(factor) == 1:
            total = f.let(f"{'fadd' if factor > 0 else 'fsub'} {kind} {total}, {value}")
        else:
            total = multiply_add(f, kind, value, spread_constant(kind, float(factor)), total)
    return total
