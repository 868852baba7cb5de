"""`torch.distributed.tensor`: no tensor is spread over processes.

Libraries ask `isinstance` of the types, which is False; making one raises NotImplementedError.
"""

from __future__ import annotations

from typing import Any

from plait._unbuilt import not_built

__all__ = ["DTensor", "Partial", "Replicate", "Shard", "distribute_tensor"]


class DTensor:
    """A tensor that is spread over processes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.distributed.tensor.DTensor")


class Replicate:
    """The placement of a tensor that every process has whole."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.distributed.tensor.Replicate")


class Shard:
    """The placement of a tensor that is cut along an axis."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.distributed.tensor.Shard")


class Partial:
    """The placement of a tensor that is still to be summed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.distributed.tensor.Partial")


def distribute_tensor(*args: Any, **kwargs: Any) -> Any:
    """A tensor spread over processes."""
    raise not_built("torch.distributed.tensor.distribute_tensor")
