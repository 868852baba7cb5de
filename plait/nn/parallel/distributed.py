"""`DistributedDataParallel`: libraries ask `isinstance` of it; there is one process."""

from __future__ import annotations

from typing import Any

from plait._unbuilt import not_built
from plait.nn.modules.module import Module

__all__ = ["DistributedDataParallel"]


class DistributedDataParallel(Module):
    """A module whose gradients are averaged over processes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.nn.parallel.DistributedDataParallel")
