"""What the models of segmentation share: a backbone, a head, and one beside it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

from plait import nn
from plait.nn import functional as F
from plait.vision.models._api import MODELS_URL, Weights, settle
from plait.vision.transforms._presets import SemanticSegmentation

VOC_CLASSES = 21  # of PASCAL VOC, with the background


def voc(file: str, num_params: int) -> Weights:
    """Weights trained on COCO's pictures with the classes of PASCAL VOC."""
    meta = {"num_params": num_params, "num_classes": VOC_CLASSES, "min_size": (1, 1)}
    return Weights(MODELS_URL + file, partial(SemanticSegmentation, resize_size=520), meta)


class _SimpleSegmentationModel(nn.Module):
    """(N, 3, H, W) to a dict of "out" and, with a classifier for it, "aux", (N, classes, H, W)."""

    def __init__(
        self, backbone: nn.Module, classifier: nn.Module, aux_classifier: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier
        self.aux_classifier = aux_classifier

    def forward(self, x: Any) -> OrderedDict[str, Any]:
        size = x.shape[-2:]
        features = self.backbone(x)
        result = OrderedDict(out=upsampled(self.classifier(features["out"]), size))
        if self.aux_classifier is not None:
            result["aux"] = upsampled(self.aux_classifier(features["aux"]), size)
        return result


def upsampled(x: Any, size: Any) -> Any:
    """Bilinear to `size` (height, width)."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def build(
    make: Callable[[int, bool], nn.Module],
    weights: Any,
    progress: bool,
    num_classes: int | None,
    aux_loss: bool | None,
) -> Any:
    """`make(num_classes, aux_loss)`, with the weights where there are some: these have 21 classes
    and the classifier beside."""
    if weights is None:
        return make(VOC_CLASSES if num_classes is None else num_classes, bool(aux_loss))
    wanted: dict[str, Any] = {}
    if num_classes is not None:
        wanted["num_classes"] = num_classes
    if aux_loss is not None:
        wanted["aux_loss"] = aux_loss
    settle(wanted, "num_classes", VOC_CLASSES)
    settle(wanted, "aux_loss", True)
    state = weights.get_state_dict(progress=progress, check_hash=True)
    model = make(VOC_CLASSES, True)
    model.load_state_dict(state)
    return model
