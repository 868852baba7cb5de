"""The second stage of Faster and Mask R-CNN: what the proposals are, and where exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plait
from plait import nn
from plait._unbuilt import not_built
from plait.core.ir.errors import error
from plait.nn import functional as F
from plait.vision import ops
from plait.vision.models.detection import _utils as det_utils
from plait.vision.models.detection._masks import maskrcnn_inference, maskrcnn_loss

# Detections with a side below this are none.
_MIN_SIZE = 1e-2


def fastrcnn_loss(
    class_logits: Any, box_regression: Any, labels: list[Any], regression_targets: list[Any]
) -> tuple[Any, Any]:
    """The losses of classes and boxes; boxes count for the class that is right."""
    label, target = plait.cat(labels), plait.cat(regression_targets)
    loss = F.cross_entropy(class_logits, label)
    inside = det_utils.indices_of(label > 0)
    regression = box_regression.reshape(box_regression.shape[0], -1, 4)
    box_loss = F.smooth_l1_loss(
        regression[inside, label[inside]], target[inside], beta=1 / 9, reduction="sum"
    )
    return loss, box_loss / label.numel()


class RoIHeads(nn.Module):
    """Detections of each image or, in training, the losses.

    Args:
        box_roi_pool, box_head, box_predictor: features of boxes, a vector of them, class logits
            and four numbers by class.
        fg_iou_thresh, bg_iou_thresh, batch_size_per_image, positive_fraction: of the proposals
            that are trained on, as in the proposal network.
        bbox_reg_weights: of `BoxCoder`.
        score_thresh, nms_thresh, detections_per_img: of the detections.

        mask_roi_pool, mask_head, mask_predictor: features of boxes to a logit for each pixel of a
            small mask, by class; no masks without them.

    Key points are not built.
    """

    def __init__(
        self,
        box_roi_pool: nn.Module,
        box_head: nn.Module,
        box_predictor: nn.Module,
        fg_iou_thresh: float,
        bg_iou_thresh: float,
        batch_size_per_image: int,
        positive_fraction: float,
        bbox_reg_weights: Sequence[float] | None,
        score_thresh: float,
        nms_thresh: float,
        detections_per_img: int,
        mask_roi_pool: Any = None,
        mask_head: Any = None,
        mask_predictor: Any = None,
        keypoint_roi_pool: Any = None,
        keypoint_head: Any = None,
        keypoint_predictor: Any = None,
    ) -> None:
        super().__init__()
        if any((keypoint_roi_pool, keypoint_head, keypoint_predictor)):
            raise not_built("RoIHeads with key points")
        self.proposal_matcher = det_utils.Matcher(fg_iou_thresh, bg_iou_thresh)
        self.fg_bg_sampler = det_utils.BalancedPositiveNegativeSampler(
            batch_size_per_image, positive_fraction
        )
        self.box_coder = det_utils.BoxCoder(bbox_reg_weights or (10.0, 10.0, 5.0, 5.0))
        self.box_roi_pool = box_roi_pool
        self.box_head = box_head
        self.box_predictor = box_predictor
        self.score_thresh = score_thresh
        self.nms_thresh = nms_thresh
        self.detections_per_img = detections_per_img
        self.mask_roi_pool = mask_roi_pool
        self.mask_head = mask_head
        self.mask_predictor = mask_predictor

    def has_mask(self) -> bool:
        """Whether masks are predicted."""
        return None not in (self.mask_roi_pool, self.mask_head, self.mask_predictor)

    def forward(
        self,
        features: Mapping[str, Any],
        proposals: list[Any],
        image_shapes: Sequence[Sequence[int]],
        targets: Sequence[dict[str, Any]] | None = None,
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        if not self.training:
            pooled = self.box_roi_pool(features, proposals, image_shapes)
            logits, regression = self.box_predictor(self.box_head(pooled))
            found = self.postprocess_detections(logits, regression, proposals, image_shapes)
            if self.has_mask():
                boxes = [result["boxes"] for result in found]
                masks = self._mask_logits(features, boxes, image_shapes)
                of_labels = maskrcnn_inference(masks, [result["labels"] for result in found])
                for result, mask in zip(found, of_labels):
                    result["masks"] = mask
            return found, {}
        if targets is None:
            raise error(ValueError, "targets should not be None")
        proposals, matched, labels, wanted = self.select_training_samples(proposals, targets)
        pooled = self.box_roi_pool(features, proposals, image_shapes)
        logits, regression = self.box_predictor(self.box_head(pooled))
        loss, box_loss = fastrcnn_loss(logits, regression, labels, wanted)
        losses = {"loss_classifier": loss, "loss_box_reg": box_loss}
        if self.has_mask():
            inside = [det_utils.indices_of(label > 0) for label in labels]
            boxes = [of_image[places] for of_image, places in zip(proposals, inside)]
            numbers = [of_image[places] for of_image, places in zip(matched, inside)]
            masks = self._mask_logits(features, boxes, image_shapes)
            losses["loss_mask"] = maskrcnn_loss(
                masks,
                boxes,
                [target["masks"] for target in targets],
                [target["labels"] for target in targets],
                numbers,
            )
        return [], losses

    def _mask_logits(
        self, features: Mapping[str, Any], boxes: list[Any], image_shapes: Sequence[Any]
    ) -> Any:
        """(boxes of all images, classes, M, M)."""
        return self.mask_predictor(
            self.mask_head(self.mask_roi_pool(features, boxes, image_shapes))
        )

    def select_training_samples(
        self, proposals: list[Any], targets: Sequence[dict[str, Any]]
    ) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
        """A sample of the proposals and the true boxes: their boxes, the numbers of their true
        boxes, their classes, and the codes of the true boxes."""
        dtype = proposals[0].dtype
        chosen, matched, labels, true_boxes = [], [], [], []
        for of_image, target in zip(proposals, targets):
            boxes = target["boxes"].to(dtype)
            candidates = plait.cat([of_image, boxes])
            numbers, label = self._assigned(candidates, boxes, target["labels"])
            positive, negative = self.fg_bg_sampler([label])
            sampled = det_utils.indices_of(positive[0] | negative[0])
            chosen.append(candidates[sampled])
            labels.append(label[sampled])
            true = boxes if boxes.shape[0] else plait.zeros((1, 4), dtype=dtype)
            matched.append(numbers[sampled])
            true_boxes.append(true[numbers[sampled]])
        return chosen, matched, labels, self.box_coder.encode(true_boxes, chosen)

    def _assigned(self, candidates: Any, boxes: Any, classes: Any) -> tuple[Any, Any]:
        """For each candidate the number of its true box, and its class (0 none, -1 unclear)."""
        if boxes.numel() == 0:
            nothing = plait.zeros(candidates.shape[0], dtype=plait.int64)
            return nothing, nothing.clone()
        numbers = self.proposal_matcher(ops.box_iou(boxes, candidates))
        known = numbers.clamp(min=0)
        label = plait.where(numbers >= 0, classes[known].to(plait.int64), plait.zeros_like(known))
        between = numbers == self.proposal_matcher.BETWEEN_THRESHOLDS
        return known, plait.where(between, plait.full_like(label, -1), label)

    def postprocess_detections(
        self,
        class_logits: Any,
        box_regression: Any,
        proposals: list[Any],
        image_shapes: Sequence[Sequence[int]],
    ) -> list[dict[str, Any]]:
        """Boxes (L, 4), labels (L,) and scores (L,) of each image, best first."""
        counts = [boxes.shape[0] for boxes in proposals]
        decoded = self.box_coder.decode(box_regression, proposals)
        probability = F.softmax(class_logits, -1)
        classes = class_logits.shape[-1]
        found = []
        for boxes, scores, shape in zip(
            decoded.split(counts), probability.split(counts), image_shapes
        ):
            boxes = ops.clip_boxes_to_image(boxes, shape)[:, 1:].reshape(-1, 4)  # 0: background
            scores = scores[:, 1:].flatten()
            labels = plait.arange(1, classes).repeat(len(scores) // max(classes - 1, 1))
            sides = boxes[:, 2:] - boxes[:, :2]
            keep = (scores > self.score_thresh) & (sides >= _MIN_SIZE).all(1)
            keep = det_utils.indices_of(keep)
            boxes, scores, labels = boxes[keep], scores[keep], labels[keep]
            best = ops.batched_nms(boxes, scores, labels, self.nms_thresh)
            best = best[: self.detections_per_img]
            found.append({"boxes": boxes[best], "labels": labels[best], "scores": scores[best]})
        return found
