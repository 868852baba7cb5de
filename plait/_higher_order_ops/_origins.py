"""Why a value in the body of control flow has a gradient: what its derivatives lead to.

A body's tensors have no place in autograd. These sets stand for it while the body is recorded:
they tell what `requires_grad` is, what recording without gradients has to cut off, and where a
derivative would pass over a rule of the user's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from plait.core.ir.errors import error

#: The things that a value's gradient leads to.
Origins = frozenset[Any]

NOWHERE: Origins = frozenset()
#: A tensor from outside of the body that requires a gradient.
OUTSIDE: Origins = frozenset(["outside"])


class Carried:
    """A value that comes back in the next turn, which may or may not have a gradient by then.

    asked: whether the body has looked at it; it was told that it has.
    """

    def __init__(self) -> None:
        self.asked = False


class Unkept:
    """What the graph of a body does not hold: a value that has come through it has no gradient
    that could be trusted. kind, text: the error that says so; origins: where the gradient led."""

    def __init__(self, kind: type[Exception], text: str, origins: Origins) -> None:
        self.kind = kind
        self.text = text
        self.origins = origins


def own_rule(label: str, origins: Origins) -> Unkept:
    """Of the results of a user-defined function."""
    name = label.removesuffix("Backward")
    return Unkept(
        NotImplementedError,
        f"{name}: the backward of an autograd.Function in a body of control flow is not built in "
        "Plait yet: a body is recorded as a graph, which has the derivatives of the ops in forward "
        "alone. Write it with ops and detach(), or run the loop in Python",
        origins,
    )


def leads(origins: Origins) -> bool:
    """Whether a gradient leads anywhere, so far as is known; bodies that ask are noted."""
    if not origins:
        return False
    if all(isinstance(o, (Carried, Unkept)) for o in origins):
        for origin in origins:
            if isinstance(origin, Carried):
                origin.asked = True
    return True


def without(origins: Origins, own: Origins) -> Origins:
    """Origins less those of one derivative, also behind what is not kept."""
    if own.isdisjoint(origins):
        return origins
    return frozenset(
        [
            Unkept(o.kind, o.text, o.origins - own) if isinstance(o, Unkept) else o
            for o in origins - own
        ]
    )


def require_kept(origins: Origins, leads_on: Callable[[Any], bool]) -> None:
    """Raise what stands in the way of a gradient, where one of those it led to is asked for."""
    for origin in origins:
        if isinstance(origin, Unkept) and any(map(leads_on, origin.origins)):
            raise error(origin.kind, origin.text)


def with_gradient(carried: Sequence[Any], returned: Sequence[Origins]) -> set[int]:
    """The places of carried values that have a gradient from some turn on.

    carried: a `Carried` where it is not known from the start; returned: the origins of what the
    body gives in their places.
    """
    open_ = {o for o in carried if isinstance(o, Carried)}
    found = {i for i, o in enumerate(carried) if o is True}
    while True:
        known = {carried[i] for i in found}
        more = {
            i
            for i, (o, origins) in enumerate(zip(carried, returned))
            if o in open_
            and i not in found
            and any(x in known if x in open_ else not isinstance(x, Unkept) for x in origins)
        }
        if not more:
            return found
        found |= more
