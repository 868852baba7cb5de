"""`make_grid` and `save_image`: a batch of images as one picture; drawing into pictures."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import plait
from plait.core.ir.errors import error
from plait.vision._drawing import draw_bounding_boxes, draw_segmentation_masks
from plait.vision._pillow import pillow_image

__all__ = ["draw_bounding_boxes", "draw_segmentation_masks", "make_grid", "save_image"]


def make_grid(
    tensor: Any,
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Any:
    """One picture (C, H, W) of the images of a batch, in rows of `nrow`.

    Args:
        tensor: (N, C, H, W), or a list of (C, H, W), or one (C, H, W) or (H, W). Grey images
            become RGB.
        nrow: images in a row.
        padding: pixels between and around images, of value `pad_value`.
        normalize: shift and scale to [0, 1] by `value_range`, or by least and greatest value.
        scale_each: do so for each image by itself.

    Raises TypeError for what is no tensor or list of tensors or for a bad `value_range`.
    """
    images = _as_batch(tensor)
    if normalize:
        images = _normalized(images, value_range, scale_each)
    if images.shape[0] == 1:
        return images.squeeze(0)
    count, channels, height, width = images.shape
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    cell_height, cell_width = height + padding, width + padding
    grid = images.new_full(
        (channels, cell_height * rows + padding, cell_width * columns + padding), pad_value
    )
    for number in range(count):
        row, column = divmod(number, columns)
        top, left = row * cell_height + padding, column * cell_width + padding
        grid[:, top : top + height, left : left + width] = images[number]
    return grid


def save_image(tensor: Any, fp: str | Path | BinaryIO, format: str | None = None, **kwargs) -> None:
    """Write a batch of images with values in [0, 1] as one picture file.

    `fp` is a path, whose ending names the format unless `format` does, or an open binary file.
    Further arguments are `make_grid`'s. A path is written whole or not at all.
    """
    grid = make_grid(tensor, **kwargs).detach()
    pixels = grid.mul(255).add(0.5).clamp(0, 255).permute(1, 2, 0).to("cpu", plait.uint8)
    picture = pillow_image().fromarray(pixels.numpy())
    if not isinstance(fp, (str, os.PathLike)):
        picture.save(fp, format=format)
        return
    path = Path(fp)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=path.suffix)
    try:
        with os.fdopen(handle, "wb") as file:
            picture.save(file, format=format or _format_of(path))
        os.chmod(temporary, 0o644)  # mkstemp makes files private; a picture is to be seen
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _format_of(path: Path) -> str:
    known = pillow_image().registered_extensions()
    try:
        return known[path.suffix.lower()]
    except KeyError:
        raise error(ValueError, f"unknown file extension: {path.suffix!r} of {path}") from None


def _as_batch(tensor: Any) -> Any:
    """(N, C, H, W) with three channels where there was one."""
    if isinstance(tensor, (list, tuple)):
        for item in tensor:
            if not isinstance(item, plait.Tensor):
                raise error(
                    TypeError, f"tensor or list of tensors expected, got a list with {type(item)}"
                )
        tensor = plait.stack(tuple(tensor), dim=0)
    elif not isinstance(tensor, plait.Tensor):
        raise error(TypeError, f"tensor or list of tensors expected, got {type(tensor)}")
    if tensor.ndim == 2:
        tensor = tensor.unsqueeze(0)
    if tensor.ndim == 3:
        tensor = tensor.unsqueeze(0)
    if tensor.ndim != 4:
        raise error(
            ValueError,
            f"make_grid: expected (N, C, H, W), (C, H, W) or (H, W), got {tuple(tensor.shape)}",
        )
    if tensor.shape[1] == 1:
        tensor = plait.cat((tensor, tensor, tensor), 1)
    return tensor


def _normalized(images: Any, value_range: Sequence[float] | None, scale_each: bool) -> Any:
    """Images shifted and scaled to [0, 1], all alike or each by itself."""
    if value_range is not None and not isinstance(value_range, tuple):
        raise error(
            TypeError,
            "value_range has to be a tuple (min, max) if specified. min and max are numbers",
        )
    if scale_each:
        return plait.stack([_to_unit_range(image, value_range) for image in images], dim=0)
    return _to_unit_range(images, value_range)


def _to_unit_range(values: Any, value_range: Sequence[float] | None) -> Any:
    low, high = value_range or (float(values.min()), float(values.max()))
    # The bound keeps an image of one colour from dividing by zero.
    return values.clamp(low, high).sub(low).div(max(high - low, 1e-5))
