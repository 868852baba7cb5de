"""Mask R-CNN (arXiv:1703.06870): Faster R-CNN with a mask for each detection."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from plait import nn
from plait.vision.models._api import WeightsEnum, builder
from plait.vision.models.detection._weights import coco
from plait.vision.models.detection.faster_rcnn import (
    FasterRCNN,
    _check_parts,
    on_resnet,
    on_resnet_v2,
)
from plait.vision.models.resnet import ResNet50_Weights
from plait.vision.ops.misc import Conv2dNormActivation
from plait.vision.ops.poolers import MultiScaleRoIAlign


class MaskRCNN(FasterRCNN):
    """`FasterRCNN` with masks: detections have "masks" (L, 1, H, W) of probabilities, targets
    "masks" (L, H, W) of 0 and 1, and there is one more loss, "loss_mask".

    `mask_roi_pool`, `mask_head` and `mask_predictor` make a mask of each box for each class; all
    other arguments are `FasterRCNN`'s. `num_classes` is None exactly if `mask_predictor` is given.
    """

    def __init__(
        self,
        backbone: Any,
        num_classes: int | None = None,
        *args: Any,
        mask_roi_pool: Any = None,
        mask_head: nn.Module | None = None,
        mask_predictor: nn.Module | None = None,
        **kwargs: Any,
    ) -> None:
        _check_parts(backbone, num_classes, mask_predictor)
        # The masks' parts are drawn before the boxes', as in torchvision.
        pool = mask_roi_pool or MultiScaleRoIAlign(["0", "1", "2", "3"], 14, 2)
        head = mask_head or MaskRCNNHeads(backbone.out_channels, (256,) * 4, 1)
        if mask_predictor is None:
            assert num_classes is not None
            mask_predictor = MaskRCNNPredictor(256, 256, num_classes)
        super().__init__(backbone, num_classes, *args, **kwargs)
        heads: Any = self.roi_heads
        heads.mask_roi_pool = pool
        heads.mask_head = head
        heads.mask_predictor = mask_predictor


class MaskRCNNHeads(nn.Sequential):
    """3x3 convolutions of the widths `layers`."""

    _version = 2

    def __init__(
        self,
        in_channels: int,
        layers: Sequence[int],
        dilation: int,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        blocks = []
        channels = in_channels
        for width in layers:
            blocks.append(
                Conv2dNormActivation(
                    channels, width, padding=dilation, dilation=dilation, norm_layer=norm_layer
                )
            )
            channels = width
        super().__init__(*blocks)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any
    ) -> None:
        # Files of version 1 name the convolutions "mask_fcn1" and so on.
        if (local_metadata.get("version") or 1) < 2:
            for number in range(len(self)):
                for kind in ("weight", "bias"):
                    old = f"{prefix}mask_fcn{number + 1}.{kind}"
                    if old in state_dict:
                        state_dict[f"{prefix}{number}.0.{kind}"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class MaskRCNNPredictor(nn.Sequential):
    """Features (K, in_channels, M, M) to logits (K, num_classes, 2 M, 2 M)."""

    def __init__(self, in_channels: int, dim_reduced: int, num_classes: int) -> None:
        super().__init__(
            OrderedDict(
                conv5_mask=nn.ConvTranspose2d(in_channels, dim_reduced, 2, 2, 0),
                relu=nn.ReLU(inplace=True),
                mask_fcn_logits=nn.Conv2d(dim_reduced, num_classes, 1),
            )
        )
        for name, parameter in self.named_parameters():
            if "weight" in name:
                nn.init.kaiming_normal_(parameter, mode="fan_out", nonlinearity="relu")


class MaskRCNN_ResNet50_FPN_Weights(WeightsEnum):
    COCO_V1 = coco("maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth", 44_401_393)
    DEFAULT = COCO_V1


class MaskRCNN_ResNet50_FPN_V2_Weights(WeightsEnum):
    COCO_V1 = coco("maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth", 46_359_409)
    DEFAULT = COCO_V1


@builder(MaskRCNN_ResNet50_FPN_Weights, backbone=(ResNet50_Weights, ResNet50_Weights.IMAGENET1K_V1))
def maskrcnn_resnet50_fpn(
    *,
    weights: MaskRCNN_ResNet50_FPN_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: ResNet50_Weights | None = ResNet50_Weights.IMAGENET1K_V1,
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> MaskRCNN:
    """Mask R-CNN on a ResNet-50 with a pyramid; `kwargs` are `MaskRCNN`'s.

    The norms of a trained backbone are frozen, and all but its last three layers.
    """
    return on_resnet(
        MaskRCNN,
        weights,
        progress,
        num_classes,
        weights_backbone,
        trainable_backbone_layers,
        kwargs,
    )


@builder(
    MaskRCNN_ResNet50_FPN_V2_Weights, backbone=(ResNet50_Weights, ResNet50_Weights.IMAGENET1K_V1)
)
def maskrcnn_resnet50_fpn_v2(
    *,
    weights: MaskRCNN_ResNet50_FPN_V2_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: ResNet50_Weights | None = ResNet50_Weights.IMAGENET1K_V1,
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> MaskRCNN:
    """Mask R-CNN with deeper heads and norms in them (arXiv:2111.11429); else as the first."""
    heads = MaskRCNNHeads(256, [256] * 4, 1, norm_layer=nn.BatchNorm2d)
    return on_resnet_v2(
        MaskRCNN,
        weights,
        progress,
        num_classes,
        weights_backbone,
        trainable_backbone_layers,
        {"mask_head": heads, **kwargs},
    )
