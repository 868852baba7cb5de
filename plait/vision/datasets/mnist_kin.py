"""Data sets in MNIST's format: Kuzushiji-MNIST and EMNIST."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any, ClassVar

from plait.vision.datasets.mnist import MNIST
from plait.vision.datasets.utils import (
    download_and_extract_archive,
    extract_archive,
    verify_str_arg,
)


class KMNIST(MNIST):
    """Cursive Japanese characters (Clanuwat et al., arXiv:1812.01718); as `MNIST`."""

    mirrors: ClassVar[list[str]] = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources: ClassVar[list[tuple[str, str]]] = [
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes: ClassVar[list[str]] = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


# Letters whose small and capital forms are one class in some splits.
_MERGED = set("cijklmopsuvwxyz")
_ALL = [*string.digits, *string.ascii_uppercase, *string.ascii_lowercase]
_MERGED_CLASSES = [name for name in _ALL if name not in _MERGED]


class EMNIST(MNIST):
    """Handwritten letters and digits (Cohen et al., arXiv:1702.05373).

    `split` is "byclass", "bymerge", "balanced", "letters", "digits" or "mnist"; further arguments
    are `MNIST`'s. Raises ValueError for another split. As published, the images are transposed.
    """

    url = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
    md5 = "58c8d27c78d21e728a6bc7b3cc06412e"
    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    classes_split_dict: ClassVar[dict[str, list[str]]] = {
        "byclass": _ALL,
        "bymerge": _MERGED_CLASSES,
        "balanced": _MERGED_CLASSES,
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }

    def __init__(self, root: str | Path, split: str, **kwargs: Any) -> None:
        self.split = verify_str_arg(split, "split", self.splits)
        super().__init__(root, **kwargs)
        names = self.classes_split_dict[self.split]
        self.classes = names  # type: ignore[misc]  # of the split, not of the class

    def _names(self, train: bool) -> tuple[str, str]:
        prefix = f"emnist-{self.split}-{'train' if train else 'test'}"
        return f"{prefix}-images-idx3-ubyte.gz", f"{prefix}-labels-idx1-ubyte.gz"

    def _wanted(self) -> tuple[str, str]:
        return self._names(self.train)

    def _check_exists(self) -> bool:
        return all(self._present(n) for train in (True, False) for n in self._names(train))

    def download(self) -> None:
        """Get the archive of all splits and unpack it, if the files are not there."""
        if self._check_exists():
            return
        download_and_extract_archive(self.url, self._raw, md5=self.md5, remove_finished=True)
        for path in (self._raw / "gzip").glob("*.gz"):
            extract_archive(path, self._raw / path.stem)
