"""Programs for both: boxes on pictures, and how alike pictures are."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.tf.programs.registry import program

BOXES = np.array([[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, -0.1, 1, 0.9], [0, 10, 1, 11]], np.float32)
BOXES = np.concatenate([BOXES, np.array([[1, 11.1, 0, 10.1], [2, 2, 2, 3]], np.float32)])
SCORES = np.array([0.9, 0.75, 0.75, 0.95, 0.5, 0.3], np.float32)


def picture(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).rand(*shape).astype(np.float32)


@program
def boxes_that_overlap(tf: Any) -> Any:
    suppress = tf.image.non_max_suppression
    return [
        suppress(BOXES, SCORES, 3),
        suppress(BOXES, SCORES, 10),
        suppress(BOXES, SCORES, 10, iou_threshold=0.9),
        suppress(BOXES, SCORES, 10, iou_threshold=1.0, score_threshold=0.5),
        suppress(BOXES[:0], SCORES[:0], 4),
        suppress(BOXES, SCORES, 0),
    ]


@program
def boxes_without_scores(tf: Any) -> Any:
    return tf.image.non_max_suppression(BOXES, SCORES[:3], 3)


@program
def boxes_in_a_function(tf: Any) -> Any:
    @tf.function
    def kept(boxes: Any, scores: Any) -> Any:
        return tf.gather(boxes, tf.image.non_max_suppression(boxes, scores, 5))

    return kept(tf.constant(BOXES), tf.constant(SCORES))


@program
def frames(tf: Any) -> Any:
    boxes = [[[0.1, 0.2, 0.7, 0.8], [0, 0, 1, 1]], [[-0.5, 0.3, 0.5, 1.5], [0.6, 0.6, 0.2, 0.9]]]
    colors = [[1.0, 0.5, 0.25], [0.0, 1.0, 0.75]]
    return [
        tf.image.draw_bounding_boxes(np.zeros((2, 7, 9, 3), np.float32), boxes, colors),
        tf.image.draw_bounding_boxes(np.zeros((2, 6, 5, 4), np.float32), boxes, None),
        tf.image.draw_bounding_boxes(np.zeros((2, 6, 5, 1), np.float32), boxes, None),
    ]


@program
def frames_on_integers(tf: Any) -> Any:
    return tf.image.draw_bounding_boxes(np.zeros((1, 4, 4, 3), np.int32), np.zeros((1, 1, 4)), None)


@program
def parts_at_random(tf: Any) -> Any:
    tf.random.set_seed(3)
    found = []
    for _ in range(30):
        begin, size, box = tf.image.sample_distorted_bounding_box(
            [60, 80, 3],
            [[[0.1, 0.2, 0.5, 0.9]]],
            min_object_covered=0.4,
            area_range=(0.2, 0.8),
            aspect_ratio_range=(0.5, 2.0),
        )
        (y, x, zero), (tall, wide, rest) = begin.numpy().tolist(), size.numpy().tolist()
        covered = max(0, min(y + tall, 30) - max(y, 6)) * max(0, min(x + wide, 72) - max(x, 16))
        found.append(
            covered >= 0.4 * 24 * 56
            and 0.2 * 4800 <= tall * wide <= 0.8 * 4800
            and 0.45 <= wide / tall <= 2.1
            and (zero, rest) == (0, -1)
            and np.allclose(box.numpy()[0, 0] * [60, 80, 60, 80], [y, x, y + tall, x + wide])
        )
    return found, begin.dtype.name, box.shape.as_list()


@program
def the_whole_picture(tf: Any) -> Any:
    sample = tf.image.sample_distorted_bounding_box
    none, all_of_it = np.zeros((1, 0, 4), np.float32), [[[0.0, 0.0, 1.0, 1.0]]]
    same = {"area_range": (1.0, 1.0), "aspect_ratio_range": (8 / 6, 8 / 6)}
    wide = np.array([60, 80, 3], np.int64)
    return [
        list(sample([6, 8, 3], none, use_image_if_no_bounding_boxes=True, **same)),
        list(sample(wide, all_of_it, min_object_covered=1.0, area_range=(0.05, 0.1))),
    ]


def _refused(name: str, **options: Any) -> None:
    def run(tf: Any) -> Any:
        given = {"image_size": [60, 80, 3], "bounding_boxes": [[[0.1, 0.2, 0.5, 0.9]]], **options}
        return tf.image.sample_distorted_bounding_box(**given)

    run.__name__ = f"a_part_refused_{name}"
    program(run)


_refused("without_boxes", bounding_boxes=np.zeros((1, 0, 4), np.float32))
_refused("two_extents", image_size=[60, 80])
_refused("flat_boxes", bounding_boxes=[[0.1, 0.2, 0.5, 0.9]])
_refused("outside", bounding_boxes=[[[0.1, 0.2, 0.5, 1.9]]])
_refused("negative_cover", min_object_covered=-1.0)
_refused("large_area", area_range=(0.5, 1.1))
_refused("no_attempt", max_attempts=0)


@program
def likeness(tf: Any) -> Any:
    first, second = picture(2, 16, 14, 3), picture(2, 16, 14, 3, seed=1)
    near = np.clip(first + 0.1 * second, 0, 1)
    return [
        tf.image.ssim(first, second, 1.0),
        tf.image.ssim(first, near, 1.0),
        tf.image.ssim(first[0], near[0], 2.0, filter_size=5, filter_sigma=0.8, k1=0.02, k2=0.05),
        tf.image.ssim(first, near, 1.0, return_index_map=True),
        tf.image.ssim((first * 255).astype(np.uint8), (near * 255).astype(np.uint8), 255),
    ]


@program
def likeness_has_a_gradient(tf: Any) -> Any:
    first, second = tf.constant(picture(1, 12, 12, 1)), tf.constant(picture(1, 12, 12, 1, seed=1))
    with tf.GradientTape() as tape:
        tape.watch(first)
        loss = 1 - tf.reduce_mean(tf.image.ssim(first, second, 1.0))
    return tape.gradient(loss, first)


@program
def likeness_of_small_pictures(tf: Any) -> Any:
    return tf.image.ssim(picture(8, 8, 1), picture(8, 8, 1), 1.0)


@program
def likeness_of_two_sizes(tf: Any) -> Any:
    return tf.image.ssim(picture(12, 12, 1), picture(12, 13, 1), 1.0)
