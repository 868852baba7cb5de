"""Boxes, pooling of regions, losses and layers of `torchvision.ops`."""

import itertools
import math

import numpy as np
import pytest

import plait
from plait import nn
from plait.vision import ops

RNG = np.random.default_rng(0)


def random_boxes(count, low=-3.0, high=14.0, dtype=np.float64):
    corner = RNG.uniform(low, high, (count, 2))
    other = corner + RNG.uniform(0.5, 9, (count, 2))
    return plait.from_numpy(np.concatenate([corner, other], 1).astype(dtype))


def overlap(a, b):
    """Intersection over union of two boxes, in plain numbers."""
    width = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (area - width * height)


def test_overlaps_of_all_pairs():
    first, second = random_boxes(5), random_boxes(4)
    expected = [[overlap(a, b) for b in second.tolist()] for a in first.tolist()]
    np.testing.assert_allclose(ops.box_iou(first, second).numpy(), expected, rtol=1e-12)
    unit, other = plait.tensor([[0.0, 0, 1, 1]]), plait.tensor([[2.0, 0, 3, 1]])
    assert ops.generalized_box_iou(unit, other).item() == pytest.approx(-1 / 3)
    assert ops.distance_box_iou(unit, other).item() == pytest.approx(-4 / 10)
    tall = plait.tensor([[0.0, 0, 1, 2]])
    angle = 4 / math.pi**2 * (math.atan(1) - math.atan(0.5)) ** 2
    expected = 0.5 - 0.25 / 5 - angle**2 / (0.5 + angle)
    assert ops.complete_box_iou(unit, tall).item() == pytest.approx(expected)


def test_integer_boxes_and_other_formats():
    boxes = plait.tensor([[0, 0, 200, 200], [100, 100, 300, 200]], dtype=plait.int16)
    assert ops.box_area(boxes).tolist() == [40000, 20000]  # more than an int16 holds
    assert ops.box_iou(boxes, boxes)[0, 1].item() == pytest.approx(1 / 5)
    centred = ops.box_convert(boxes.float(), "xyxy", "cxcywh")
    assert centred.tolist() == [[100, 100, 200, 200], [200, 150, 200, 100]]
    same = ops.box_iou(centred, centred, fmt="cxcywh")
    assert same[0, 1].item() == pytest.approx(1 / 5)


@pytest.mark.parametrize("path", list(itertools.permutations(("xyxy", "xywh", "cxcywh"), 2)))
def test_conversions_return(path):
    boxes = random_boxes(6)
    there, back = path
    converted = ops.box_convert(ops.box_convert(boxes, there, back), back, there)
    np.testing.assert_allclose(converted.numpy(), boxes.numpy(), rtol=1e-12)
    with pytest.raises(ValueError, match="Unsupported Bounding Box Conversions"):
        ops.box_convert(boxes, there, "yxyx")
    with pytest.raises(NotImplementedError, match="rotated"):
        ops.box_convert(boxes, there, "xywhr")


def kept_by_definition(boxes, scores, threshold):
    kept = []
    for number in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        if all(overlap(boxes[number], boxes[k]) <= threshold for k in kept):
            kept.append(number)
    return kept


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
def test_nms(threshold):
    boxes = random_boxes(60)
    scores = plait.from_numpy(RNG.integers(0, 20, 60) / 20)  # with ties
    expected = kept_by_definition(boxes.tolist(), scores.tolist(), threshold)
    kept = ops.nms(boxes, scores, threshold)
    assert kept.dtype is plait.int64
    assert kept.tolist() == expected
    classes = plait.from_numpy(RNG.integers(0, 3, 60))
    by_class = []
    for label in range(3):
        members = [i for i in range(60) if classes[i].item() == label]
        part = kept_by_definition(
            [boxes[i].tolist() for i in members], [scores[i].item() for i in members], threshold
        )
        by_class += [members[i] for i in part]
    found = ops.batched_nms(boxes, scores, classes, threshold).tolist()
    assert sorted(found) == sorted(by_class)
    values = [scores[i].item() for i in found]
    assert values == sorted(values, reverse=True)


def test_nms_of_nothing_and_of_bad_shapes():
    none = plait.zeros((0, 4))
    assert ops.nms(none, plait.zeros(0), 0.5).shape == (0,)
    assert ops.batched_nms(none, plait.zeros(0), plait.zeros(0), 0.5).shape == (0,)
    with pytest.raises(RuntimeError, match=r"shape \(N, 4\)"):
        ops.nms(plait.zeros(3, 5), plait.zeros(3), 0.5)
    with pytest.raises(RuntimeError, match="same number of elements"):
        ops.nms(plait.zeros(3, 4), plait.zeros(2), 0.5)


def test_small_boxes_clipping_and_masks():
    boxes = plait.tensor([[-1.0, 2, 20, 5], [3, 3, 4, 12]])
    assert ops.clip_boxes_to_image(boxes, (8, 10)).tolist() == [[0, 2, 10, 5], [3, 3, 4, 8]]
    assert ops.remove_small_boxes(boxes, 2).tolist() == [0]
    masks = plait.zeros(2, 5, 6, dtype=plait.bool)
    masks[0, 1:3, 2:5] = True
    masks[1, 4, 0] = True
    assert ops.masks_to_boxes(masks).tolist() == [[2, 1, 4, 2], [0, 4, 0, 4]]
    assert ops.masks_to_boxes(plait.zeros(0, 5, 6)).shape == (0, 4)


def sample(image, y, x):
    """Bilinear value of one channel; 0 further than a pixel outside."""
    height, width = image.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    low_y, low_x = int(y), int(x)
    high_y, high_x = min(low_y + 1, height - 1), min(low_x + 1, width - 1)
    a, b = y - low_y, x - low_x
    top = image[low_y, low_x] * (1 - b) + image[low_y, high_x] * b
    bottom = image[high_y, low_x] * (1 - b) + image[high_y, high_x] * b
    return top * (1 - a) + bottom * a


def roi_align_by_definition(features, rois, size, scale, ratio, aligned):
    result = np.zeros((len(rois), features.shape[1], *size))
    for number, (image, *corners) in enumerate(rois):
        x1, y1, x2, y2 = (c * scale - (0.5 if aligned else 0) for c in corners)
        width, height = x2 - x1, y2 - y1
        if not aligned:
            width, height = max(width, 1), max(height, 1)
        steps = (height / size[0], width / size[1])
        counts = [ratio if ratio > 0 else math.ceil(step) for step in steps]
        for channel, row, column in np.ndindex(*result.shape[1:]):
            values = [
                sample(
                    features[int(image), channel],
                    y1 + (row + (i + 0.5) / counts[0]) * steps[0],
                    x1 + (column + (j + 0.5) / counts[1]) * steps[1],
                )
                for i in range(counts[0])
                for j in range(counts[1])
            ]
            result[number, channel, row, column] = np.mean(values)
    return result


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("ratio", [-1, 2])
@pytest.mark.parametrize("aligned", [False, True])
def test_roi_align(scale, ratio, aligned):
    features = RNG.standard_normal((2, 2, 9, 7))
    boxes = [random_boxes(3), random_boxes(2)]  # partly, and one wholly, outside
    rois = np.concatenate([np.insert(b.numpy(), 0, i, axis=1) for i, b in enumerate(boxes)])
    arguments = ((2, 3), scale, ratio, aligned)
    found = ops.roi_align(plait.from_numpy(features), boxes, *arguments)
    expected = roi_align_by_definition(features, rois, *arguments)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10, atol=1e-12)
    mixed = rois[[3, 0, 4, 2, 1]]
    again = ops.RoIAlign(*arguments)(plait.from_numpy(features), plait.from_numpy(mixed))
    np.testing.assert_allclose(again.numpy(), expected[[3, 0, 4, 2, 1]], rtol=1e-10, atol=1e-12)


def test_gradients_of_region_pooling():
    features = plait.randn(2, 2, 6, 5, dtype=plait.float64, requires_grad=True)
    rois = plait.tensor([[1, 0.0, 1, 4, 5], [0, 2, 0, 3, 3]], dtype=plait.float64)
    check = plait.autograd.gradcheck
    assert check(lambda x: ops.roi_align(x, rois, 2, 1.0, 2), (features,))
    assert check(lambda x: ops.roi_pool(x, rois, 2), (features,))


def test_roi_pool():
    image = plait.arange(36.0).view(1, 1, 6, 6)
    rois = plait.tensor([[0.0, 1, 0, 4, 3], [0, 7, 7, 9, 9]])
    pooled = ops.roi_pool(image, rois, 2)
    assert pooled[0, 0].tolist() == [[8, 10], [20, 22]]
    assert pooled[1, 0].tolist() == [[0, 0], [0, 0]]  # outside: empty bins
    whole = ops.RoIPool((1, 1), 0.5)(image, [plait.tensor([[0.0, 0, 10, 10]])])
    assert whole.item() == 35


def test_no_regions_give_an_empty_result_with_a_gradient():
    features = plait.ones(1, 3, 4, 4, requires_grad=True)
    out = ops.roi_align(features, [plait.zeros(0, 4)], 2)
    assert out.shape == (0, 3, 2, 2)
    out.sum().backward()
    assert features.grad.abs().sum().item() == 0
    with pytest.raises(ValueError, match=r"Tensor\[K, 5\]"):
        ops.roi_align(features, plait.zeros(2, 4), 2)


LOSSES = {
    "generalized": (ops.generalized_box_iou_loss, ops.generalized_box_iou),
    "distance": (ops.distance_box_iou_loss, ops.distance_box_iou),
    "complete": (ops.complete_box_iou_loss, ops.complete_box_iou),
}


@pytest.mark.parametrize("name", LOSSES)
def test_box_losses(name):
    loss, measure = LOSSES[name]
    first, second = random_boxes(5, 0, 4), random_boxes(5, 0, 4)
    expected = 1 - measure(first, second).diagonal()
    # The losses add 1e-7 to denominators of about 1.
    np.testing.assert_allclose(loss(first, second).numpy(), expected.numpy(), atol=1e-6)
    assert loss(first, second, "mean").item() == pytest.approx(expected.mean().item(), abs=1e-6)
    assert loss(first[:0], second[:0], "mean").item() == 0
    if name != "complete":  # part of whose gradient is left out by definition
        first.requires_grad_()
        assert plait.autograd.gradcheck(lambda x: loss(x, second, "sum"), (first,))
    with pytest.raises(ValueError, match="Supported reduction modes"):
        loss(first, second, "median")


def test_focal_loss():
    logits = plait.randn(3, 4, dtype=plait.float64, requires_grad=True)
    targets = (plait.rand(3, 4) > 0.5).double()
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    plain = ops.sigmoid_focal_loss(logits, targets, alpha=-1, gamma=0)
    np.testing.assert_allclose(plain.detach().numpy(), entropy.detach().numpy(), rtol=1e-12)
    one = ops.sigmoid_focal_loss(plait.zeros(1), plait.ones(1))
    assert one.item() == pytest.approx(0.25 * 0.25 * math.log(2))
    check = plait.autograd.gradcheck
    assert check(lambda x: ops.sigmoid_focal_loss(x, targets, reduction="mean"), (logits,))
    with pytest.raises(ValueError, match="alpha must be in"):
        ops.sigmoid_focal_loss(logits, targets, alpha=2)


def test_stochastic_depth():
    x = plait.ones(1000, 2, 3)
    plait.manual_seed(0)
    rows = ops.stochastic_depth(x, 0.25, "row")
    values = {round(v, 5) for v in rows.flatten().tolist()}
    assert values == {0.0, round(1 / 0.75, 5)}
    assert (rows == rows[:, :1, :1]).all()
    assert 700 < (rows[:, 0, 0] > 0).sum().item() < 800
    batch = ops.StochasticDepth(0.5, "batch")(x)
    assert (batch == batch[0, 0, 0]).all()
    assert ops.StochasticDepth(0.5, "batch").eval()(x) is x
    for p, mode in ((1.5, "row"), (0.5, "column")):
        with pytest.raises(ValueError, match="has to be"):
            ops.stochastic_depth(x, p, mode)


def test_frozen_batch_norm_is_batch_norm_in_evaluation():
    norm = nn.BatchNorm2d(3)
    norm.load_state_dict({key: value + 0.5 for key, value in norm.state_dict().items()})
    frozen = ops.FrozenBatchNorm2d(3)
    frozen.load_state_dict(norm.state_dict())
    x = plait.randn(2, 3, 4, 4)
    np.testing.assert_allclose(frozen(x).numpy(), norm.eval()(x).detach().numpy(), rtol=1e-5)
    assert list(frozen.parameters()) == []
    assert repr(frozen) == "FrozenBatchNorm2d(3, eps=1e-05)"


def test_layers():
    conv = ops.Conv2dNormActivation(3, 8, (3, 5), stride=2, dilation=(2, 1), norm_layer=None)
    assert [type(layer) for layer in conv] == [nn.Conv2d, nn.ReLU]
    assert conv[0].bias is not None
    assert conv(plait.zeros(1, 3, 8, 8)).shape == (1, conv.out_channels, 4, 4)
    assert ops.Conv3dNormActivation(2, 3)(plait.zeros(2, 2, 4, 4, 4)).shape == (2, 3, 4, 4, 4)
    mlp = ops.MLP(4, [5, 2], norm_layer=nn.LayerNorm, activation_layer=nn.GELU, inplace=None)
    kinds = [nn.Linear, nn.LayerNorm, nn.GELU, nn.Dropout, nn.Linear, nn.Dropout]
    assert [type(layer) for layer in mlp] == kinds
    with pytest.raises(ValueError, match="one width"):
        ops.MLP(4, [])
    gate = ops.SqueezeExcitation(4, 2)
    nn.init.zeros_(gate.fc2.weight)
    nn.init.zeros_(gate.fc2.bias)
    assert (gate(plait.ones(1, 4, 2, 2)) == 0.5).all()
    assert ops.Permute([0, 2, 1])(plait.zeros(2, 3, 4)).shape == (2, 4, 3)
    with pytest.raises(NotImplementedError, match="deform_conv2d is not built"):
        _ = ops.deform_conv2d
