"""Region proposal networks (arXiv:1506.01497): which anchors hold a thing, and where it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plait
from plait import nn
from plait.core.ir.errors import error
from plait.nn import functional as F
from plait.vision import ops
from plait.vision.models.detection import _utils as det_utils
from plait.vision.models.detection.image_list import ImageList
from plait.vision.ops.misc import Conv2dNormActivation

# Boxes with a side below this are no proposals.
_MIN_SIZE = 1e-3


class RPNHead(nn.Module):
    """For each anchor at each pixel a logit and four numbers; one head for all levels."""

    _version = 2

    def __init__(self, in_channels: int, num_anchors: int, conv_depth: int = 1) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            *(
                Conv2dNormActivation(in_channels, in_channels, 3, norm_layer=None)
                for _ in range(conv_depth)
            )
        )
        self.cls_logits = nn.Conv2d(in_channels, num_anchors, 1)
        self.bbox_pred = nn.Conv2d(in_channels, num_anchors * 4, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.01)
                if layer.bias is not None:
                    nn.init.constant_(layer.bias, 0)

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any
    ) -> None:
        # Files of version 1 have one convolution, without the list around it.
        if (local_metadata.get("version") or 1) < 2:
            for kind in ("weight", "bias"):
                old = f"{prefix}conv.{kind}"
                if old in state_dict:
                    state_dict[f"{prefix}conv.0.0.{kind}"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def forward(self, x: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        hidden = [self.conv(feature) for feature in x]
        return [self.cls_logits(h) for h in hidden], [self.bbox_pred(h) for h in hidden]


def permute_and_flatten(layer: Any, channels: int) -> Any:
    """(N, A * channels, H, W) to (N, H * W * A, channels): the order of the anchors."""
    count, _, height, width = layer.shape
    layer = layer.view(count, -1, channels, height, width).permute(0, 3, 4, 1, 2)
    return layer.reshape(count, -1, channels)


class RegionProposalNetwork(nn.Module):
    """Proposals (L, 4) for each image and, in training, the losses.

    Args:
        anchor_generator, head: the anchors, and what is predicted for them.
        fg_iou_thresh, bg_iou_thresh: overlaps from which an anchor counts as a thing, and below
            which it counts as background.
        batch_size_per_image, positive_fraction: of the anchors in the loss.
        pre_nms_top_n, post_nms_top_n: dicts of "training" and "testing": proposals kept before
            (of each level) and after the suppression of duplicates.
        nms_thresh, score_thresh: of proposals.
    """

    def __init__(
        self,
        anchor_generator: nn.Module,
        head: nn.Module,
        fg_iou_thresh: float,
        bg_iou_thresh: float,
        batch_size_per_image: int,
        positive_fraction: float,
        pre_nms_top_n: Mapping[str, int],
        post_nms_top_n: Mapping[str, int],
        nms_thresh: float,
        score_thresh: float = 0.0,
    ) -> None:
        super().__init__()
        self.anchor_generator = anchor_generator
        self.head = head
        self.box_coder = det_utils.BoxCoder((1.0, 1.0, 1.0, 1.0))
        self.proposal_matcher = det_utils.Matcher(
            fg_iou_thresh, bg_iou_thresh, allow_low_quality_matches=True
        )
        self.fg_bg_sampler = det_utils.BalancedPositiveNegativeSampler(
            batch_size_per_image, positive_fraction
        )
        self._pre_nms_top_n = pre_nms_top_n
        self._post_nms_top_n = post_nms_top_n
        self.nms_thresh = nms_thresh
        self.score_thresh = score_thresh
        self.min_size = _MIN_SIZE

    def pre_nms_top_n(self) -> int:
        return self._pre_nms_top_n["training" if self.training else "testing"]

    def post_nms_top_n(self) -> int:
        return self._post_nms_top_n["training" if self.training else "testing"]

    def forward(
        self,
        images: ImageList,
        features: Mapping[str, Any],
        targets: Sequence[dict[str, Any]] | None = None,
    ) -> tuple[list[Any], dict[str, Any]]:
        levels = list(features.values())
        logits, deltas = self.head(levels)
        anchors = self.anchor_generator(images, levels)
        count = len(anchors)
        per_level = [level.shape[1] * level.shape[2] * level.shape[3] for level in logits]
        objectness = plait.cat([permute_and_flatten(level, 1) for level in logits], 1)
        regression = plait.cat([permute_and_flatten(level, 4) for level in deltas], 1)
        objectness, regression = objectness.reshape(-1, 1), regression.reshape(-1, 4)
        proposals = self.box_coder.decode(regression.detach(), anchors).view(count, -1, 4)
        boxes = self.filter_proposals(proposals, objectness, images.image_sizes, per_level)
        if not self.training:
            return boxes, {}
        if targets is None:
            raise error(ValueError, "targets should not be None")
        labels, matched = self.assign_targets_to_anchors(anchors, targets)
        wanted = self.box_coder.encode(matched, anchors)
        loss, box_loss = self.compute_loss(objectness, regression, labels, wanted)
        return boxes, {"loss_objectness": loss, "loss_rpn_box_reg": box_loss}

    def filter_proposals(
        self,
        proposals: Any,
        objectness: Any,
        image_shapes: Sequence[Sequence[int]],
        num_anchors_per_level: Sequence[int],
    ) -> list[Any]:
        """The best proposals (L, 4) of each image, best first."""
        count = proposals.shape[0]
        scores = objectness.detach().reshape(count, -1)
        chosen, levels, start = [], [], 0
        for number, size in enumerate(num_anchors_per_level):
            kept = min(self.pre_nms_top_n(), size)
            chosen.append(scores[:, start : start + size].topk(kept, dim=1)[1] + start)
            levels += [number] * kept
            start += size
        indices, level = plait.cat(chosen, 1), plait.tensor(levels)
        found = []
        for image in range(count):
            boxes = ops.clip_boxes_to_image(proposals[image][indices[image]], image_shapes[image])
            probability = plait.sigmoid(scores[image][indices[image]])
            sides = boxes[:, 2:] - boxes[:, :2]
            keep = (sides >= self.min_size).all(1) & (probability >= self.score_thresh)
            keep = det_utils.indices_of(keep)
            boxes = boxes[keep]
            best = ops.batched_nms(boxes, probability[keep], level[keep], self.nms_thresh)
            found.append(boxes[best[: self.post_nms_top_n()]])
        return found

    def assign_targets_to_anchors(
        self, anchors: Sequence[Any], targets: Sequence[dict[str, Any]]
    ) -> tuple[list[Any], list[Any]]:
        """Labels (1 thing, 0 background, -1 neither) and true boxes for each image's anchors."""
        labels, matched = [], []
        for of_image, target in zip(anchors, targets):
            boxes = target["boxes"]
            if boxes.numel() == 0:
                matched.append(plait.zeros(of_image.shape, dtype=of_image.dtype))
                labels.append(plait.zeros(of_image.shape[0]))
                continue
            numbers = self.proposal_matcher(ops.box_iou(boxes, of_image))
            label = (numbers >= 0).float()
            between = numbers == self.proposal_matcher.BETWEEN_THRESHOLDS
            labels.append(plait.where(between, plait.full_like(label, -1.0), label))
            matched.append(boxes[numbers.clamp(min=0)])
        return labels, matched

    def compute_loss(
        self, objectness: Any, pred_bbox_deltas: Any, labels: list[Any], targets: list[Any]
    ) -> tuple[Any, Any]:
        """The losses of logits and boxes, over a sample of the anchors."""
        positive, negative = self.fg_bg_sampler(labels)
        inside = det_utils.indices_of(plait.cat(positive))
        outside = det_utils.indices_of(plait.cat(negative))
        sampled = plait.cat([inside, outside])
        box_loss = F.smooth_l1_loss(
            pred_bbox_deltas[inside], plait.cat(targets)[inside], beta=1 / 9, reduction="sum"
        ) / max(sampled.numel(), 1)
        loss = F.binary_cross_entropy_with_logits(
            objectness.flatten()[sampled], plait.cat(labels)[sampled]
        )
        return loss, box_loss
