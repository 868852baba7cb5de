"""STL-10 (Coates, Ng, Lee, 2011): few labels, many pictures without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from plait.core.ir.errors import error
from plait.vision.datasets._arrays import ArrayDataset, missing
from plait.vision.datasets.utils import (
    check_integrity,
    download_and_extract_archive,
    verify_str_arg,
)


class STL10(ArrayDataset):
    """Pictures of 96 x 96 pixels in 10 classes: 5,000 to train on, 8,000 to test on, 100,000
    without a class (-1).

    Args:
        root: folder in which `stl10_binary/` lies or is to be made.
        split: "train", "test", "unlabeled" or "train+unlabeled".
        folds: 0 to 9 for one of the folds of 1,000 training pictures.

    Attributes: `data` uint8 (N, 3, 96, 96), `labels`, `classes`. Raises ValueError for another
    split or fold, RuntimeError when files are missing or not the published ones.
    """

    base_folder = "stl10_binary"
    url = "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"
    filename = "stl10_binary.tar.gz"
    tgz_md5 = "91f7769df0f17e558f3565bffb0c7dfb"
    class_names_file = "class_names.txt"
    folds_list_file = "fold_indices.txt"
    train_list: ClassVar[list[list[str]]] = [
        ["train_X.bin", "918c2871b30a85fa023e0c44e0bee87f"],
        ["train_y.bin", "5a34089d4802c674881badbb80307741"],
        ["unlabeled_X.bin", "5242ba1fed5e4be9e1e742405eb56ca4"],
    ]
    test_list: ClassVar[list[list[str]]] = [
        ["test_X.bin", "7f263ba9f9e0b06b93213547f721ac82"],
        ["test_y.bin", "36f9794fa4beb8a2c72628de14fa638e"],
    ]
    splits = ("train", "train+unlabeled", "unlabeled", "test")

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        folds: int | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", self.splits)
        if folds is not None and folds not in range(10):
            raise error(
                ValueError,
                f"Value for argument folds should be in the range [0, 10), but got {folds}.",
            )
        self.folds = folds
        if download:
            self.download()
        if not self._check_integrity():
            raise missing()
        self.data, self.labels = self._loaded()
        names = self._folder / self.class_names_file
        self.classes = names.read_text().splitlines() if names.is_file() else []

    @property
    def _folder(self) -> Path:
        return Path(self.root or ".") / self.base_folder

    def _loaded(self) -> tuple[np.ndarray, Any]:
        images, labels = [], []
        if self.split in ("train", "train+unlabeled"):
            own, classes = self._labelled("train")
            if self.folds is not None:
                lines = (self._folder / self.folds_list_file).read_text().splitlines()
                chosen = np.array(lines[self.folds].split(), np.int64)
                own, classes = own[chosen], classes[chosen]
            images.append(own)
            labels.append(classes)
        if self.split == "test":
            own, classes = self._labelled("test")
            images.append(own)
            labels.append(classes)
        if "unlabeled" in self.split:
            images.append(self._images("unlabeled_X.bin"))
            labels.append(np.full(len(images[-1]), -1))
        return np.concatenate(images), np.concatenate(labels)

    def _labelled(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        classes = np.fromfile(self._folder / f"{part}_y.bin", np.uint8)
        return self._images(f"{part}_X.bin"), classes.astype(np.int64) - 1  # 1-based in the file

    def _images(self, name: str) -> np.ndarray:
        """(N, 3, 96, 96): in the file, columns follow each other."""
        flat = np.fromfile(self._folder / name, np.uint8)
        return np.ascontiguousarray(flat.reshape(-1, 3, 96, 96).transpose(0, 1, 3, 2))

    def _picture(self, array: np.ndarray) -> np.ndarray:
        return array.transpose(1, 2, 0).copy()

    def _target(self, index: int) -> int:
        return int(self.labels[index])

    def _check_integrity(self) -> bool:
        files = [*self.train_list, *self.test_list]
        return all(check_integrity(self._folder / name, md5) for name, md5 in files)

    def download(self) -> None:
        """Get the archive and unpack it, if the files are not there."""
        if not self._check_integrity():
            download_and_extract_archive(
                self.url, self.root or ".", filename=self.filename, md5=self.tgz_md5
            )

    def extra_repr(self) -> str:
        return f"Split: {self.split}"
