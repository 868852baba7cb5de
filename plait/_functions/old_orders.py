"""The order of arguments that PyTorch 0.4 had: a factor between the tensors, not a keyword.

`a.add_(-lr, grad)`, `torch.add(a, 2, b)`, `avg.addcmul_(1 - beta, grad, grad)` and
`torch.addmm(beta, a, alpha, b, c)` are still written, and still taken by PyTorch, which warns.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from plait.core.functional.broadcasting import Number
from plait.core.ir.errors import warn

Arguments = tuple[tuple[Any, ...], dict[str, Any]]

_warned: list[str] = []


def _factor_second(name: str, keyword: str) -> Callable[[tuple[Any, ...]], Arguments | None]:
    def reordered(args: tuple[Any, ...]) -> Arguments | None:
        first, factor, *others = args
        if not isinstance(factor, Number) or len(others) + 1 != OLD_ORDERS[name][0]:
            return None
        _warn(name, f"(Tensor input, Number {keyword}, ...)", f"(Tensor input, ..., *, {keyword})")
        return (first, *others), {keyword: factor}

    return reordered


def _two_factors(name: str) -> Callable[[tuple[Any, ...]], Arguments | None]:
    """For beta * input + alpha * (a product): the factors stand before input and the product, or,
    of a method, both after the tensor itself."""

    def reordered(args: tuple[Any, ...]) -> Arguments | None:
        factors = [a for a in args if isinstance(a, Number)]
        tensors = tuple([a for a in args if not isinstance(a, Number)])
        leading = isinstance(args[0], Number) or isinstance(args[1], Number)
        if not leading or len(tensors) != 3 or isinstance(args[-2], Number):
            return None
        _warn(name, "(Number beta, Tensor input, ...)", "(Tensor input, ..., *, beta, alpha)")
        return tensors, dict(zip(("beta", "alpha"), factors))

    return reordered


def _warn(name: str, old: str, new: str) -> None:
    """Once in a process for all of them, as PyTorch."""
    if _warned:
        return
    _warned.append(name)
    warn(
        f"This overload of {name} is deprecated:\n\t{name}{old}\n"
        f"Consider using one of the following signatures instead:\n\t{name}{new}"
    )


#: name: (number of positional arguments today, what puts more of them into today's order).
OLD_ORDERS: dict[str, tuple[int, Callable[[tuple[Any, ...]], Arguments | None]]] = {
    **{name: (2, _factor_second(name, "alpha")) for name in ("add", "sub")},
    **{name: (3, _factor_second(name, "value")) for name in ("addcmul", "addcdiv")},
    **{name: (3, _two_factors(name)) for name in ("addmm", "addmv", "addr", "baddbmm", "addbmm")},
}


def positions(name: str) -> int:
    """How many positional arguments a function takes before a call may be of the old order."""
    return OLD_ORDERS[name][0] if name in OLD_ORDERS else sys.maxsize


def today(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    """The arguments of a call in today's order; as they are, where they are not of the old one."""
    count, reordered = OLD_ORDERS[name]
    if len(args) <= count or kwargs.keys() - {"out"}:
        return args, kwargs
    found = reordered(args)
    return (args, kwargs) if found is None else (found[0], {**found[1], **kwargs})
