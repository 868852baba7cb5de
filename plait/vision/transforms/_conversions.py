"""Between Pillow images, arrays and tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

import plait
from plait.core.ir.errors import error
from plait.vision._pillow import is_pillow_image, pillow_image

# Pillow modes whose pixels are not bytes, and what they are read as.
_PIXEL_DTYPES = {"I": np.int32, "I;16": np.int16, "F": np.float32}
# (channels, dtype) -> Pillow mode when the caller names none.
_DEFAULT_MODES = {
    (1, "uint8"): "L",
    (1, "int16"): "I;16",
    (1, "int32"): "I",
    (1, "float32"): "F",
    (2, "uint8"): "LA",
    (3, "uint8"): "RGB",
    (4, "uint8"): "RGBA",
}
_MODES_BY_CHANNELS = {2: ("LA",), 3: ("RGB", "YCbCr", "HSV"), 4: ("RGBA", "CMYK", "RGBX")}


def to_tensor(pic: Any) -> Any:
    """A Pillow image or an array (H, W) or (H, W, C) as a tensor (C, H, W).

    uint8 becomes the default dtype, scaled to [0, 1]; other dtypes are kept as they are. Raises
    TypeError for anything else, ValueError for an array of other rank.
    """
    if isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise error(ValueError, f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        return _scaled(pic)
    if is_pillow_image(pic):
        return _scaled(_pixels(pic))
    raise error(TypeError, f"pic should be PIL Image or ndarray. Got {type(pic)}")


def pil_to_tensor(pic: Any) -> Any:
    """A Pillow image as a tensor (C, H, W) of the same values."""
    if not is_pillow_image(pic):
        raise error(TypeError, f"pic should be PIL Image. Got {type(pic)}")
    return plait.from_numpy(_channels_first(_pixels(pic)).copy())


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A tensor (C, H, W) or (H, W), or an array (H, W, C) or (H, W), as a Pillow image.

    Floating-point tensors are taken to lie in [0, 1] and become bytes, except with mode "F".
    Raises TypeError, or ValueError for shapes and modes that do not fit.
    """
    pixels = _pixels_of(pic, mode)
    channels, dtype = pixels.shape[-1], str(pixels.dtype)
    default = _DEFAULT_MODES.get((channels, dtype))
    if channels == 1:
        if mode is not None and mode != default:
            raise error(
                ValueError,
                f"Incorrect mode ({mode}) supplied for input type {dtype}. Should be {default}",
            )
        pixels = pixels[:, :, 0]
    elif mode is not None and mode not in _MODES_BY_CHANNELS[channels]:
        allowed = ", ".join(_MODES_BY_CHANNELS[channels])
        raise error(ValueError, f"Only modes {allowed} are supported for {channels} channel inputs")
    if default is None:
        raise error(TypeError, f"Input type {dtype} with {channels} channels is not supported")
    mode = mode or default
    image = pillow_image()
    size = (pixels.shape[1], pixels.shape[0])
    return image.frombytes(mode, size, np.ascontiguousarray(pixels).tobytes())


def _pixels(image: Any) -> np.ndarray:
    """Pixels of a Pillow image as (H, W) or (H, W, C); bilevel images as 0 and 255."""
    if image.mode == "1":
        return 255 * np.asarray(image, np.uint8)
    return np.asarray(image, _PIXEL_DTYPES.get(image.mode, np.uint8))


def _channels_first(pixels: np.ndarray) -> np.ndarray:
    """(C, H, W) from (H, W) or (H, W, C)."""
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _scaled(pixels: np.ndarray) -> Any:
    """Tensor (C, H, W) of pixels (H, W[, C]), bytes scaled to [0, 1] in the default dtype.

    Done in NumPy, in one pass over the few hundred pixels that one image has: the same division in
    the same dtype as `tensor.to(dtype).div(255)`.
    """
    planes = _channels_first(pixels)
    if planes.dtype != np.uint8:
        return plait.from_numpy(np.array(planes, order="C"))
    default = plait.get_default_dtype()
    if default not in (plait.float32, plait.float64):
        return plait.from_numpy(np.array(planes, order="C")).to(default).div(255)
    scalar = np.float32 if default == plait.float32 else np.float64
    scaled = np.divide(planes, scalar(255), dtype=scalar, order="C")
    return plait.from_numpy(scaled)


def _pixels_of(pic: Any, mode: str | None) -> np.ndarray:
    """Pixels (H, W, C) of a tensor or array, checked."""
    if isinstance(pic, plait.Tensor):
        if pic.ndim not in (2, 3):
            raise error(ValueError, f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        planes = pic.unsqueeze(0) if pic.ndim == 2 else pic
        if planes.is_floating_point() and mode != "F":
            planes = planes.mul(255).to(plait.uint8)
        pixels = planes.detach().cpu().numpy().transpose(1, 2, 0)
    elif isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise error(ValueError, f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        pixels = pic[:, :, None] if pic.ndim == 2 else pic
    else:
        raise error(TypeError, f"pic should be Tensor or ndarray. Got {type(pic)}.")
    if not 1 <= pixels.shape[-1] <= 4:
        raise error(
            ValueError, f"pic should not have > 4 channels. Got {pixels.shape[-1]} channels."
        )
    return pixels
