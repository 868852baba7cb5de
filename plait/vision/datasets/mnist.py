"""`MNIST` and `FashionMNIST`: 28x28 grey images in ten classes, from idx files.

The files are looked for where torchvision keeps them, `root/MNIST/raw/train-images-idx3-ubyte`
and so on, plain or gzipped (`.gz`). Files already there are taken as they are, without a
checksum.
"""

from __future__ import annotations

import operator
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import plait
from plait.core.ir.errors import error
from plait.vision._pillow import pillow_image
from plait.vision.datasets import sample
from plait.vision.datasets.download import download as download_file
from plait.vision.datasets.idx import read_images, read_labels
from plait.vision.datasets.vision import VisionDataset
from plait.vision.transforms import Compose, ToTensor


class MNIST(VisionDataset):
    """Handwritten digits (LeCun, Cortes, Burges): 60,000 to train on, 10,000 to test on.

    Args:
        root: folder in which `MNIST/raw/` lies or is to be made.
        train: the training part or the test part.
        transform: function of the image, a Pillow image of mode "L".
        target_transform: function of the class number, an int.
        download: get missing files from the public mirrors, with MD5 sums. With the environment
            variable PLAIT_SAMPLE_DATA=1 the sample that ships with Plait (4,000 and 1,000 digits)
            is taken instead of a download, and a line on standard error says so.

    Attributes: `data` uint8 (N, 28, 28), `targets` int64 (N,), `classes`, `class_to_idx`.

    Raises RuntimeError when files are missing and `download` is False or fails, and for a file that
    is no idx file or does not fit its partner.
    """

    mirrors: ClassVar[list[str]] = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ]
    resources: ClassVar[list[tuple[str, str]]] = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    classes: ClassVar[list[str]] = [
        "0 - zero",
        "1 - one",
        "2 - two",
        "3 - three",
        "4 - four",
        "5 - five",
        "6 - six",
        "7 - seven",
        "8 - eight",
        "9 - nine",
    ]

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
        images, labels = self._load(download)
        self.data = plait.from_numpy(images)
        self.targets = plait.from_numpy(labels.astype(np.int64))

    # `data` and `targets` may be replaced by the user; items are read through NumPy views of them,
    # because indexing a tensor for each of 60,000 items costs more than the image does.
    @property
    def data(self) -> Any:
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        self._data = value
        self._pixels: np.ndarray | None = None

    @property
    def targets(self) -> Any:
        return self._targets

    @targets.setter
    def targets(self, value: Any) -> None:
        self._targets = value
        self._labels: np.ndarray | None = None

    def __getstate__(self) -> dict[str, Any]:
        # The views would be pickled as copies of what they look at.
        return {**self.__dict__, "_pixels": None, "_labels": None}

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """The image at `index` and its class, each after its transform."""
        if self._pixels is None or self._labels is None:
            self._pixels, self._labels = _view_of(self._data), _view_of(self._targets)
        index = operator.index(index)
        image: Any = self._pixels[index]
        target: Any = int(self._labels[index])
        if not _takes_pixels(self.transform):
            image = pillow_image().fromarray(image)
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def __len__(self) -> int:
        return len(self._data)

    @property
    def raw_folder(self) -> str:
        return str(self._raw)

    @property
    def processed_folder(self) -> str:
        return str(self._raw.with_name("processed"))

    @property
    def class_to_idx(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.classes)}

    @property
    def train_data(self) -> Any:
        warnings.warn("train_data has been renamed data", stacklevel=2)
        return self.data

    @property
    def test_data(self) -> Any:
        warnings.warn("test_data has been renamed data", stacklevel=2)
        return self.data

    @property
    def train_labels(self) -> Any:
        warnings.warn("train_labels has been renamed targets", stacklevel=2)
        return self.targets

    @property
    def test_labels(self) -> Any:
        warnings.warn("test_labels has been renamed targets", stacklevel=2)
        return self.targets

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train is True else 'Test'}"

    @property
    def _raw(self) -> Path:
        return Path(self.root or ".") / type(self).__name__ / "raw"

    def _check_exists(self) -> bool:
        return all(self._present(name.rpartition("/")[2]) for name, _ in self.resources)

    def _present(self, name: str) -> Path | None:
        """The plain file, else the gzipped one, else None. `name` ends in .gz."""
        for path in (self._raw / name.removesuffix(".gz"), self._raw / name):
            if path.is_file():
                return path
        return None

    def _sample(self) -> tuple[np.ndarray, np.ndarray] | None:
        """What may stand in for a download: images and labels, or None."""
        if type(self) is not MNIST or not sample.sample_wanted():
            return None
        images, labels = sample.mnist_sample(self.train)
        part = "training" if self.train else "held-out"
        print(
            f"plait: MNIST: {sample.ENVIRONMENT}=1: using the {len(images)} {part} digits of the "
            "sample that ships with Plait, not the full data set",
            file=sys.stderr,
        )
        return images, labels

    def _wanted(self) -> tuple[str, str]:
        """The names of the files of images and labels, gzipped."""
        prefix = "train" if self.train else "t10k"
        return f"{prefix}-images-idx3-ubyte.gz", f"{prefix}-labels-idx1-ubyte.gz"

    def _load(self, download: bool) -> tuple[np.ndarray, np.ndarray]:
        """Images (N, 28, 28) and labels (N,), uint8, of the wanted part."""
        wanted = self._wanted()
        if any(self._present(name) is None for name in wanted):
            if not download:
                raise error(
                    RuntimeError,
                    f"Dataset not found. You can use download=True to download it. Looked for "
                    f"{', '.join(wanted)} (or without .gz) in {self._raw}",
                )
            stand_in = self._sample()
            if stand_in is not None:
                return stand_in
            self.download()
        images_path, labels_path = (self._present(name) for name in wanted)
        assert images_path is not None and labels_path is not None
        images, labels = read_images(images_path), read_labels(labels_path)
        if len(images) != len(labels):
            raise error(
                RuntimeError,
                f"{images_path} has {len(images)} images, but {labels_path} has {len(labels)} "
                "labels: the two files do not belong together",
            )
        return images, labels

    def download(self) -> None:
        """Get the files that are not there yet. RuntimeError when no mirror gives one."""
        for name, md5 in self.resources:
            # Programs that replace `resources` put whole URLs there, as torchvision once had.
            mirror, _, file = name.rpartition("/")
            if self._present(file) is None:
                try:
                    download_file([mirror] if mirror else self.mirrors, file, self._raw, md5)
                except RuntimeError as fault:
                    raise error(RuntimeError, self._no_download(str(fault))) from None

    def _no_download(self, reason: str) -> str:
        message = f"{type(self).__name__}: {reason}\nPut the four idx files in {self._raw}"
        if type(self) is MNIST:
            message += f", or set {sample.ENVIRONMENT}=1 to use the 5,000 digits shipped with Plait"
        return message


class FashionMNIST(MNIST):
    """Zalando's pictures of clothes (Xiao, Rasul, Vollgraf, arXiv:1708.07747); as `MNIST`."""

    mirrors: ClassVar[list[str]] = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    resources: ClassVar[list[tuple[str, str]]] = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes: ClassVar[list[str]] = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ]


def _view_of(values: Any) -> np.ndarray:
    """A NumPy view of a tensor, or an array of whatever the user put in its place."""
    if isinstance(values, plait.Tensor):
        return values.detach().numpy()
    return np.asarray(values)


def _takes_pixels(transform: Any) -> bool:
    """Whether the first transform is exactly `ToTensor`, which gives the same for array and image.

    Then no Pillow image is made: it would be taken apart again at once.
    """
    if type(transform) is Compose and transform.transforms:
        transform = transform.transforms[0]
    return type(transform) is ToTensor
