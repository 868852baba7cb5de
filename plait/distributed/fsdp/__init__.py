"""`torch.distributed.fsdp`: no parameters are divided among processes.

Libraries ask `isinstance` of the types, which is False; making one raises NotImplementedError.
"""

from __future__ import annotations

from typing import Any

from plait._unbuilt import not_built, unbuilt

__all__ = ["FSDPModule", "FullyShardedDataParallel", "MixedPrecisionPolicy", "fully_shard"]


class FSDPModule:
    """A module whose parameters `fully_shard` has divided."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.distributed.fsdp.FSDPModule")


class FullyShardedDataParallel:
    """A module whose parameters are divided."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.distributed.fsdp.FullyShardedDataParallel")


class MixedPrecisionPolicy:
    """The dtypes of divided parameters and of what is sent."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.distributed.fsdp.MixedPrecisionPolicy")


def fully_shard(*args: Any, **kwargs: Any) -> Any:
    """A module with its parameters divided."""
    raise not_built("torch.distributed.fsdp.fully_shard")


__getattr__ = unbuilt(
    "torch.distributed.fsdp",
    (
        "BackwardPrefetch",
        "CPUOffload",
        "FullStateDictConfig",
        "LocalStateDictConfig",
        "MixedPrecision",
        "ShardingStrategy",
        "StateDictType",
        "wrap",
    ),
)
