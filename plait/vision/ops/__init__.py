"""Operations and layers of vision models, under torchvision's names."""

from plait._unbuilt import unbuilt
from plait.vision.ops import boxes, misc
from plait.vision.ops.boxes import (
    batched_nms,
    box_area,
    box_convert,
    box_iou,
    clip_boxes_to_image,
    complete_box_iou,
    distance_box_iou,
    generalized_box_iou,
    masks_to_boxes,
    nms,
    remove_small_boxes,
)
from plait.vision.ops.feature_pyramid_network import FeaturePyramidNetwork
from plait.vision.ops.losses import (
    complete_box_iou_loss,
    distance_box_iou_loss,
    generalized_box_iou_loss,
    sigmoid_focal_loss,
)
from plait.vision.ops.misc import (
    MLP,
    Conv2dNormActivation,
    Conv3dNormActivation,
    FrozenBatchNorm2d,
    Permute,
    SqueezeExcitation,
)
from plait.vision.ops.poolers import MultiScaleRoIAlign
from plait.vision.ops.roi_align import RoIAlign, roi_align
from plait.vision.ops.roi_pool import RoIPool, roi_pool
from plait.vision.ops.stochastic_depth import StochasticDepth, stochastic_depth

__getattr__ = unbuilt(
    "torchvision.ops",
    (
        "DeformConv2d",
        "DropBlock2d",
        "DropBlock3d",
        "PSRoIAlign",
        "PSRoIPool",
        "deform_conv2d",
        "drop_block2d",
        "drop_block3d",
        "ps_roi_align",
        "ps_roi_pool",
    ),
)
