"""Detectors and their parts: anchors, codes, matching, sampling, pyramids, training."""

import math
from collections import OrderedDict

import numpy as np
import pytest

import plait
from plait import nn
from plait.vision import models, ops
from plait.vision.models.detection import _utils as det_utils
from plait.vision.models.detection._masks import paste_masks_in_image
from plait.vision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from plait.vision.models.detection.backbone_utils import _resnet_fpn_extractor
from plait.vision.models.detection.faster_rcnn import FasterRCNN, TwoMLPHead
from plait.vision.models.detection.image_list import ImageList
from plait.vision.models.detection.mask_rcnn import (
    MaskRCNN,
    MaskRCNNHeads,
    MaskRCNNPredictor,
)
from plait.vision.models.detection.retinanet import RetinaNet, RetinaNetHead
from plait.vision.models.detection.roi_heads import RoIHeads
from plait.vision.models.detection.ssd import SSD
from plait.vision.models.detection.transform import GeneralizedRCNNTransform
from plait.vision.ops.feature_pyramid_network import LastLevelP6P7
from plait.vision.ops.misc import FrozenBatchNorm2d

RNG = np.random.default_rng(0)


def boxes(*rows):
    return plait.tensor(rows, dtype=plait.float32)


def test_codes_of_boxes():
    coder = det_utils.BoxCoder((10.0, 10.0, 5.0, 5.0))
    anchors = boxes([0, 0, 10, 20], [5, 5, 9, 9])
    true = boxes([5, 0, 15, 20], [4, 4, 12, 8])
    codes = coder.encode([true], [anchors])[0]
    expected = [[5, 0, 0, 0], [2.5, -2.5, 5 * math.log(2), 0]]
    np.testing.assert_allclose(codes.numpy(), expected, atol=1e-6)
    # The same codes for two classes give the boxes twice.
    decoded = coder.decode(plait.cat([codes, codes], 1), [anchors[:1], anchors[1:]])
    assert decoded.shape == (2, 2, 4)
    np.testing.assert_allclose(decoded[:, 1].numpy(), true.numpy(), atol=1e-5)
    huge = coder.decode_single(plait.full((1, 4), 1e6), anchors[:1])
    assert (huge[0, 2] - huge[0, 0]).item() == pytest.approx(10 * 1000 / 16, rel=1e-4)


def test_matching():
    overlaps = plait.tensor([[0.9, 0.4, 0.1, 0.0, 0.2], [0.0, 0.5, 0.1, 0.3, 0.0]])
    assert det_utils.Matcher(0.7, 0.3)(overlaps).tolist() == [0, -2, -1, -2, -1]
    low = det_utils.Matcher(0.7, 0.3, allow_low_quality_matches=True)(overlaps)
    assert low.tolist() == [0, 1, -1, -2, -1]
    ssd = det_utils.SSDMatcher(0.6)(plait.tensor([[0.2, 0.1, 0.7], [0.3, 0.0, 0.0]]))
    assert ssd.tolist() == [1, -1, 0]
    with pytest.raises(ValueError, match="No ground-truth boxes available"):
        det_utils.Matcher(0.7, 0.3)(plait.zeros(0, 4))
    with pytest.raises(ValueError, match="low_threshold should be"):
        det_utils.Matcher(0.3, 0.7)


def test_sampling():
    labels = plait.tensor([1.0] * 10 + [0.0] * 20 + [-1.0] * 5)
    sampler = det_utils.BalancedPositiveNegativeSampler(8, 0.25)
    positive, negative = sampler([labels, plait.zeros(3)])
    assert [int(mask.sum().item()) for mask in positive] == [2, 0]
    assert [int(mask.sum().item()) for mask in negative] == [6, 3]
    assert positive[0][10:].sum().item() == 0
    assert negative[0][:10].sum().item() == negative[0][30:].sum().item() == 0


def test_anchors():
    batch = ImageList(plait.zeros(2, 3, 32, 48), [(30, 40), (32, 48)])
    generator = AnchorGenerator(((8,), (16,)), ((0.5, 1.0, 2.0),) * 2)
    assert generator.num_anchors_per_location() == [3, 3]
    found = generator(batch, [plait.zeros(2, 1, 4, 6), plait.zeros(2, 1, 2, 3)])
    assert [of_image.shape for of_image in found] == [(4 * 6 * 3 + 2 * 3 * 3, 4)] * 2
    assert found[0][:3].tolist() == [[-6, -3, 6, 3], [-4, -4, 4, 4], [-3, -6, 3, 6]]
    assert found[0][4].tolist() == [4, -4, 12, 4]  # the next pixel to the right
    assert found[0][72 + 1].tolist() == [-8, -8, 8, 8]
    with pytest.raises(ValueError, match="1 feature maps, but sizes"):
        generator(batch, [plait.zeros(2, 1, 4, 6)])


def test_default_boxes():
    generator = DefaultBoxGenerator([[2], [2, 3]], scales=[0.1, 0.4, 0.9], steps=[10, 30])
    assert generator.num_anchors_per_location() == [4, 6]
    batch = ImageList(plait.zeros(1, 3, 60, 60), [(60, 60)])
    found = generator(batch, [plait.zeros(1, 1, 6, 6), plait.zeros(1, 1, 2, 2)])[0]
    assert found.shape == (36 * 4 + 4 * 6, 4)
    assert found[0].tolist() == pytest.approx([2, 2, 8, 8], abs=1e-4)
    wide = found[2]  # centre (5, 5), sides 6 * sqrt(2) and 6 / sqrt(2)
    assert (wide[2] - wide[0]).item() == pytest.approx(6 * math.sqrt(2), abs=1e-4)
    assert DefaultBoxGenerator([[2], [2], [2]], 0.2, 0.8).scales == pytest.approx(
        [0.2, 0.5, 0.8, 1.0]
    )


def test_transform_and_back():
    transform = GeneralizedRCNNTransform(40, 100, [0.5] * 3, [0.5] * 3).eval()
    images = [plait.ones(3, 20, 30), plait.zeros(3, 50, 25)]
    targets = [
        {"boxes": boxes([0, 0, 30, 20]), "masks": plait.ones(1, 20, 30, dtype=plait.uint8)},
        {"boxes": boxes([5, 10, 10, 20])},
    ]
    batch, changed = transform(images, targets)
    assert batch.image_sizes == [(40, 60), (80, 40)]
    assert batch.tensors.shape == (2, 3, 96, 64)
    assert batch.tensors[0, 0, 0, 0].item() == 1.0
    assert batch.tensors[0, 0, 50, 0].item() == 0.0  # padding
    assert changed[0]["boxes"].tolist() == [[0, 0, 60, 40]]
    assert changed[0]["masks"].shape == (1, 40, 60)
    assert targets[0]["boxes"].tolist() == [[0, 0, 30, 20]]  # copied, not changed
    found = [{"boxes": target["boxes"]} for target in changed]
    back = transform.postprocess(found, batch.image_sizes, [(20, 30), (50, 25)])
    np.testing.assert_allclose(back[1]["boxes"].numpy(), [[5, 10, 10, 20]], rtol=1e-6)
    with pytest.raises(TypeError, match="floating type"):
        transform([plait.zeros(3, 4, 4, dtype=plait.uint8)])
    with pytest.raises(NotImplementedError, match="key points"):
        transform(images[:1], [{"boxes": boxes([0, 0, 1, 1]), "keypoints": plait.zeros(1, 1, 3)}])


def test_pyramid():
    levels = OrderedDict(a=plait.randn(1, 4, 16, 16), b=plait.randn(1, 8, 8, 8))
    plain = ops.FeaturePyramidNetwork([4, 8], 6)
    out = plain(levels)
    assert {name: value.shape for name, value in out.items()} == {
        "a": (1, 6, 16, 16),
        "b": (1, 6, 8, 8),
    }
    # The coarser level goes into the finer one, not the other way.
    moved = plain(OrderedDict(a=levels["a"], b=levels["b"] + 1))
    assert not plait.equal(moved["a"], out["a"])
    moved = plain(OrderedDict(a=levels["a"] + 1, b=levels["b"]))
    assert plait.equal(moved["b"], out["b"])
    more = ops.FeaturePyramidNetwork([4, 8], 6, LastLevelP6P7(8, 6))(levels)
    assert [tuple(v.shape[-2:]) for v in more.values()] == [(16, 16), (8, 8), (4, 4), (2, 2)]
    old = {f"{k.split('.')[0]}.{k.split('.')[1]}.{k.split('.')[-1]}": v
           for k, v in plain.state_dict().items()}  # fmt: skip
    twin = ops.FeaturePyramidNetwork([4, 8], 6)
    twin.load_state_dict(old)  # without version numbers, as files of version 1
    assert plait.equal(twin(levels)["a"], out["a"])
    with pytest.raises(ValueError, match="in_channels=0"):
        ops.FeaturePyramidNetwork([0], 6)


def test_boxes_are_pooled_from_the_level_of_their_size():
    levels = {"0": plait.zeros(1, 1, 64, 64), "1": plait.ones(1, 1, 32, 32)}
    pool = ops.MultiScaleRoIAlign(["0", "1"], 2, 2, canonical_scale=32, canonical_level=3)
    rois = [boxes([0, 0, 40, 40], [0, 0, 8, 8], [8, 8, 100, 100])]
    out = pool(levels, rois, [(256, 256)])
    assert out.shape == (3, 1, 2, 2)
    assert out[:, 0, 0, 0].tolist() == [1, 0, 1]
    assert pool(levels, [plait.zeros(0, 4)], [(256, 256)]).shape == (0, 1, 2, 2)
    assert "featmap_names=['0', '1']" in repr(pool)


def small_backbone():
    backbone = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1))
    backbone.out_channels = 8
    return backbone


def small_rcnn(**options):
    plait.manual_seed(0)
    sizes = {"min_size": 32, "max_size": 64}
    return FasterRCNN(
        small_backbone(),
        num_classes=3,
        rpn_anchor_generator=AnchorGenerator(((8, 16),), ((1.0,),)),
        box_roi_pool=ops.MultiScaleRoIAlign(["0"], 2, 2),
        box_head=TwoMLPHead(32, 1024),
        **{**sizes, **options},
    )


def small_ssd():
    plait.manual_seed(0)
    generator = DefaultBoxGenerator([[2]], scales=[0.3, 0.6])
    return SSD(small_backbone(), generator, (32, 32), 3, score_thresh=0.0)


def small_retinanet():
    plait.manual_seed(0)
    anchors = AnchorGenerator(((8, 16),), ((1.0,),))
    return RetinaNet(small_backbone(), 3, 32, 64, anchor_generator=anchors, score_thresh=0.0)


def small_retinanet_v2():
    """With group norms, and generalised IoU for the boxes."""
    model = small_retinanet()
    model.head = RetinaNetHead(8, 2, 3, norm_layer=lambda channels: nn.GroupNorm(2, channels))
    model.head.regression_head._loss_type = "giou"
    return model


IMAGES = [plait.from_numpy(RNG.random((3, 32, 40)).astype(np.float32)), plait.zeros(3, 48, 32)]
TARGETS = [
    {"boxes": boxes([2, 2, 12, 12], [20, 5, 36, 24]), "labels": plait.tensor([1, 2])},
    {"boxes": plait.zeros(0, 4), "labels": plait.zeros(0, dtype=plait.int64)},
]
LOSSES = {
    small_rcnn: {"loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg"},
    small_ssd: {"bbox_regression", "classification"},
    small_retinanet: {"bbox_regression", "classification"},
    small_retinanet_v2: {"bbox_regression", "classification"},
}


@pytest.mark.parametrize("make", LOSSES, ids=lambda make: make.__name__)
def test_training_lowers_the_loss(make):
    model = make()
    optimizer = plait.optim.SGD(model.parameters(), lr=0.01)
    totals = []
    for _ in range(6):
        plait.manual_seed(1)  # the same sample of anchors in each step
        losses = model(IMAGES, TARGETS)
        assert set(losses) == LOSSES[make]
        total = sum(losses.values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert all(p.grad is not None for p in model.parameters())
    assert totals[-1] < totals[0]


@pytest.mark.parametrize("make", LOSSES, ids=lambda make: make.__name__)
def test_detections(make):
    found = make().eval()(IMAGES)
    assert len(found) == 2
    for result, image in zip(found, IMAGES):
        assert set(result) == {"boxes", "labels", "scores"}
        count = result["scores"].shape[0]
        assert result["boxes"].shape == (count, 4)
        height, width = image.shape[-2:]
        assert (result["boxes"] >= 0).all()
        assert (result["boxes"][:, 0::2] <= width + 1e-3).all()
        assert (result["boxes"][:, 1::2] <= height + 1e-3).all()
        assert set(result["labels"].tolist()) <= {0, 1, 2}
        scores = result["scores"].tolist()
        assert scores == sorted(scores, reverse=True)
    assert make is small_rcnn or len(found[0]["scores"]) > 0


@pytest.mark.parametrize("make", LOSSES, ids=lambda make: make.__name__)
def test_targets_that_do_not_fit(make):
    model = make()
    with pytest.raises(AssertionError, match="targets should not be none"):
        model(IMAGES)
    flat = [{"boxes": plait.zeros(4), "labels": plait.tensor([1])}]
    with pytest.raises(AssertionError, match=r"shape \[N, 4\]"):
        model(IMAGES[:1], flat)
    empty = [{"boxes": boxes([5, 5, 5, 9]), "labels": plait.tensor([1])}]
    with pytest.raises(AssertionError, match="positive height and width"):
        model(IMAGES[:1], empty)


def test_parts_that_do_not_fit():
    with pytest.raises(ValueError, match="attribute out_channels"):
        FasterRCNN(nn.Identity(), 2)
    with pytest.raises(ValueError, match="num_classes should not be None"):
        FasterRCNN(small_backbone())
    with pytest.raises(NotImplementedError, match="with key points"):
        RoIHeads(*[None] * 11, keypoint_head=nn.Identity())
    with pytest.raises(NotImplementedError, match="keypointrcnn_resnet50_fpn is not built"):
        _ = models.detection.keypointrcnn_resnet50_fpn


def test_masks():
    plait.manual_seed(0)
    model = MaskRCNN(
        small_backbone(),
        num_classes=3,
        min_size=32,
        max_size=64,
        rpn_anchor_generator=AnchorGenerator(((8, 16),), ((1.0,),)),
        box_roi_pool=ops.MultiScaleRoIAlign(["0"], 2, 2),
        box_head=TwoMLPHead(32, 1024),
        box_score_thresh=0.0,
        mask_roi_pool=ops.MultiScaleRoIAlign(["0"], 4, 2),
        mask_head=MaskRCNNHeads(8, [8], 1),
        mask_predictor=None,
        box_detections_per_img=3,
    )
    model.roi_heads.mask_predictor = MaskRCNNPredictor(8, 8, 3)
    targets = [
        {**target, "masks": plait.ones(len(target["labels"]), *image.shape[-2:])}
        for target, image in zip(TARGETS, IMAGES)
    ]
    optimizer = plait.optim.SGD(model.parameters(), lr=0.05)
    totals = []
    for _ in range(5):
        plait.manual_seed(1)
        losses = model(IMAGES, targets)
        assert len(losses) == 5
        optimizer.zero_grad()
        losses["loss_mask"].backward()
        optimizer.step()
        totals.append(losses["loss_mask"].item())
    assert totals[-1] < totals[0]
    for result, image in zip(model.eval()(IMAGES), IMAGES):
        count = len(result["boxes"])
        assert result["masks"].shape == (count, 1, *image.shape[-2:])
        assert (result["masks"] >= 0).all() and (result["masks"] <= 1).all()
    nothing = [{**target, "masks": plait.zeros(0, 48, 32)} for target in TARGETS[1:]]
    assert model.train()(IMAGES[1:], nothing)["loss_mask"].item() == 0


def test_pasting_masks():
    masks = plait.ones(2, 1, 4, 4)
    pasted = paste_masks_in_image(masks, boxes([2, 1, 10, 9], [6, -4, 14, 3]), (8, 12))
    assert pasted.shape == (2, 1, 8, 12)
    assert pasted[0, 0, 4, 6].item() == 1.0
    assert pasted[0, 0, :, 0].abs().max().item() == 0  # left of the first box
    assert pasted[1, 0, 0, 10].item() == 1.0  # the second reaches above the image
    assert pasted[1, 0, 7].abs().max().item() == 0


def test_frozen_layers_of_a_trained_backbone():
    net = models.resnet18(norm_layer=FrozenBatchNorm2d)
    backbone = _resnet_fpn_extractor(net, 2)
    trained = {
        name.split(".")[0] for name, p in backbone.body.named_parameters() if p.requires_grad
    }
    assert trained == {"layer3", "layer4"}
    out = backbone(plait.zeros(1, 3, 64, 64))
    assert {name: value.shape[1:] for name, value in out.items()} == {
        "0": (256, 16, 16),
        "1": (256, 8, 8),
        "2": (256, 4, 4),
        "3": (256, 2, 2),
        "pool": (256, 1, 1),
    }
    with pytest.raises(ValueError, match=r"in the range \[0,5\]"):
        _resnet_fpn_extractor(net, 6)


def test_ssdlite_is_trained():
    plait.manual_seed(0)
    model = models.detection.ssdlite320_mobilenet_v3_large(weights_backbone=None, num_classes=3)
    losses = model(IMAGES, TARGETS)
    sum(losses.values()).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []
    with pytest.warns(UserWarning, match="Changing trainable_backbone_layers has no effect"):
        models.detection.ssdlite320_mobilenet_v3_large(
            weights_backbone=None, trainable_backbone_layers=2
        )
