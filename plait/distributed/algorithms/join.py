"""`torch.distributed.algorithms.join`: one process has nobody to wait for."""

from __future__ import annotations

from typing import Any

from plait._unbuilt import not_built

__all__ = ["Join", "Joinable"]


class Join:
    """A context that waits for processes with less data."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.distributed.algorithms.join.Join")


class Joinable:
    """What can take part in a `Join`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch.distributed.algorithms.join.Joinable")
