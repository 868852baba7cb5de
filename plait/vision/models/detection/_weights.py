"""Weights of detectors, and what the builders of detectors share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait import nn
from plait.vision.models._api import MODELS_URL, Weights, settle
from plait.vision.transforms._presets import ObjectDetection

COCO_CLASSES = 91  # the numbers of COCO's categories, and 0 for the background


def coco(file: str, num_params: int) -> Weights:
    """Weights trained on COCO's boxes."""
    meta = {"num_params": num_params, "num_classes": COCO_CLASSES, "min_size": (1, 1)}
    return Weights(MODELS_URL + file, ObjectDetection, meta)


def build(
    make: Callable[[int], nn.Module], weights: Any, progress: bool, num_classes: int | None
) -> Any:
    """`make(num_classes)`, with the weights, for COCO's classes, where there are some."""
    if weights is None:
        return make(COCO_CLASSES if num_classes is None else num_classes)
    wanted = {} if num_classes is None else {"num_classes": num_classes}
    settle(wanted, "num_classes", COCO_CLASSES)
    state = weights.get_state_dict(progress=progress, check_hash=True)
    model = make(COCO_CLASSES)
    model.load_state_dict(state)
    return model
