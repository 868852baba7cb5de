"""What libraries ask of tensors without values: none is one."""

from __future__ import annotations

from typing import Any

from plait._unbuilt import not_built

__all__ = ["FakeTensor", "FakeTensorMode", "is_fake"]


class FakeTensor:
    """A tensor with a shape and no values; Plait's `meta` device has those."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch._subclasses.FakeTensor")


class FakeTensorMode:
    """A mode that makes fake tensors."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise not_built("torch._subclasses.FakeTensorMode")


def is_fake(x: Any) -> bool:
    """Whether a tensor is a fake one: never."""
    return False
