"""`VisionDataset`: root folder, transforms and repr that the data sets of images share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plait.core.ir.errors import error
from plait.utils.data import Dataset


class StandardTransform:
    """Applies `transform` to the image and `target_transform` to the target."""

    def __init__(
        self, transform: Callable | None = None, target_transform: Callable | None = None
    ) -> None:
        self.transform = transform
        self.target_transform = target_transform

    def __call__(self, input: Any, target: Any) -> tuple[Any, Any]:
        if self.transform is not None:
            input = self.transform(input)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return input, target

    def __repr__(self) -> str:
        lines = ["StandardTransform"]
        if self.transform is not None:
            lines += _indented(self.transform, "Transform: ")
        if self.target_transform is not None:
            lines += _indented(self.target_transform, "Target transform: ")
        return "\n".join(lines)


class VisionDataset(Dataset):
    """Base of the data sets of images.

    Args:
        root: folder of the files.
        transforms: function of (image, target) giving both; excludes the other two.
        transform: function of the image.
        target_transform: function of the target.

    Subclasses define `__getitem__` and `__len__`. Raises ValueError when both ways are given.
    """

    _repr_indent = 4

    def __init__(
        self,
        root: str | Path | None = None,
        transforms: Callable | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
    ) -> None:
        self.root = os.path.expanduser(root) if isinstance(root, str) else root
        if transforms is not None and (transform is not None or target_transform is not None):
            raise error(
                ValueError,
                "Only transforms or transform/target_transform can be passed as argument",
            )
        self.transform = transform
        self.target_transform = target_transform
        if transforms is None and (transform is not None or target_transform is not None):
            transforms = StandardTransform(transform, target_transform)
        self.transforms = transforms

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Lines that a subclass adds to the repr."""
        return ""

    def __repr__(self) -> str:
        body = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            body.append(f"Root location: {self.root}")
        body += self.extra_repr().splitlines()
        if self.transforms is not None:
            body.append(repr(self.transforms))
        indent = " " * self._repr_indent
        head = f"Dataset {type(self).__name__}"
        return "\n".join([head, *(indent + line for line in body)])


def _indented(transform: Callable, head: str) -> list[str]:
    """Lines of the transform's repr, the first after `head`, the others under it."""
    first, *others = repr(transform).splitlines()
    return [head + first, *(" " * len(head) + line for line in others)]
