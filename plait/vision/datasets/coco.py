"""COCO (arXiv:1405.0312): pictures with boxes, masks and captions, from a file of annotations."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plait.vision._pillow import pillow_image
from plait.vision.datasets.vision import VisionDataset


class CocoIndex:
    """The annotations by image: as much of pycocotools' `COCO` as the data sets use."""

    def __init__(self, annotation_file: str | Path) -> None:
        with open(annotation_file, encoding="utf-8") as file:
            self.dataset: dict[str, Any] = json.load(file)
        self.imgs = {image["id"]: image for image in self.dataset.get("images", [])}
        self.cats = {entry["id"]: entry for entry in self.dataset.get("categories", [])}
        self.anns = {entry["id"]: entry for entry in self.dataset.get("annotations", [])}
        self.imgToAnns: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        for entry in self.dataset.get("annotations", []):
            self.imgToAnns[entry["image_id"]].append(entry)

    def getAnnIds(self, imgIds: Any) -> list[int]:
        """The annotations' numbers of an image or of several."""
        wanted = imgIds if isinstance(imgIds, (list, tuple)) else [imgIds]
        return [entry["id"] for image in wanted for entry in self.imgToAnns.get(image, [])]

    def loadAnns(self, ids: Any) -> list[dict[str, Any]]:
        """The annotations of these numbers."""
        return [self.anns[i] for i in (ids if isinstance(ids, (list, tuple)) else [ids])]

    def loadImgs(self, ids: Any) -> list[dict[str, Any]]:
        """What is known of the images of these numbers."""
        return [self.imgs[i] for i in (ids if isinstance(ids, (list, tuple)) else [ids])]

    def getCatIds(self) -> list[int]:
        """The categories' numbers."""
        return list(self.cats)


class CocoDetection(VisionDataset):
    """Pairs of a picture and its annotations, a list of dicts, by the image's number.

    Args:
        root: folder of the pictures.
        annFile: the file of annotations.
    """

    def __init__(
        self,
        root: str | Path,
        annFile: str | Path,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        transforms: Callable | None = None,
    ) -> None:
        super().__init__(root, transforms, transform, target_transform)
        self.coco = CocoIndex(annFile)
        self.ids = sorted(self.coco.imgs)

    def _load_image(self, id: int) -> Any:
        name = self.coco.loadImgs(id)[0]["file_name"]
        return pillow_image().open(os.path.join(self.root or ".", name)).convert("RGB")

    def _load_target(self, id: int) -> list[Any]:
        return self.coco.loadAnns(self.coco.getAnnIds(id))

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not isinstance(index, int):
            raise ValueError(f"Index must be of type integer, got {type(index)} instead.")
        number = self.ids[index]
        image, target = self._load_image(number), self._load_target(number)
        return (image, target) if self.transforms is None else self.transforms(image, target)

    def __len__(self) -> int:
        return len(self.ids)


class CocoCaptions(CocoDetection):
    """Pairs of a picture and its captions, a list of strings."""

    def _load_target(self, id: int) -> list[str]:
        return [entry["caption"] for entry in super()._load_target(id)]
