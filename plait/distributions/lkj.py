"""LKJCholesky: not built; libraries import the name for priors that few programs use."""

from __future__ import annotations

from typing import Any

from plait._unbuilt import not_built
from plait.distributions.distribution import Distribution

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """Roots of random correlation matrices."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.distributions.LKJCholesky")
