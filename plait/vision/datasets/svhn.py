"""SVHN (Netzer et al., 2011): digits of house numbers, from the MATLAB files of format 2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np

from plait.vision.datasets._arrays import ArrayDataset, missing
from plait.vision.datasets._matlab import read_matlab
from plait.vision.datasets.utils import check_integrity, download_url, verify_str_arg

_HOST = "http://ufldl.stanford.edu/housenumbers/"


class SVHN(ArrayDataset):
    """Pictures of 32 x 32 pixels with a digit in the middle.

    `split` is "train" (73,257), "test" (26,032) or "extra" (531,131). Attributes: `data` uint8
    (N, 3, 32, 32), `labels` int64 (N,). Raises ValueError for another split, RuntimeError when the
    file is missing or not the published one.
    """

    split_list: ClassVar[dict[str, list[str]]] = {
        "train": [
            _HOST + "train_32x32.mat",
            "train_32x32.mat",
            "e26dedcc434d2e4c54c9b2d4a06d8373",
        ],
        "test": [_HOST + "test_32x32.mat", "test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"],
        "extra": [
            _HOST + "extra_32x32.mat",
            "extra_32x32.mat",
            "a93ce644f1a588dc4d68dda5feec44a7",
        ],
    }

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", tuple(self.split_list))
        self.url, self.filename, self.file_md5 = self.split_list[split]
        if download:
            self.download()
        path = Path(self.root or ".") / self.filename
        if not check_integrity(path, self.file_md5):
            raise missing()
        arrays = read_matlab(path)
        self.labels = arrays["y"].astype(np.int64).squeeze(1)
        self.labels[self.labels == 10] = 0  # the file counts the digits from 1
        self.data = np.ascontiguousarray(arrays["X"].transpose(3, 2, 0, 1))

    def _picture(self, array: np.ndarray) -> np.ndarray:
        return array.transpose(1, 2, 0).copy()

    def _target(self, index: int) -> int:
        return int(self.labels[index])

    def download(self) -> None:
        """Get the file, if it is not there."""
        download_url(self.url, self.root or ".", self.filename, self.file_md5)

    def extra_repr(self) -> str:
        return f"Split: {self.split}"
