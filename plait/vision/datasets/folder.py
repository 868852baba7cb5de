"""Data sets of files in one folder for each class."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plait.core.ir.errors import error
from plait.vision._pillow import pillow_image
from plait.vision.datasets.vision import VisionDataset

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def has_file_allowed_extension(filename: str, extensions: str | tuple[str, ...]) -> bool:
    """Whether the name ends so, in capital or small letters."""
    return filename.lower().endswith(extensions)


def is_image_file(filename: str) -> bool:
    """Whether the name is that of an image."""
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


def find_classes(directory: str | Path) -> tuple[list[str], dict[str, int]]:
    """The folders in a folder, sorted, and their numbers; FileNotFoundError if there is none."""
    classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
    if not classes:
        raise error(FileNotFoundError, f"Couldn't find any class folder in {directory}.")
    return classes, {name: number for number, name in enumerate(classes)}


def make_dataset(
    directory: str | Path,
    class_to_idx: dict[str, int] | None = None,
    extensions: str | tuple[str, ...] | None = None,
    is_valid_file: Callable[[str], bool] | None = None,
    allow_empty: bool = False,
) -> list[tuple[str, int]]:
    """(path, class number) of the files under the classes' folders, sorted.

    A file counts by its ending, or by `is_valid_file`. Raises ValueError unless exactly one of the
    two is given, FileNotFoundError for classes without a file.
    """
    if class_to_idx is None:
        _, class_to_idx = find_classes(directory)
    elif not class_to_idx:
        raise error(
            ValueError, "'class_to_index' must have at least one entry to collect any samples."
        )
    if (extensions is None) == (is_valid_file is None):
        raise error(
            ValueError,
            "Both extensions and is_valid_file cannot be None or not None at the same time",
        )

    def counts(path: str) -> bool:
        if extensions is not None:
            return has_file_allowed_extension(path, extensions)
        assert is_valid_file is not None
        return is_valid_file(path)

    directory = os.path.expanduser(directory)
    samples: list[tuple[str, int]] = []
    empty = []
    for name in sorted(class_to_idx):
        found = []
        for folder, _, files in sorted(os.walk(os.path.join(directory, name), followlinks=True)):
            paths = [os.path.join(folder, file) for file in sorted(files)]
            found += [(path, class_to_idx[name]) for path in paths if counts(path)]
        if not found:
            empty.append(name)
        samples += found
    if empty and not allow_empty:
        message = f"Found no valid file for the classes {', '.join(empty)}. "
        if extensions is not None:
            listed = extensions if isinstance(extensions, str) else ", ".join(extensions)
            message += f"Supported extensions are: {listed}"
        raise error(FileNotFoundError, message)
    return samples


class DatasetFolder(VisionDataset):
    """Files root/class/.../name, read by `loader`.

    Args:
        loader: function of a path.
        extensions, is_valid_file: which files count; one of the two.
        allow_empty: classes may have no files.

    Attributes: `classes`, `class_to_idx`, `samples` of (path, class number), `targets`.
    """

    def __init__(
        self,
        root: str | Path,
        loader: Callable[[str], Any],
        extensions: tuple[str, ...] | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        classes, class_to_idx = self.find_classes(os.path.expanduser(root))
        self.loader = loader
        self.extensions = extensions
        self.classes = classes
        self.class_to_idx = class_to_idx
        self.samples = self.make_dataset(
            os.path.expanduser(root), class_to_idx, extensions, is_valid_file, allow_empty
        )
        self.targets = [target for _, target in self.samples]

    @staticmethod
    def make_dataset(
        directory: str | Path,
        class_to_idx: dict[str, int],
        extensions: tuple[str, ...] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> list[tuple[str, int]]:
        """The samples; to be overridden for another layout of files."""
        return make_dataset(directory, class_to_idx, extensions, is_valid_file, allow_empty)

    def find_classes(self, directory: str | Path) -> tuple[list[str], dict[str, int]]:
        """The classes and their numbers; to be overridden for another layout of files."""
        return find_classes(directory)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        sample = self.loader(path)
        if self.transform is not None:
            sample = self.transform(sample)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return sample, target

    def __len__(self) -> int:
        return len(self.samples)


def pil_loader(path: str | Path) -> Any:
    """The image in a file, in RGB."""
    with open(path, "rb") as file:
        return pillow_image().open(file).convert("RGB")


def default_loader(path: str | Path) -> Any:
    """`pil_loader`."""
    return pil_loader(path)


class ImageFolder(DatasetFolder):
    """Images root/class/.../name.png; see `DatasetFolder`. `imgs` is `samples`."""

    def __init__(
        self,
        root: str | Path,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(
            root,
            loader,
            IMG_EXTENSIONS if is_valid_file is None else None,
            transform=transform,
            target_transform=target_transform,
            is_valid_file=is_valid_file,
            allow_empty=allow_empty,
        )
        self.imgs = self.samples
