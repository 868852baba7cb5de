"""Faster R-CNN (arXiv:1506.01497) on pyramids of features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from plait import nn
from plait.core.ir.errors import error
from plait.nn import functional as F
from plait.vision.models._api import WeightsEnum, builder
from plait.vision.models.detection._utils import overwrite_eps
from plait.vision.models.detection._weights import build, coco
from plait.vision.models.detection.anchor_utils import AnchorGenerator
from plait.vision.models.detection.backbone_utils import (
    _mobilenet_extractor,
    _resnet_fpn_extractor,
    _validate_trainable_layers,
)
from plait.vision.models.detection.generalized_rcnn import GeneralizedRCNN
from plait.vision.models.detection.roi_heads import RoIHeads
from plait.vision.models.detection.rpn import RegionProposalNetwork, RPNHead
from plait.vision.models.detection.transform import GeneralizedRCNNTransform
from plait.vision.models.mobilenetv3 import MobileNet_V3_Large_Weights, mobilenet_v3_large
from plait.vision.models.resnet import ResNet50_Weights, resnet50
from plait.vision.ops.misc import Conv2dNormActivation, FrozenBatchNorm2d
from plait.vision.ops.poolers import MultiScaleRoIAlign

_MEAN = [0.485, 0.456, 0.406]
_STD = [0.229, 0.224, 0.225]


def _default_anchorgen() -> AnchorGenerator:
    """One size of anchors for each of five levels, in three shapes."""
    sizes = ((32,), (64,), (128,), (256,), (512,))
    return AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))


class FasterRCNN(GeneralizedRCNN):
    """A detector of two stages on a backbone; see `GeneralizedRCNN` for inputs and results.

    The backbone gives features, a tensor or a dict of them, of `backbone.out_channels`. The
    arguments from `min_size` on are those of `GeneralizedRCNNTransform`, those from `rpn_` on of
    `RegionProposalNetwork`, those from `box_` on of `RoIHeads`. `num_classes` counts the
    background; it is None exactly if `box_predictor` is given.
    """

    def __init__(
        self,
        backbone: Any,
        num_classes: int | None = None,
        min_size: int | Sequence[int] = 800,
        max_size: int = 1333,
        image_mean: Sequence[float] | None = None,
        image_std: Sequence[float] | None = None,
        rpn_anchor_generator: Any = None,
        rpn_head: nn.Module | None = None,
        rpn_pre_nms_top_n_train: int = 2000,
        rpn_pre_nms_top_n_test: int = 1000,
        rpn_post_nms_top_n_train: int = 2000,
        rpn_post_nms_top_n_test: int = 1000,
        rpn_nms_thresh: float = 0.7,
        rpn_fg_iou_thresh: float = 0.7,
        rpn_bg_iou_thresh: float = 0.3,
        rpn_batch_size_per_image: int = 256,
        rpn_positive_fraction: float = 0.5,
        rpn_score_thresh: float = 0.0,
        box_roi_pool: Any = None,
        box_head: nn.Module | None = None,
        box_predictor: nn.Module | None = None,
        box_score_thresh: float = 0.05,
        box_nms_thresh: float = 0.5,
        box_detections_per_img: int = 100,
        box_fg_iou_thresh: float = 0.5,
        box_bg_iou_thresh: float = 0.5,
        box_batch_size_per_image: int = 512,
        box_positive_fraction: float = 0.25,
        bbox_reg_weights: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        _check_parts(backbone, num_classes, box_predictor)
        channels = backbone.out_channels
        anchors = rpn_anchor_generator or _default_anchorgen()
        rpn = RegionProposalNetwork(
            anchors,
            rpn_head or RPNHead(channels, anchors.num_anchors_per_location()[0]),
            rpn_fg_iou_thresh,
            rpn_bg_iou_thresh,
            rpn_batch_size_per_image,
            rpn_positive_fraction,
            {"training": rpn_pre_nms_top_n_train, "testing": rpn_pre_nms_top_n_test},
            {"training": rpn_post_nms_top_n_train, "testing": rpn_post_nms_top_n_test},
            rpn_nms_thresh,
            score_thresh=rpn_score_thresh,
        )
        pool = box_roi_pool or MultiScaleRoIAlign(["0", "1", "2", "3"], 7, 2)
        if box_head is None:
            box_head = TwoMLPHead(channels * pool.output_size[0] ** 2, 1024)
        if box_predictor is None:
            assert num_classes is not None
            box_predictor = FastRCNNPredictor(1024, num_classes)
        heads = RoIHeads(
            pool,
            box_head,
            box_predictor,
            box_fg_iou_thresh,
            box_bg_iou_thresh,
            box_batch_size_per_image,
            box_positive_fraction,
            bbox_reg_weights,
            box_score_thresh,
            box_nms_thresh,
            box_detections_per_img,
        )
        transform = GeneralizedRCNNTransform(
            min_size, max_size, image_mean or _MEAN, image_std or _STD, **kwargs
        )
        super().__init__(backbone, rpn, heads, transform)


def _check_parts(backbone: Any, num_classes: int | None, predictor: Any) -> None:
    """ValueError unless the backbone says its channels, and the classes are given just once."""
    if not hasattr(backbone, "out_channels"):
        raise error(
            ValueError,
            "backbone should contain an attribute out_channels specifying the number of output "
            "channels (assumed to be the same for all the levels)",
        )
    if num_classes is not None and predictor is not None:
        raise error(ValueError, "num_classes should be None when a predictor is specified")
    if num_classes is None and predictor is None:
        raise error(ValueError, "num_classes should not be None when no predictor is specified")


class TwoMLPHead(nn.Module):
    """Features (K, C, H, W) to vectors (K, representation_size), by two linear layers."""

    def __init__(self, in_channels: int, representation_size: int) -> None:
        super().__init__()
        self.fc6 = nn.Linear(in_channels, representation_size)
        self.fc7 = nn.Linear(representation_size, representation_size)

    def forward(self, x: Any) -> Any:
        return F.relu(self.fc7(F.relu(self.fc6(x.flatten(1)))))


class FastRCNNConvFCHead(nn.Sequential):
    """Convolutions, then linear layers; `input_size` is (channels, height, width)."""

    def __init__(
        self,
        input_size: tuple[int, int, int],
        conv_layers: Sequence[int],
        fc_layers: Sequence[int],
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        channels, height, width = input_size
        blocks: list[nn.Module] = []
        for next_channels in conv_layers:
            blocks.append(Conv2dNormActivation(channels, next_channels, norm_layer=norm_layer))
            channels = next_channels
        blocks.append(nn.Flatten())
        features = channels * height * width
        for next_features in fc_layers:
            blocks += [nn.Linear(features, next_features), nn.ReLU(inplace=True)]
            features = next_features
        super().__init__(*blocks)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)


class FastRCNNPredictor(nn.Module):
    """Vectors (K, in_channels) to class logits (K, num_classes) and codes (K, num_classes * 4)."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(in_channels, num_classes)
        self.bbox_pred = nn.Linear(in_channels, num_classes * 4)

    def forward(self, x: Any) -> tuple[Any, Any]:
        x = x.flatten(1)
        return self.cls_score(x), self.bbox_pred(x)


class FasterRCNN_ResNet50_FPN_Weights(WeightsEnum):
    COCO_V1 = coco("fasterrcnn_resnet50_fpn_coco-258fb6c6.pth", 41_755_286)
    DEFAULT = COCO_V1


class FasterRCNN_ResNet50_FPN_V2_Weights(WeightsEnum):
    COCO_V1 = coco("fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth", 43_712_278)
    DEFAULT = COCO_V1


class FasterRCNN_MobileNet_V3_Large_FPN_Weights(WeightsEnum):
    COCO_V1 = coco("fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth", 19_386_354)
    DEFAULT = COCO_V1


class FasterRCNN_MobileNet_V3_Large_320_FPN_Weights(WeightsEnum):
    COCO_V1 = coco("fasterrcnn_mobilenet_v3_large_320_fpn-907ea3f9.pth", 19_386_354)
    DEFAULT = COCO_V1


def on_resnet(
    detector: Callable[..., Any],
    weights: WeightsEnum | None,
    progress: bool,
    num_classes: int | None,
    weights_backbone: Any,
    trainable_backbone_layers: int | None,
    options: dict[str, Any],
) -> Any:
    """`detector(backbone, classes, **options)` on a ResNet-50 with a pyramid."""
    trained = weights is not None or weights_backbone is not None
    layers = _validate_trainable_layers(trained, trainable_backbone_layers, 5, 3)

    def make(classes: int) -> Any:
        backbone = resnet50(
            weights=None if weights else weights_backbone,
            norm_layer=FrozenBatchNorm2d if trained else nn.BatchNorm2d,
        )
        return detector(_resnet_fpn_extractor(backbone, layers), classes, **options)

    model = build(make, weights, progress, num_classes)
    if weights is not None:
        overwrite_eps(model, 0.0)
    return model


def on_resnet_v2(
    detector: Callable[..., Any],
    weights: WeightsEnum | None,
    progress: bool,
    num_classes: int | None,
    weights_backbone: Any,
    trainable_backbone_layers: int | None,
    options: dict[str, Any],
) -> Any:
    """As `on_resnet`, with norms in the pyramid and deeper heads (arXiv:2111.11429)."""
    trained = weights is not None or weights_backbone is not None
    layers = _validate_trainable_layers(trained, trainable_backbone_layers, 5, 3)

    def make(classes: int) -> Any:
        backbone = _resnet_fpn_extractor(
            resnet50(weights=None if weights else weights_backbone),
            layers,
            norm_layer=nn.BatchNorm2d,
        )
        anchors = _default_anchorgen()
        return detector(
            backbone,
            classes,
            rpn_anchor_generator=anchors,
            rpn_head=RPNHead(256, anchors.num_anchors_per_location()[0], conv_depth=2),
            box_head=FastRCNNConvFCHead((256, 7, 7), [256] * 4, [1024], norm_layer=nn.BatchNorm2d),
            **options,
        )

    return build(make, weights, progress, num_classes)


@builder(
    FasterRCNN_ResNet50_FPN_Weights, backbone=(ResNet50_Weights, ResNet50_Weights.IMAGENET1K_V1)
)
def fasterrcnn_resnet50_fpn(
    *,
    weights: FasterRCNN_ResNet50_FPN_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: ResNet50_Weights | None = ResNet50_Weights.IMAGENET1K_V1,
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> FasterRCNN:
    """Faster R-CNN on a ResNet-50 with a pyramid; `kwargs` are `FasterRCNN`'s.

    The norms of a trained backbone are frozen, and all but its last three layers.
    """
    return on_resnet(
        FasterRCNN,
        weights,
        progress,
        num_classes,
        weights_backbone,
        trainable_backbone_layers,
        kwargs,
    )


@builder(
    FasterRCNN_ResNet50_FPN_V2_Weights, backbone=(ResNet50_Weights, ResNet50_Weights.IMAGENET1K_V1)
)
def fasterrcnn_resnet50_fpn_v2(
    *,
    weights: FasterRCNN_ResNet50_FPN_V2_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: ResNet50_Weights | None = ResNet50_Weights.IMAGENET1K_V1,
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> FasterRCNN:
    """Faster R-CNN with deeper heads and norms in them (arXiv:2111.11429); else as the first."""
    return on_resnet_v2(
        FasterRCNN,
        weights,
        progress,
        num_classes,
        weights_backbone,
        trainable_backbone_layers,
        kwargs,
    )


def _mobile(
    weights: WeightsEnum | None,
    progress: bool,
    num_classes: int | None,
    weights_backbone: Any,
    trainable_backbone_layers: int | None,
    options: dict[str, Any],
) -> FasterRCNN:
    trained = weights is not None or weights_backbone is not None
    layers = _validate_trainable_layers(trained, trainable_backbone_layers, 6, 3)

    def make(classes: int) -> FasterRCNN:
        backbone = mobilenet_v3_large(
            weights=None if weights else weights_backbone,
            norm_layer=FrozenBatchNorm2d if trained else nn.BatchNorm2d,
        )
        sizes = ((32, 64, 128, 256, 512),) * 3
        anchors = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))
        return FasterRCNN(
            _mobilenet_extractor(backbone, True, layers),
            classes,
            rpn_anchor_generator=anchors,
            **options,
        )

    return build(make, weights, progress, num_classes)


@builder(
    FasterRCNN_MobileNet_V3_Large_FPN_Weights,
    backbone=(MobileNet_V3_Large_Weights, MobileNet_V3_Large_Weights.IMAGENET1K_V1),
)
def fasterrcnn_mobilenet_v3_large_fpn(
    *,
    weights: FasterRCNN_MobileNet_V3_Large_FPN_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: MobileNet_V3_Large_Weights | None = MobileNet_V3_Large_Weights.IMAGENET1K_V1,
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> FasterRCNN:
    """Faster R-CNN on a MobileNetV3-Large with a pyramid; `kwargs` are `FasterRCNN`'s."""
    options = {"rpn_score_thresh": 0.05, **kwargs}
    return _mobile(
        weights, progress, num_classes, weights_backbone, trainable_backbone_layers, options
    )


@builder(
    FasterRCNN_MobileNet_V3_Large_320_FPN_Weights,
    backbone=(MobileNet_V3_Large_Weights, MobileNet_V3_Large_Weights.IMAGENET1K_V1),
)
def fasterrcnn_mobilenet_v3_large_320_fpn(
    *,
    weights: FasterRCNN_MobileNet_V3_Large_320_FPN_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: MobileNet_V3_Large_Weights | None = MobileNet_V3_Large_Weights.IMAGENET1K_V1,
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> FasterRCNN:
    """As `fasterrcnn_mobilenet_v3_large_fpn`, for smaller images and fewer proposals."""
    options = {
        "min_size": 320,
        "max_size": 640,
        "rpn_pre_nms_top_n_test": 150,
        "rpn_post_nms_top_n_test": 150,
        "rpn_score_thresh": 0.05,
        **kwargs,
    }
    return _mobile(
        weights, progress, num_classes, weights_backbone, trainable_backbone_layers, options
    )
