"""PASCAL VOC (Everingham et al., 2010): pictures with classes of pixels, or with boxes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from plait.core.ir.errors import error
from plait.vision._pillow import pillow_image
from plait.vision.datasets.utils import download_and_extract_archive, verify_str_arg
from plait.vision.datasets.vision import VisionDataset

_HOST = "https://thor.robots.ox.ac.uk/pascal/VOC/"
# Year: path of the archive, its MD5 sum, the folder in it.
_YEARS = {
    "2012": (
        "voc2012/VOCtrainval_11-May-2012.tar",
        "6cd6e144f989b92b3379bac3b3de84fd",
        "VOCdevkit/VOC2012",
    ),
    "2011": (
        "voc2011/VOCtrainval_25-May-2011.tar",
        "6c3384ef61512963050cb5d687e5bf1e",
        "TrainVal/VOCdevkit/VOC2011",
    ),
    "2010": (
        "voc2010/VOCtrainval_03-May-2010.tar",
        "da459979d0c395079b5c75ee67908abb",
        "VOCdevkit/VOC2010",
    ),
    "2009": (
        "voc2009/VOCtrainval_11-May-2009.tar",
        "a3e00b113cfcfebf17e343f59da3caa1",
        "VOCdevkit/VOC2009",
    ),
    "2008": (
        "voc2008/VOCtrainval_14-Jul-2008.tar",
        "2629fa636546599198acfcfbfcf1904a",
        "VOCdevkit/VOC2008",
    ),
    "2007": (
        "voc2007/VOCtrainval_06-Nov-2007.tar",
        "c52e279531787c972589f7e41ab4ae64",
        "VOCdevkit/VOC2007",
    ),
    "2007-test": (
        "voc2007/VOCtest_06-Nov-2007.tar",
        "b6e924de25625d8de591ea690078ad9f",
        "VOCdevkit/VOC2007",
    ),
}


class _VOCBase(VisionDataset):
    """The pictures of one split, and the paths of what belongs to them."""

    _SPLITS_DIR: str
    _TARGET_DIR: str
    _TARGET_FILE_EXT: str

    def __init__(
        self,
        root: str | Path,
        year: str = "2012",
        image_set: str = "train",
        download: bool = False,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        transforms: Callable | None = None,
    ) -> None:
        super().__init__(root, transforms, transform, target_transform)
        self.year = verify_str_arg(year, "year", [str(y) for y in range(2007, 2013)])
        sets = ["train", "trainval", "val"] + (["test"] if year == "2007" else [])
        self.image_set = verify_str_arg(image_set, "image_set", sets)
        key = "2007-test" if (year, image_set) == ("2007", "test") else year
        archive, md5, inside = _YEARS[key]
        if download:
            download_and_extract_archive(_HOST + archive, self.root or ".", md5=md5)
        folder = Path(self.root or ".") / inside
        if not folder.is_dir():
            raise error(
                RuntimeError,
                "Dataset not found or corrupted. You can use download=True to download it",
            )
        listing = folder / "ImageSets" / self._SPLITS_DIR / f"{image_set}.txt"
        names = listing.read_text().split()
        self.images = [str(folder / "JPEGImages" / f"{name}.jpg") for name in names]
        self.targets = [
            str(folder / self._TARGET_DIR / (name + self._TARGET_FILE_EXT)) for name in names
        ]

    def _target(self, index: int) -> Any:
        raise NotImplementedError

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = pillow_image().open(self.images[index]).convert("RGB")
        target = self._target(index)
        return (image, target) if self.transforms is None else self.transforms(image, target)

    def __len__(self) -> int:
        return len(self.images)


class VOCSegmentation(_VOCBase):
    """Pairs of a picture and a picture whose pixels are classes (255: none).

    Args:
        root: folder in which `VOCdevkit/` lies or is to be made.
        year: "2007" to "2012".
        image_set: "train", "trainval", "val", and "test" in 2007.
    """

    _SPLITS_DIR = "Segmentation"
    _TARGET_DIR = "SegmentationClass"
    _TARGET_FILE_EXT = ".png"

    @property
    def masks(self) -> list[str]:
        return self.targets

    def _target(self, index: int) -> Any:
        return pillow_image().open(self.masks[index])


class VOCDetection(_VOCBase):
    """Pairs of a picture and its annotation, the XML file as dicts; see `VOCSegmentation`."""

    _SPLITS_DIR = "Main"
    _TARGET_DIR = "Annotations"
    _TARGET_FILE_EXT = ".xml"

    @property
    def annotations(self) -> list[str]:
        return self.targets

    def _target(self, index: int) -> Any:
        return self.parse_voc_xml(ElementTree.parse(self.annotations[index]).getroot())

    @staticmethod
    def parse_voc_xml(node: ElementTree.Element) -> dict[str, Any]:
        """{tag: text, or dict of the children}; children of one name, and all objects, as lists."""
        children = list(node)
        if not children:
            return {node.tag: (node.text or "").strip() or None}
        found: dict[str, list[Any]] = {}
        for child in children:
            for tag, value in VOCDetection.parse_voc_xml(child).items():
                found.setdefault(tag, []).append(value)
        inside: dict[str, Any] = {
            tag: values[0] if len(values) == 1 else values for tag, values in found.items()
        }
        if node.tag == "annotation":
            inside["object"] = found.get("object", [])
        return {node.tag: inside}
