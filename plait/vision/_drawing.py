"""`draw_bounding_boxes` and `draw_segmentation_masks`: what was found, shown in the picture."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

import plait
from plait.core.ir.errors import error
from plait.vision._pillow import pillow_image

# Steps in red, green and blue from one default colour to the next.
_PALETTE = np.array([2**25 - 1, 2**15 - 1, 2**21 - 1])
_SEE_THROUGH = 100  # of 255, for filled boxes


def draw_bounding_boxes(
    image: Any,
    boxes: Any,
    labels: Sequence[str | None] | None = None,
    colors: Any = None,
    fill: bool | None = False,
    width: int = 1,
    font: str | None = None,
    font_size: int | None = None,
    label_colors: Any = None,
) -> Any:
    """The picture with boxes drawn in.

    Args:
        image: (C, H, W) of 1 or 3 channels, bytes or floats in [0, 1].
        boxes: (N, 4) of x1, y1, x2, y2.
        labels: texts for the boxes, in a TrueType `font` of `font_size` if named.
        colors: one for all or one for each: names as Pillow has them, or (red, green, blue).

    Raises TypeError for what is no tensor, ValueError for shapes and counts that do not fit.
    """
    from PIL import ImageDraw, ImageFont

    _check_image(image, (1, 3))
    if (boxes[:, 0] > boxes[:, 2]).any() or (boxes[:, 1] > boxes[:, 3]).any():
        raise error(
            ValueError,
            "Boxes need to be in (xmin, ymin, xmax, ymax) format. Use torchvision.ops.box_convert "
            "to convert them",
        )
    count = boxes.shape[0]
    if count == 0:
        warnings.warn("boxes doesn't contain any box. No box was drawn", stacklevel=2)
        return image
    texts = [None] * count if labels is None else list(labels)
    if len(texts) != count:
        raise error(
            ValueError,
            f"The number of boxes ({count}) and labels ({len(texts)}) mismatch. Please specify "
            "labels for each box.",
        )
    outlines = _colours(colors, count)
    text_colours = outlines if label_colors is None else _colours(label_colors, count)
    letters = None if font is None else ImageFont.truetype(font=font, size=font_size or 10)

    floats = image.is_floating_point()
    pixels = image.mul(255).to(plait.uint8) if floats else image
    if pixels.shape[0] == 1:
        pixels = pixels.expand(3, -1, -1)
    picture = pillow_image().fromarray(pixels.permute(1, 2, 0).numpy().copy())
    draw = ImageDraw.Draw(picture, "RGBA" if fill else None)
    for box, text, outline, text_colour in zip(
        boxes.to(plait.int64).tolist(), texts, outlines, text_colours
    ):
        filling = (*outline, _SEE_THROUGH) if fill else None
        draw.rectangle(box, width=width, outline=outline, fill=filling)
        if text is not None:
            corner = (box[0] + width + 1, box[1] + width + 1)
            draw.text(corner, text, fill=text_colour, font=letters)
    out = plait.from_numpy(np.asarray(picture).transpose(2, 0, 1).copy())
    return out.to(image.dtype) / 255 if floats else out


def draw_segmentation_masks(image: Any, masks: Any, alpha: float = 0.8, colors: Any = None) -> Any:
    """The picture (3, H, W) with masks (N, H, W) or (H, W), bool, laid over it.

    `alpha` 0 is the picture, 1 the masks' colours, and black where masks overlap; `colors` as in
    `draw_bounding_boxes`.
    """
    _check_image(image, (3,))
    masks = masks[None] if masks.ndim == 2 else masks
    if masks.ndim != 3:
        raise error(ValueError, "masks must be of shape (H, W) or (batch_size, H, W)")
    if masks.dtype != plait.bool:
        raise error(ValueError, f"The masks must be of dtype bool. Got {masks.dtype}")
    if masks.shape[-2:] != image.shape[-2:]:
        raise error(ValueError, "The image and the masks must have the same height and width")
    count = masks.shape[0]
    if count == 0:
        warnings.warn("masks doesn't contain any mask. No mask was drawn", stacklevel=2)
        return image
    painted = image.detach().clone()
    for mask, colour in zip(masks, _colours(colors, count)):
        value = plait.tensor(colour, dtype=plait.uint8)
        if image.is_floating_point():
            value = value.to(image.dtype) / 255
        painted = plait.where(mask, value[:, None, None], painted)
    painted = plait.where(masks.sum(0) > 1, plait.zeros_like(painted), painted)
    mixed = (image * (1 - alpha) + painted * alpha).to(image.dtype)
    return plait.where(masks.any(0), mixed, image)


def _check_image(image: Any, channels: tuple[int, ...]) -> None:
    if not isinstance(image, plait.Tensor):
        raise error(TypeError, f"Tensor expected, got {type(image)}")
    if not (image.dtype == plait.uint8 or image.is_floating_point()):
        raise error(ValueError, f"The image dtype must be uint8 or float, got {image.dtype}")
    if image.ndim != 3 or image.shape[0] not in channels:
        wanted = " or ".join(map(str, channels))
        raise error(
            ValueError,
            f"Expected one image (C, H, W) of {wanted} channels, got {tuple(image.shape)}",
        )


def _colours(colors: Any, count: int) -> list[tuple[int, ...]]:
    """(red, green, blue) for each."""
    from PIL import ImageColor

    if colors is None:
        return [tuple(int(v) for v in (number * _PALETTE) % 255) for number in range(count)]
    given = list(colors) if isinstance(colors, list) else [colors] * count
    if len(given) < count:
        raise error(
            ValueError,
            f"Number of colors must be equal or larger than the number of objects, but got "
            f"{len(given)} < {count}.",
        )
    return [ImageColor.getrgb(c) if isinstance(c, str) else tuple(c) for c in given[:count]]
