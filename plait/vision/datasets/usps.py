"""USPS (J. Hull, 1994): digits from envelopes, in LIBSVM's text format."""

from __future__ import annotations

import bz2
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np

from plait.vision.datasets._arrays import ArrayDataset
from plait.vision.datasets.utils import download_url


class USPS(ArrayDataset):
    """Digits of 16 x 16 pixels: 7,291 to train on, 2,007 to test on.

    Attributes: `data` uint8 (N, 16, 16), `targets` a list. A line of the file is a class (1 to 10),
    then index:value pairs with values in [-1, 1].
    """

    split_list: ClassVar[dict[str, list[str]]] = {
        "train": [
            "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/usps.bz2",
            "usps.bz2",
            "ec16c51db3855ca6c91edd34d0e9b197",
        ],
        "test": [
            "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/usps.t.bz2",
            "usps.t.bz2",
            "8ea070ee2aca1ac39742fdd1ef5ed118",
        ],
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
        url, name, md5 = self.split_list["train" if train else "test"]
        path = Path(self.root or ".") / name
        if download and not path.is_file():
            download_url(url, self.root or ".", name, md5)
        with bz2.open(path, "rt") as file:
            rows = [line.split() for line in file]
        values = np.array(
            [[cell.partition(":")[2] for cell in row[1:]] for row in rows], np.float64
        )
        pixels = (values.reshape(-1, 16, 16) + 1) / 2 * 255
        self.data = pixels.astype(np.uint8)
        self.targets = [int(float(row[0])) - 1 for row in rows]

    def _target(self, index: int) -> int:
        return self.targets[index]
