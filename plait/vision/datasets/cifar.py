"""CIFAR-10 and CIFAR-100 (A. Krizhevsky, 2009), from the archives of the version for Python."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from plait.core.ir.errors import error
from plait.vision.datasets._arrays import ArrayDataset, missing
from plait.vision.datasets.utils import check_integrity, download_and_extract_archive

# All that the published pickles refer to.
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


class _ArrayUnpickler(pickle.Unpickler):
    """Reads containers, numbers, strings and arrays, and runs nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise error(
                pickle.UnpicklingError, f"a CIFAR file has no business with {module}.{name}"
            )
        return super().find_class(module.replace("numpy.core.", "numpy._core."), name)


class CIFAR10(ArrayDataset):
    """60,000 pictures of 32 x 32 pixels in 10 classes, 10,000 of them to test on.

    Args:
        root: folder in which `cifar-10-batches-py/` lies or is to be made.
        train: the training part or the test part.
        download: get the archive and unpack it, if the files are not there.

    Attributes: `data` uint8 (N, 32, 32, 3), `targets` a list, `classes`, `class_to_idx`. Raises
    RuntimeError when files are missing or have other MD5 sums than the published ones.
    """

    base_folder = "cifar-10-batches-py"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    filename = "cifar-10-python.tar.gz"
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    train_list: ClassVar[list[list[str]]] = [
        ["data_batch_1", "c99cafc152244af753f735de768cd75f"],
        ["data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"],
        ["data_batch_3", "54ebc095f3ab1f0389bbae665268c751"],
        ["data_batch_4", "634d18415352ddfa80567beed471001a"],
        ["data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"],
    ]
    test_list: ClassVar[list[list[str]]] = [["test_batch", "40351d587109b95175f43aff81a1287e"]]
    meta: ClassVar[dict[str, str]] = {
        "filename": "batches.meta",
        "key": "label_names",
        "md5": "5ff9c542aee3614f3951f8cda6e48888",
    }

    def __init__(
        self,
        root: str | Path,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        if not self._check_integrity():
            raise missing()
        batches = [_read(self._folder / name) for name, _ in self._files()]
        images = np.vstack([batch["data"] for batch in batches])
        self.data = np.ascontiguousarray(images.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        self.targets: list[int] = []
        for batch in batches:
            self.targets += batch["labels"] if "labels" in batch else batch["fine_labels"]
        self.classes: list[str] = _read(self._folder / self.meta["filename"])[self.meta["key"]]
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}

    @property
    def _folder(self) -> Path:
        return Path(self.root or ".") / self.base_folder

    def _files(self) -> list[list[str]]:
        return self.train_list if self.train else self.test_list

    def _target(self, index: int) -> int:
        return self.targets[index]

    def _check_integrity(self) -> bool:
        wanted = [*self.train_list, *self.test_list, [self.meta["filename"], self.meta["md5"]]]
        return all(check_integrity(self._folder / name, md5) for name, md5 in wanted)

    def download(self) -> None:
        """Get the archive and unpack it, if the files are not there."""
        if not self._check_integrity():
            download_and_extract_archive(
                self.url, self.root or ".", filename=self.filename, md5=self.tgz_md5
            )

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train is True else 'Test'}"


class CIFAR100(CIFAR10):
    """As `CIFAR10`, in 100 classes."""

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list: ClassVar[list[list[str]]] = [["train", "16019d7e3df5f24257cddd939b257f8d"]]
    test_list: ClassVar[list[list[str]]] = [["test", "f0ef6b0ae62326f3e7ffdfab6717acfc"]]
    meta: ClassVar[dict[str, str]] = {
        "filename": "meta",
        "key": "fine_label_names",
        "md5": "7973b15100ade9c7d40fb424638fde48",
    }


def _read(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        return _ArrayUnpickler(file, encoding="latin1").load()
