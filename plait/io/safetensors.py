"""The safetensors format: named tensors behind a JSON header, with no code in the file.

`load_file` and `load` give a dict of tensors, `save_file` and `save` write one; the names and
arguments are those of `safetensors.torch`. A file is 8 bytes that hold the length of the header
(little endian), the header, and the tensors' bytes, row-major and little endian, without gaps.
Source of the format: https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import json
import math
import os
import struct
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.io import tensor_bridge
from plait.io.bounded_repr import short
from plait.io.dtypes import numpy_dtype
from plait.io.serialization import replacing
from plait.io.storage import Storage

_LENGTH = struct.Struct("<Q")
# The bound of the format, so that a damaged length allocates nothing.
_MAX_HEADER = 100_000_000
_MAX_DIMS = 64
_METADATA = "__metadata__"

_DTYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "U16": "uint16",
    "I16": "int16",
    "U32": "uint32",
    "I32": "int32",
    "U64": "uint64",
    "I64": "int64",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "C64": "complex64",
}
_NAMES = {ours: theirs for theirs, ours in _DTYPES.items()}


def load_file(filename: str | os.PathLike[str], device: Any = "cpu") -> dict[str, Any]:
    """The tensors of a file by their names; nothing in the file is executed.

    Raises RuntimeError for a file that is cut short, damaged or of another format, and what
    `Tensor.to` raises for a device that is not there.
    """
    size = os.path.getsize(filename)
    with open(filename, "rb") as file:
        entries, _ = _header(file.read(_LENGTH.size), file.read, size, os.fspath(filename))
        # The entries are in the order of their bytes.
        return {
            name: _tensor(file.read(stop - start), dtype, shape).to(device)
            for name, dtype, shape, start, stop in entries
        }


def load(data: bytes) -> dict[str, Any]:
    """The tensors of a file's bytes by their names; errors as of `load_file`."""
    view = memoryview(data)
    entries, begin = _header(
        bytes(view[: _LENGTH.size]),
        lambda count: bytes(view[_LENGTH.size : _LENGTH.size + count]),
        len(view),
        "the given bytes",
    )
    return {
        name: _tensor(view[begin + start : begin + stop], dtype, shape)
        for name, dtype, shape, start, stop in entries
    }


def save_file(
    tensors: Mapping[str, Any],
    filename: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a dict of tensors; the old file is replaced only when the new one is complete.

    Raises ValueError for values that are no tensors, are not contiguous or have a dtype that the
    format lacks, RuntimeError for tensors that share memory, TypeError for metadata that is not of
    strings.
    """
    pieces = _pieces(tensors, metadata)
    with replacing(os.fspath(filename)) as file:
        file.writelines(pieces)


def save(tensors: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes that `save_file` would write; errors as of `save_file`."""
    return b"".join(_pieces(tensors, metadata))


def _pieces(tensors: Mapping[str, Any], metadata: Mapping[str, str] | None) -> list[Any]:
    """The header, and the memory of each tensor as it lies, without a copy."""
    header: dict[str, Any] = {}
    if metadata is not None:
        _check_metadata(metadata)
        header[_METADATA] = dict(metadata)
    arrays = _arrays(tensors)
    payload: list[Any] = []
    at = 0
    # Wide elements first: with a header of whole words every tensor is then aligned.
    for name in sorted(arrays, key=lambda name: (-arrays[name][1].itemsize, name)):
        dtype, array = arrays[name]
        header[name] = {
            "dtype": _NAMES[dtype],
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        payload.append(_little(array).reshape(-1).view(np.uint8).data)
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % _LENGTH.size)
    return [_LENGTH.pack(len(text)), text, *payload]


def _arrays(tensors: Mapping[str, Any]) -> dict[str, tuple[str, np.ndarray]]:
    """Of each tensor its dtype's name and its values."""
    found: dict[str, tuple[str, np.ndarray]] = {}
    owner: dict[Any, str] = {}
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not tensor_bridge.is_tensor(tensor):
            raise error(
                ValueError,
                f"safetensors: expected a dict of names and tensors, got {short(name)}: "
                f"{type(tensor).__name__}",
            )
        key, flat, offset, size, _, dtype, _ = tensor_bridge.storage_parts(tensor)
        if dtype not in _NAMES:
            raise error(ValueError, f"safetensors: the format has no dtype {dtype} ({name!r})")
        if not tensor.is_contiguous():
            raise error(
                ValueError,
                f"You are trying to save a non contiguous tensor: `{name}` which is not allowed. "
                "Call .contiguous() on it before saving",
            )
        if flat.size and owner.setdefault(key, name) != name:
            raise error(
                RuntimeError,
                f"Some tensors share memory, this will lead to duplicate memory on disk: "
                f"{owner[key]!r} and {name!r}. Save one of them, or a clone()",
            )
        found[name] = dtype, flat[offset : offset + math.prod(size)].reshape(size)
    return found


def _check_metadata(metadata: Mapping[str, str]) -> None:
    if not all(type(k) is str and type(v) is str for k, v in metadata.items()):
        raise error(TypeError, "safetensors: metadata must map strings to strings")


def _little(array: np.ndarray) -> np.ndarray:
    """The values in the order of bytes of the format, which is that of nearly all machines."""
    return array if sys.byteorder == "little" else array.byteswap()


Entry = tuple[str, str, tuple[int, ...], int, int]


def _header(length: bytes, read: Any, size: int, label: str) -> tuple[list[Entry], int]:
    """The checked entries in the order of their bytes, and where the first byte is."""

    def fault(what: str) -> Exception:
        return error(RuntimeError, f"Error while deserializing safetensors: {what} (file {label})")

    if len(length) < _LENGTH.size:
        raise fault("the file is shorter than the length of its header")
    count = _LENGTH.unpack(length)[0]
    begin = _LENGTH.size + count
    if count > _MAX_HEADER or begin > size:
        raise fault(f"its header claims {count} bytes, the file has {size}")
    try:
        header = json.loads(read(count).decode("utf-8"), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as reason:
        raise fault(f"its header is not JSON: {reason}") from None
    if type(header) is not dict:
        raise fault("its header is not a JSON object")
    header.pop(_METADATA, None)
    entries = sorted((_entry(*item, fault) for item in header.items()), key=lambda e: e[3:])
    at = 0
    for name, _, _, start, stop in entries:
        if start != at:
            raise fault(f"tensor {short(name)} begins at {start}, where {at} is expected")
        at = stop
    if begin + at != size:
        raise fault(f"its tensors end at byte {begin + at}, the file has {size}")
    return entries, begin


def _entry(name: str, info: Any, fault: Any) -> Entry:
    """One tensor's line of the header: name, dtype, shape, first byte, byte past the last."""
    if type(info) is not dict or set(info) != {"dtype", "shape", "data_offsets"}:
        raise fault(f"tensor {short(name)} is described by {short(info)}")
    dtype, shape, offsets = info["dtype"], info["shape"], info["data_offsets"]
    if type(dtype) is not str or dtype not in _DTYPES:
        raise fault(f"tensor {short(name)} has the dtype {short(dtype)}, which Plait lacks")
    for numbers in (shape, offsets):
        if type(numbers) is not list or not all(type(n) is int and n >= 0 for n in numbers):
            raise fault(f"tensor {short(name)} has the shape or place {short(numbers)}")
    if len(offsets) != 2 or len(shape) > _MAX_DIMS:
        raise fault(f"tensor {short(name)} has {len(shape)} axes and {len(offsets)} offsets")
    nbytes = math.prod(shape) * numpy_dtype(_DTYPES[dtype]).itemsize
    if offsets[1] - offsets[0] != nbytes:
        raise fault(f"tensor {short(name)} needs {nbytes} bytes, it has the place {offsets}")
    return name, _DTYPES[dtype], tuple(shape), offsets[0], offsets[1]


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _tensor(data: bytes | memoryview, dtype: str, shape: tuple[int, ...]) -> Any:
    raw = np.frombuffer(data, dtype=np.uint8).copy()
    if dtype == "bool":
        raw = (raw != 0).view(np.uint8)  # other bytes than 0 and 1 are no booleans of NumPy's
    elif sys.byteorder != "little":
        raw = raw.view(numpy_dtype(dtype)).byteswap().view(np.uint8)
    stride = tuple(math.prod(max(n, 1) for n in shape[axis + 1 :]) for axis in range(len(shape)))
    return tensor_bridge.rebuild(Storage(raw, "cpu"), dtype, 0, shape, stride, False)
