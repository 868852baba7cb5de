"""Image files as tensors (C, H, W) of bytes, and back; read and written by Pillow."""

from __future__ import annotations

import io
import os
import tempfile
from enum import Enum
from typing import Any

import numpy as np

import plait
from plait._unbuilt import unbuilt
from plait.core.ir.errors import error
from plait.vision._pillow import pillow_image

__all__ = [
    "ImageReadMode",
    "decode_image",
    "decode_jpeg",
    "decode_png",
    "encode_jpeg",
    "encode_png",
    "read_file",
    "read_image",
    "write_file",
    "write_jpeg",
    "write_png",
]

__getattr__ = unbuilt(
    "torchvision.io",
    ("decode_avif", "decode_gif", "decode_heic", "decode_webp", "read_video", "write_video"),
)


class ImageReadMode(Enum):
    """The channels that an image is given."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4


_PILLOW_MODES = {
    ImageReadMode.GRAY: "L",
    ImageReadMode.GRAY_ALPHA: "LA",
    ImageReadMode.RGB: "RGB",
    ImageReadMode.RGB_ALPHA: "RGBA",
}


def read_file(path: str | os.PathLike[str]) -> Any:
    """The bytes of a file, a uint8 tensor (n,)."""
    with open(path, "rb") as file:
        return plait.from_numpy(np.frombuffer(file.read(), np.uint8).copy())


def write_file(filename: str | os.PathLike[str], data: Any) -> None:
    """Write a uint8 tensor (n,) as a file, whole or not at all."""
    if data.dtype != plait.uint8 or data.ndim != 1:
        raise error(
            RuntimeError,
            f"write_file: expected bytes of shape (n,), got {data.dtype} of {tuple(data.shape)}",
        )
    path = os.fspath(filename)
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path) or ".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data.numpy().tobytes())
        os.chmod(temporary, 0o644)  # mkstemp makes files private
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _mode(mode: ImageReadMode | str) -> ImageReadMode:
    return ImageReadMode[mode.upper()] if isinstance(mode, str) else mode


def decode_image(
    input: Any,
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Any:
    """An image (C, H, W), uint8 (uint16 for PNG of 16 bits), of a file's bytes or its path.

    Raises RuntimeError for bytes that are no image.
    """
    if isinstance(input, (str, os.PathLike)):
        input = read_file(input)
    return _decoded(input, _mode(mode), apply_exif_orientation, None)


def decode_png(
    input: Any,
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Any:
    """`decode_image`, of PNG only."""
    return _decoded(input, _mode(mode), apply_exif_orientation, "PNG")


def decode_jpeg(
    input: Any,
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    device: Any = "cpu",
    apply_exif_orientation: bool = False,
) -> Any:
    """`decode_image`, of JPEG only; a list of bytes gives a list of images."""
    if isinstance(input, list):
        return [decode_jpeg(item, mode, device, apply_exif_orientation) for item in input]
    return _decoded(input, _mode(mode), apply_exif_orientation, "JPEG")


def _decoded(data: Any, mode: ImageReadMode, turn: bool, kind: str | None) -> Any:
    if not isinstance(data, plait.Tensor) or data.dtype != plait.uint8 or data.ndim != 1:
        raise error(
            RuntimeError,
            "Expected the bytes of an image, a uint8 tensor of one dimension, got "
            f"{getattr(data, 'dtype', type(data).__name__)} of {tuple(getattr(data, 'shape', ()))}",
        )
    buffer = io.BytesIO(data.numpy().tobytes())
    try:
        image: Any = pillow_image().open(buffer, formats=None if kind is None else [kind])
        image.load()
    except OSError as fault:
        what = "an image" if kind is None else f"a {kind} image"
        raise error(RuntimeError, f"The bytes are not those of {what}: {fault}") from None
    if turn:
        from PIL import ImageOps

        image = ImageOps.exif_transpose(image)
    if mode is not ImageReadMode.UNCHANGED:
        image = image.convert(_PILLOW_MODES[mode])
    elif image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    pixels = np.asarray(image)
    pixels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    if pixels.dtype != np.uint8:
        pixels = pixels.astype(np.uint16)
    return plait.from_numpy(np.ascontiguousarray(pixels).copy())


def read_image(
    path: str | os.PathLike[str],
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Any:
    """`decode_image` of a file."""
    return decode_image(read_file(path), mode, apply_exif_orientation)


def _encoded(image: Any, kind: str, **options: Any) -> Any:
    if image.dtype != plait.uint8:
        raise error(RuntimeError, f"Input tensor dtype should be uint8, got {image.dtype}")
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise error(
            RuntimeError,
            "The number of channels should be 1 or 3, in a tensor (C, H, W), got "
            f"{tuple(image.shape)}",
        )
    pixels = image.numpy().transpose(1, 2, 0)
    picture = pillow_image().fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels.copy())
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return plait.from_numpy(np.frombuffer(buffer.getvalue(), np.uint8).copy())


def encode_png(input: Any, compression_level: int = 6) -> Any:
    """The bytes (n,) of a PNG file of an image (1 or 3, H, W) of bytes."""
    if not 0 <= compression_level <= 9:
        raise error(RuntimeError, "Compression level should be between 0 and 9")
    return _encoded(input, "PNG", compress_level=compression_level)


def encode_jpeg(input: Any, quality: int = 75) -> Any:
    """The bytes (n,) of a JPEG file of an image (1 or 3, H, W) of bytes; of a list, a list."""
    if not 1 <= quality <= 100:
        raise error(ValueError, "Image quality should be a positive number between 1 and 100")
    if isinstance(input, list):
        return [encode_jpeg(image, quality) for image in input]
    return _encoded(input, "JPEG", quality=quality)


def write_png(input: Any, filename: str | os.PathLike[str], compression_level: int = 6) -> None:
    """`encode_png` to a file."""
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input: Any, filename: str | os.PathLike[str], quality: int = 75) -> None:
    """`encode_jpeg` to a file."""
    write_file(filename, encode_jpeg(input, quality))
