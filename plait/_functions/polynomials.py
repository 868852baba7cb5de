"""Orthogonal polynomials of a degree per element, by their three-term recurrences.

Source: NIST Digital Library of Mathematical Functions, table 18.9.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait._functions.creation import ones_like, zeros_like
from plait._functions.pointwise import where
from plait._promotion import float_result
from plait._tensor import Tensor
from plait.core.ops.elementwise import cast

#: (value before, value, degree, x) -> value of the next degree
Recurrence = Callable[[Tensor, Tensor, int, Tensor], Tensor]


def family(name: str, first: Callable[[Tensor], Tensor], following: Recurrence) -> Any:
    """The function (x, n) -> the polynomial of degree n at x; 0 for negative degrees.

    first: that of degree 1. The degrees are looked at: the highest is the number of turns.
    """

    def polynomial(input: Any, n: Any, *, out: Tensor | None = None) -> Tensor:
        x, degree = _operands(input, n)
        degrees = degree.detach().trunc()
        highest = int(degrees.max().item()) if degrees.numel() else 0
        before, value = ones_like(x), first(x)
        found = where(degrees < 0, zeros_like(x), before)
        for k in range(1, highest + 1):
            found = where(degrees == k, value, found)
            before, value = value, following(before, value, k, x)
        if out is None:
            return found
        return out.assign_result(name, found)

    polynomial.__name__ = name
    polynomial.__doc__ = f"The polynomial `{name}` of degree n at each element."
    return polynomial


def _operands(input: Any, n: Any) -> tuple[Tensor, Tensor]:
    from plait._functions.creation import as_tensor, full_like

    if not isinstance(input, Tensor):
        input = full_like(n.detach(), input, dtype=n.dtype if n.dtype.kind == "f" else None)
    if not isinstance(n, Tensor):
        n = as_tensor(n, dtype=input.dtype)
    wanted = float_result(input, n)
    return cast(input, wanted), cast(n, wanted)


chebyshev_polynomial_t = family(
    "chebyshev_polynomial_t", lambda x: x, lambda a, b, k, x: 2 * x * b - a
)
chebyshev_polynomial_u = family(
    "chebyshev_polynomial_u", lambda x: 2 * x, lambda a, b, k, x: 2 * x * b - a
)
chebyshev_polynomial_v = family(
    "chebyshev_polynomial_v", lambda x: 2 * x - 1, lambda a, b, k, x: 2 * x * b - a
)
chebyshev_polynomial_w = family(
    "chebyshev_polynomial_w", lambda x: 2 * x + 1, lambda a, b, k, x: 2 * x * b - a
)
hermite_polynomial_h = family(
    "hermite_polynomial_h", lambda x: 2 * x, lambda a, b, k, x: 2 * x * b - 2 * k * a
)
hermite_polynomial_he = family(
    "hermite_polynomial_he", lambda x: x, lambda a, b, k, x: x * b - k * a
)
laguerre_polynomial_l = family(
    "laguerre_polynomial_l",
    lambda x: 1 - x,
    lambda a, b, k, x: ((2 * k + 1 - x) * b - k * a) / (k + 1),
)
legendre_polynomial_p = family(
    "legendre_polynomial_p",
    lambda x: x,
    lambda a, b, k, x: ((2 * k + 1) * x * b - k * a) / (k + 1),
)


def _shifted(name: str, first: Callable[[Tensor], Tensor]) -> Any:
    return family(name, first, lambda a, b, k, x: 2 * (2 * x - 1) * b - a)


shifted_chebyshev_polynomial_t = _shifted("shifted_chebyshev_polynomial_t", lambda x: 2 * x - 1)
shifted_chebyshev_polynomial_u = _shifted("shifted_chebyshev_polynomial_u", lambda x: 4 * x - 2)
shifted_chebyshev_polynomial_v = _shifted("shifted_chebyshev_polynomial_v", lambda x: 4 * x - 3)
shifted_chebyshev_polynomial_w = _shifted("shifted_chebyshev_polynomial_w", lambda x: 4 * x - 1)
