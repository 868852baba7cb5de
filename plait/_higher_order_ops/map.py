"""`map`: a function applied to each slice of tensors, as one loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait._functions.creation import zeros
from plait._higher_order_ops.scan import scan

__all__ = ["map"]


def map(f: Callable[..., Any], xs: Any, *args: Any) -> Any:
    """`f(x, *args)` for each slice x of `xs` along axis 0, stacked.

    One slice at a time (`torch.vmap` does all at once). Raises RuntimeError as `scan` does.
    """
    turn = zeros(())

    def body(carry: Any, x: Any) -> tuple[Any, Any]:
        return carry, f(x, *args)

    return scan(body, turn, xs)[1]
