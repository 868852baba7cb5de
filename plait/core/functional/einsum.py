"""Einstein summation: parsing, the order of contractions, and their steps.

`einsum` takes an equation in letters ("bij,bjk->bik", with "..." for axes that broadcast, and
repeated letters for diagonals) and operands of one dtype. Several operands are contracted in pairs,
the cheapest pair first.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from plait.core.ir.dtypes import int64
from plait.core.ir.errors import error
from plait.core.ops.contract import DOT_GENERAL
from plait.core.ops.elementwise import MUL, cast
from plait.core.ops.reduce import SUM
from plait.core.ops.view import broadcast, reshape, slice_axis, transpose

#: A subscript: a letter, or the place (from the right) of an axis that "..." stands for.
Label = str | int


class Term(NamedTuple):
    """A value and the label of each of its axes."""

    value: Any
    labels: tuple[Label, ...]


class Equation(NamedTuple):
    """The labels of each operand and of the result; Ellipsis stands for the axes of "..."."""

    operands: tuple[tuple[Any, ...], ...]
    result: tuple[Any, ...] | None


def _fault(message: str) -> Exception:
    return error(RuntimeError, f"einsum(): {message}")


def parse(equation: str) -> Equation:
    """The labels that an equation gives. Raises RuntimeError for anything but letters and "..."."""
    left, arrow, right = equation.partition("->")
    starts, place = [], 0
    for part in left.split(","):
        starts.append(place)
        place += len(part) + 1
    operands = tuple([_labels(part, at) for part, at in zip(left.split(","), starts)])
    return Equation(operands, _labels(right, len(left) + 2) if arrow else None)


def _labels(text: str, start: int) -> tuple[Any, ...]:
    found: list[Any] = []
    place = 0
    while place < len(text):
        if text.startswith("...", place):
            if Ellipsis in found:
                raise _fault("found '...' more than once in a term of the equation")
            found.append(Ellipsis)
            place += 3
            continue
        letter = text[place]
        if letter.isascii() and letter.isalpha():
            found.append(letter)
        elif letter != " ":
            raise _fault(
                f"invalid subscript given at index {start + place} in the equation string, "
                "subscripts must be in [a-zA-Z]"
            )
        place += 1
    return tuple(found)


def _with_ellipsis(labels: tuple[Any, ...], count: int) -> tuple[Label, ...]:
    """Labels in which "..." is spelled out as `count` numbered axes."""
    return tuple(
        [label for item in labels for label in (range(-count, 0) if item is Ellipsis else (item,))]
    )


def _terms(equation: Equation, values: Sequence[Any]) -> list[Term]:
    if len(values) != len(equation.operands):
        which = "more" if len(values) > len(equation.operands) else "fewer"
        raise _fault(
            f"{which} operands were provided than specified in the equation "
            f"({len(values)} for {len(equation.operands)})"
        )
    terms = []
    for i, (value, labels) in enumerate(zip(values, equation.operands)):
        rank = len(value.shape)
        named = len(labels) - (Ellipsis in labels)
        if named > rank or (named < rank and Ellipsis not in labels):
            tail = (
                "but more dimensions than that are needed"
                if Ellipsis in labels
                else "and no ellipsis was given"
            )
            raise _fault(
                f"the number of subscripts in the equation ({named}) does not match the number of "
                f"dimensions ({rank}) for operand {i} {tail}"
            )
        terms.append(Term(value, _with_ellipsis(labels, rank - named)))
    return terms


def _result_labels(equation: Equation, terms: list[Term]) -> tuple[Label, ...]:
    """The labels of the result: as given, or those that occur once, in alphabetical order."""
    width = max([sum(isinstance(x, int) for x in term.labels) for term in terms], default=0)
    if equation.result is None:
        counts = Counter(label for labels in equation.operands for label in labels)
        once = sorted(x for x, n in counts.items() if n == 1 and x is not Ellipsis)
        return (*range(-width, 0), *once)
    wanted = _with_ellipsis(equation.result, width)
    known = {label for term in terms for label in term.labels}
    for label, count in Counter(wanted).items():
        if count > 1:
            raise _fault(f"output subscript {label} appears more than once in the output")
        if label not in known:
            raise _fault(
                f"output subscript {label} does not appear in the equation for any input operand"
            )
    return wanted


def _diagonal(term: Term, number: int) -> Term:
    """Take the diagonal of every label that occurs more than once."""
    value, labels = term
    while len(set(labels)) < len(labels):
        label = next(x for x in labels if labels.count(x) > 1)
        i = labels.index(label)
        j = labels.index(label, i + 1)
        n, m = value.shape[i], value.shape[j]
        if n != m:
            raise _fault(
                f"subscript {label} is repeated for operand {number} but the sizes don't match, "
                f"{m} != {n}"
            )
        rest = [axis for axis in range(len(labels)) if axis not in (i, j)]
        moved = transpose(value, (*rest, i, j))
        flat = reshape(moved, (*moved.shape[:-2], n * n))
        value = slice_axis(flat, len(rest), 0, n * n, n + 1)
        labels = (*[labels[axis] for axis in rest], label)
    return Term(value, labels)


def _extents(terms: list[Term]) -> dict[Label, int]:
    """The extent of each label; 1 broadcasts. Raises RuntimeError where extents differ."""
    extents: dict[Label, int] = {}
    for number, (value, labels) in enumerate(terms):
        for label, extent in zip(labels, value.shape):
            seen = extents.setdefault(label, extent)
            if seen == 1:
                extents[label] = extent
            elif extent not in (1, seen):
                raise _fault(
                    f"subscript {label} has size {extent} for operand {number} which does not "
                    f"broadcast with previously seen size {seen} (operand shapes "
                    f"{', '.join(str(list(t.value.shape)) for t in terms)})"
                )
    return extents


def _without_ones(term: Term, extents: dict[Label, int]) -> Term:
    """Drop axes of extent 1 that stand for a larger label: the value does not depend on it."""
    value, labels = term
    keep = [i for i, label in enumerate(labels) if value.shape[i] == extents[label]]
    shape = tuple([value.shape[i] for i in keep])
    return Term(reshape(value, shape), tuple([labels[i] for i in keep]))


def _summed(term: Term, wanted: set[Label]) -> Term:
    """Sum over the labels that nothing else needs; integers in int64, as sums are."""
    axes = tuple([i for i, label in enumerate(term.labels) if label not in wanted])
    if not axes:
        return term
    value = cast(term.value, int64) if term.value.dtype.kind in "biu" else term.value
    total = SUM(value, axes=axes)
    kept = [i for i in range(len(term.labels)) if i not in axes]
    shape = tuple([term.value.shape[i] for i in kept])
    return Term(reshape(total, shape), tuple([term.labels[i] for i in kept]))


def _contract(a: Term, b: Term, wanted: set[Label]) -> Term:
    """The product of two terms, summed over the shared labels that are not wanted."""
    if a.value.dtype is not b.value.dtype:  # one has been summed before
        a, b = [term._replace(value=cast(term.value, int64)) for term in (a, b)]
    shared = [label for label in a.labels if label in b.labels]
    batch = tuple([label for label in shared if label in wanted])
    folded = tuple([label for label in shared if label not in wanted])
    free_a = tuple([label for label in a.labels if label not in shared])
    free_b = tuple([label for label in b.labels if label not in shared])
    labels = (*batch, *free_a, *free_b)
    if not folded:
        shape = _shape_of(labels, a, b)
        return Term(MUL(_aligned(a, labels, shape), _aligned(b, labels, shape)), labels)
    places = [tuple([t.labels.index(x) for x in batch]) for t in (a, b)]
    summed = [tuple([t.labels.index(x) for x in folded]) for t in (a, b)]
    value = DOT_GENERAL(
        a.value, b.value, contract=(summed[0], summed[1]), batch=(places[0], places[1])
    )
    return Term(value, labels)


def _shape_of(labels: tuple[Label, ...], *terms: Term) -> tuple[int, ...]:
    extents = {x: n for t in terms for x, n in zip(t.labels, t.value.shape)}
    return tuple([extents[label] for label in labels])


def _aligned(term: Term, labels: tuple[Label, ...], shape: tuple[int, ...]) -> Any:
    """The value with the axes of `labels`, in their order, broadcast to `shape`."""
    order = sorted(range(len(term.labels)), key=lambda i: labels.index(term.labels[i]))
    turned = transpose(term.value, tuple(order))
    spread = tuple([n if x in term.labels else 1 for x, n in zip(labels, shape)])
    return broadcast(reshape(turned, spread), shape)


def _cheapest(terms: list[Term], extents: dict[Label, int]) -> tuple[int, int]:
    """The pair whose product takes the fewest multiplications; the first of equal ones."""
    pairs = [(i, j) for j in range(len(terms)) for i in range(j)]

    def cost(pair: tuple[int, int]) -> int:
        union = {*terms[pair[0]].labels, *terms[pair[1]].labels}
        return math.prod(extents[label] for label in union)

    return min(pairs, key=cost)


def einsum(equation: Equation, values: Sequence[Any]) -> Any:
    """The sum of products that an equation describes; operands of one dtype.

    Raises RuntimeError, in PyTorch's words, where equation and operands do not fit.
    """
    terms = _terms(equation, values)
    result = _result_labels(equation, terms)
    terms = [_diagonal(term, number) for number, term in enumerate(terms)]
    extents = _extents(terms)
    terms = [_without_ones(term, extents) for term in terms]
    while True:
        terms = [_summed(term, _needed(terms, i, result)) for i, term in enumerate(terms)]
        if len(terms) == 1:
            break
        i, j = _cheapest(terms, extents)
        b, a = terms.pop(j), terms.pop(i)
        wanted = {*result, *[label for term in terms for label in term.labels]}
        terms.append(_contract(a, b, wanted))
    value, labels = terms[0]
    return transpose(value, tuple([labels.index(label) for label in result]))


def _needed(terms: list[Term], number: int, result: tuple[Label, ...]) -> set[Label]:
    """The labels that the result or another term than this one uses."""
    others = [label for i, term in enumerate(terms) if i != number for label in term.labels]
    return {*result, *others}
