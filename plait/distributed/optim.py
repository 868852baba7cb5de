"""`torch.distributed.optim`: no group of processes, no sharded optimizer.

Libraries ask `isinstance` of the types, which is False; making one raises NotImplementedError.
"""

from __future__ import annotations

from typing import Any

from plait._unbuilt import not_built

__all__ = ["DistributedOptimizer", "PostLocalSGDOptimizer", "ZeroRedundancyOptimizer"]


class DistributedOptimizer:
    """An optimizer of parameters on other machines."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.distributed.optim.DistributedOptimizer")


class PostLocalSGDOptimizer:
    """An optimizer that averages models of processes now and then."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.distributed.optim.PostLocalSGDOptimizer")


class ZeroRedundancyOptimizer:
    """An optimizer whose state is divided among processes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.distributed.optim.ZeroRedundancyOptimizer")
