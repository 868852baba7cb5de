"""Values as TensorBoard's messages `Summary`, each with one value under a tag.

The numbers of fields are those of TensorBoard's `summary.proto`, `tensor.proto` and
`plugins/hparams/*.proto`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

import plait
from plait.core.ir.errors import error
from plait.utils.tensorboard._wire import doubles, field, float32

_FLOAT, _DOUBLE, _STRING = 1, 2, 7  # DataType
_TYPES = {
    "float32": _FLOAT,
    "float64": _DOUBLE,
    "int32": 3,
    "uint8": 4,
    "int16": 5,
    "int8": 6,
    "complex64": 8,
    "int64": 9,
    "bool": 10,
    "bfloat16": 14,
    "complex128": 18,
    "float16": 19,
}
_SUCCESS = 1  # hparams' Status
_HPARAM_STRING, _HPARAM_NUMBER = 1, 3


def array_of(value: Any) -> np.ndarray:
    """A tensor, array or number as an array. Raises NotImplementedError for anything else."""
    if isinstance(value, np.ndarray):
        return value
    if np.isscalar(value):
        return np.array([value])
    if isinstance(value, plait.Tensor):
        value = value.detach()
        return (value.half() if value.dtype == plait.bfloat16 else value).cpu().numpy()
    raise error(
        NotImplementedError, f"Got {type(value)}, but numpy array or torch tensor are expected."
    )


def _summary(tag: str, *fields: bytes) -> bytes:
    return field(1, field(1, tag) + b"".join(fields))


def _of_plugin(name: str, content: bytes = b"") -> bytes:
    """The metadata of a value that one of TensorBoard's plugins shows."""
    return field(9, field(1, field(1, name) + (field(2, content) if content else b"")))


def shape_of(extents: Iterable[int]) -> bytes:
    """A TensorShapeProto."""
    return b"".join(field(2, field(1, int(extent))) for extent in extents)


def scalar(tag: str, value: Any, new_style: bool = False, double_precision: bool = False) -> bytes:
    """One number. Raises AssertionError for more than one, as PyTorch does."""
    single = array_of(value).squeeze()
    if single.ndim != 0:
        raise error(
            AssertionError,
            f"Tensor should contain one element (0 dimensions). Was given size: {single.size} and "
            f"{single.ndim} dimensions.",
        )
    number = float(single)
    if not new_style:
        return _summary(tag, float32(2, number))
    if double_precision:
        tensor = field(1, _DOUBLE) + doubles(6, [number])
    else:
        tensor = field(1, _FLOAT) + field(5, struct.pack("<f", number))
    return _summary(tag, field(8, tensor), _of_plugin("scalars"))


def tensor(tag: str, value: Any) -> bytes:
    """A whole tensor. Raises ValueError for a dtype that the format lacks, or 2 GB and more."""
    kind = str(value.dtype).removeprefix("torch.")
    if value.numel() * value.element_size() >= 1 << 31:
        raise error(ValueError, "tensor is bigger than protocol buffer's hard limit of 2GB in size")
    if kind not in _TYPES:
        raise error(ValueError, f"{tag} has unsupported tensor dtype {value.dtype}")
    value = value.detach().cpu().contiguous()
    if kind == "bfloat16":
        data = value.view(plait.int16).numpy().tobytes()
    else:
        data = value.numpy().tobytes()
    content = field(1, _TYPES[kind]) + field(2, shape_of(value.shape)) + field(4, data)
    return _summary(tag, field(8, content), _of_plugin("tensor"))


def histogram_of_parts(
    tag: str,
    least: float,
    greatest: float,
    count: float,
    total: float,
    squares: float,
    limits: Sequence[float],
    counts: Sequence[float],
) -> bytes:
    """A histogram whose bins end at `limits`."""
    numbers = [float(number) for number in (least, greatest, count, total, squares)]
    parts = [field(place, number) for place, number in enumerate(numbers, start=1)]
    parts += [doubles(6, map(float, limits)), doubles(7, map(float, counts))]
    return _summary(tag, field(5, b"".join(parts)))


def histogram(tag: str, values: Any, bins: Any, max_bins: int | None = None) -> bytes:
    """The histogram of all values: bins as numpy.histogram has them, empty ones at the ends cut.

    Raises ValueError without values.
    """
    flat = array_of(values).astype(float).reshape(-1)
    if not flat.size:
        raise error(ValueError, "The input has no element.")
    counts, edges = np.histogram(flat, bins=bins)
    if max_bins is not None and len(counts) > max_bins:
        step = len(counts) // max_bins
        starts = np.arange(0, len(counts), step)
        counts = np.add.reduceat(counts, starts)
        edges = np.append(edges[starts], edges[-1])
    filled = np.flatnonzero(counts)
    if not filled.size:
        raise error(ValueError, "The histogram is empty: all values lie outside the bins")
    first, last = filled[0], filled[-1]
    # A format of right edges: an empty bin in front gives the left edge of the first.
    return histogram_of_parts(
        tag,
        flat.min(),
        flat.max(),
        len(flat),
        flat.sum(),
        flat.dot(flat),
        edges[first : last + 2].tolist(),
        [0, *counts[first : last + 1].tolist()],
    )


def text(tag: str, content: str) -> bytes:
    """Text, which TensorBoard shows as Markdown."""
    value = field(1, _STRING) + field(2, shape_of([1])) + field(8, content)
    return _summary(f"{tag}/text_summary", field(8, value), _of_plugin("text"))


# -- pictures -------------------------------------------------------------------------------------


def image(tag: str, value: Any, dataformats: str = "NCHW") -> bytes:
    """A picture, or a grid of pictures: uint8 in [0, 255], or other dtypes in [0, 1]."""
    pixels = _height_width_channels(array_of(value), dataformats)
    scale = 1 if pixels.dtype == np.uint8 else 255
    pixels = (pixels.astype(np.float32) * scale).clip(0, 255).astype(np.uint8)
    height, width, channels = pixels.shape
    parts = [field(1, height), field(2, width), field(3, channels), field(4, _png(pixels))]
    return _summary(tag, field(4, b"".join(parts)))


def _height_width_channels(pixels: np.ndarray, layout: str) -> np.ndarray:
    """Pixels with the axes `layout` names as (H, W, C); grey ones of these as RGB.

    Raises AssertionError for a layout that does not fit, as PyTorch does.
    """
    layout = layout.upper()
    if len(set(layout)) != len(layout):
        raise error(AssertionError, f"an axis is named twice in the input format {layout!r}")
    if pixels.ndim != len(layout):
        raise error(
            AssertionError,
            f"size of input tensor and input format are different: shape {pixels.shape}, input "
            f"format {layout!r}",
        )
    if len(layout) == 4:
        return _grid(pixels.transpose([layout.find(axis) for axis in "NHWC"]))
    if len(layout) == 2:
        pixels = pixels.transpose([layout.find(axis) for axis in "HW"])[:, :, None]
    else:
        pixels = pixels.transpose([layout.find(axis) for axis in "HWC"])
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def _grid(images: np.ndarray, most: int = 8) -> np.ndarray:
    """A batch (N, H, W, C) as one picture, `most` images in a row."""
    if images.shape[3] == 1:
        images = np.repeat(images, 3, axis=3)
    if images.shape[3] != 3:
        raise error(AssertionError, "Input should be a 4D numpy array with 3 channels")
    count, height, width, channels = images.shape
    columns = min(count, most)
    rows = -(-count // columns)
    canvas = np.zeros((rows, columns, height, width, channels), images.dtype)
    canvas.reshape(rows * columns, height, width, channels)[:count] = images
    return canvas.swapaxes(1, 2).reshape(rows * height, columns * width, channels)


def _png(pixels: np.ndarray) -> bytes:
    """uint8 pixels (H, W, C) as a PNG file (ISO/IEC 15948): C = 1, 2, 3 or 4, no filter."""
    height, width, channels = pixels.shape
    colours = {1: 0, 2: 4, 3: 2, 4: 6}
    if channels not in colours:
        raise error(ValueError, f"a picture has 1, 2, 3 or 4 channels, not {channels}")
    rows = np.concatenate(
        [np.zeros((height, 1), np.uint8), pixels.reshape(height, width * channels)], axis=1
    )
    header = struct.pack(">IIBBBBB", width, height, 8, colours[channels], 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


# -- hyper-parameters -----------------------------------------------------------------------------


def hparams(
    values: dict[str, Any], metrics: dict[str, Any], domains: dict[str, list] | None = None
) -> list[bytes]:
    """The three summaries of a session: its experiment, its values, its end.

    Raises TypeError for a bad domain, ValueError for a value that is no number, bool or string.
    """
    domains = _checked_domains(values, domains)
    infos, session = [], []
    for name, value in values.items():
        if value is None:
            continue
        if isinstance(value, plait.Tensor):
            value = float(array_of(value).reshape(-1)[0])
        kind = _kind(value)
        info = field(1, name) + field(4, kind)
        if name in domains:
            info += field(5, b"".join(field(1, _value(one)) for one in domains[name]))
        infos.append(field(4, info))
        session.append(field(1, field(1, name) + field(2, _value(value))))
    infos += [field(5, field(1, field(2, name))) for name in metrics]
    parts = (
        ("experiment", 2, b"".join(infos)),
        ("session_start_info", 3, b"".join(session)),
        ("session_end_info", 4, field(1, _SUCCESS)),
    )
    return [
        _summary(f"_hparams_/{tag}", _of_plugin("hparams", field(number, content)))
        for tag, number, content in parts
    ]


def _checked_domains(values: dict[str, Any], domains: Any) -> dict[str, list]:
    if domains is not None and not isinstance(domains, dict):
        raise error(
            TypeError, "parameter: hparam_domain_discrete should be a dictionary, nothing logged."
        )
    for name, members in (domains or {}).items():
        if (
            name not in values
            or not isinstance(members, list)
            or not all(isinstance(member, type(values[name])) for member in members)
        ):
            raise error(
                TypeError,
                f"parameter: hparam_domain_discrete[{name}] should be a list of same type as "
                f"hparam_dict[{name}].",
            )
    return domains or {}


def _kind(value: Any) -> int:
    # A bool is an int to PyTorch, which asks for numbers first.
    if isinstance(value, (int, float)):
        return _HPARAM_NUMBER
    if isinstance(value, str):
        return _HPARAM_STRING
    raise error(ValueError, "value should be one of int, float, str, bool, or torch.Tensor")


def _value(value: Any) -> bytes:
    """A google.protobuf.Value."""
    return field(3, value) if isinstance(value, str) else field(2, float(value))
