"""`tf.io`: files, records, and the parsing of what is in them."""

from __future__ import annotations

import base64
import csv
import glob as _glob
import os
import re
import shutil
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from plait._unbuilt import not_built, unbuilt
from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._convert import convert
from plait.tf._dispatch import op
from plait.tf._dtypes import as_dtype, string
from plait.tf._records import Example, TFRecordWriter
from plait.tf._shape import TensorShape, TensorSpec
from plait.tf._sparse import SparseTensor
from plait.tf._tensor import Tensor, of_array
from plait.tf.data._files import _column, field, scalar


class TFRecordOptions(NamedTuple):
    """Options of record writers."""

    compression_type: str = ""


def _path(value: Any) -> str:
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    return convert(value, string)._array()[()].decode()


@op
def read_file(filename: Any) -> Any:
    """The bytes of a file. Raises NotFoundError."""
    path = _path(filename)
    try:
        with open(path, "rb") as file:
            return of_array(scalar(file.read()))
    except FileNotFoundError:
        raise error(
            errors.NotFoundError, f"{path}; No such file or directory [Op:ReadFile]"
        ) from None


@op
def write_file(filename: Any, contents: Any) -> None:
    """Write bytes to a file."""
    path = _path(filename)
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "wb") as file:
        file.write(convert(contents, string)._array()[()])


@op
def matching_files(pattern: Any) -> Any:
    """The names of files that match a pattern."""
    return of_array(np.array([f.encode() for f in sorted(_glob.glob(_path(pattern)))], object))


@op
def decode_raw(
    input_bytes: Any, out_type: Any, little_endian: bool = True, fixed_length: Any = None
) -> Any:
    """Bytes as numbers of a dtype, along a new last axis."""
    kind = as_dtype(out_type).core.numpy
    array = convert(input_bytes, string)._array()
    order = kind.newbyteorder("<" if little_endian else ">")
    rows = [np.frombuffer(item, order).astype(kind) for item in array.reshape(-1)]
    return of_array(np.stack(rows).reshape((*array.shape, -1)))


@op
def decode_csv(
    records: Any,
    record_defaults: Any,
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    select_cols: Any = None,
) -> Any:
    """The columns of lines of comma-separated values, each a tensor of the lines' shape."""
    array = convert(records, string)._array()
    columns = [_column(d) for d in record_defaults]
    quoting = csv.QUOTE_MINIMAL if use_quote_delim else csv.QUOTE_NONE
    rows = []
    for item in array.reshape(-1):
        fields = next(csv.reader([item.decode("utf-8")], delimiter=field_delim, quoting=quoting))
        kept = fields if select_cols is None else [fields[k] for k in select_cols]
        if len(kept) != len(columns):
            raise error(
                errors.InvalidArgumentError,
                f"Expect {len(columns)} fields but have {len(kept)} in record 0",
            )
        rows.append([field(text, *c, na_value)[()] for text, c in zip(kept, columns)])
    made = []
    for number, (kind, _) in enumerate(columns):
        values = np.empty(len(rows), object if kind is string else kind.core.numpy)
        for place, row in enumerate(rows):
            values[place] = row[number]
        made.append(of_array(values.reshape(array.shape)))
    return made


# -- examples -------------------------------------------------------------------------------------


class FixedLenFeature(NamedTuple):
    """A feature with as many values in every example."""

    shape: Any
    dtype: Any
    default_value: Any = None


class VarLenFeature(NamedTuple):
    """A feature with any number of values: it gives a SparseTensor."""

    dtype: Any


class FixedLenSequenceFeature(NamedTuple):
    """A feature with a whole number of rows of values."""

    shape: Any
    dtype: Any
    allow_missing: bool = False
    default_value: Any = None


def _values(feature: Any) -> list[Any]:
    lists = (feature.bytes_list, feature.float_list, feature.int64_list)
    return next((x.value for x in lists if x.value), [])


def _parsed(name: str, spec: Any, example: Example) -> np.ndarray:
    kind = as_dtype(spec.dtype)
    held = example.features.feature.get(name)
    values = [] if held is None else _values(held)
    if isinstance(spec, VarLenFeature):
        shape: tuple[int, ...] = (-1,)
        return _typed(name, values, kind, shape)
    shape = tuple(int(e) for e in spec.shape)
    if isinstance(spec, FixedLenSequenceFeature):
        shape = (-1, *shape)
    elif not values:
        if spec.default_value is None:
            raise error(
                errors.InvalidArgumentError,
                f"Feature: {name} (data type: {kind.name}) is required but could not be found.",
            )
        made = convert(spec.default_value, kind)._array()
        return np.broadcast_to(made, shape).copy() if made.ndim == 0 else made.reshape(shape)
    return _typed(name, values, kind, shape)


def _typed(name: str, values: list[Any], kind: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The values of a feature as an array. Raises InvalidArgumentError for another dtype, or
    another number of them."""
    array = np.empty(len(values), object if kind is string else kind.core.numpy)
    for place, value in enumerate(values):
        if (kind is string) is not isinstance(value, bytes):
            raise error(
                errors.InvalidArgumentError,
                f"Key: {name}.  Data types don't match. Expected type: {kind.name}",
            )
        array[place] = value
    try:
        return array.reshape(shape)
    except ValueError:
        raise error(
            errors.InvalidArgumentError,
            f"Key: {name}.  Number of {kind.name} values != expected.  Values size: {len(values)} "
            f"but output shape: {list(shape)}",
        ) from None


@op
def parse_single_example(serialized: Any, features: Any, example_names: Any = None) -> Any:
    """The features of a message, as a dict of tensors. Raises InvalidArgumentError."""
    example = Example.FromString(convert(serialized, string)._array()[()])
    made: dict[str, Any] = {}
    for name, spec in features.items():
        found = _parsed(name, spec, example)
        if isinstance(spec, VarLenFeature):
            indices = np.arange(len(found), dtype=np.int64)[:, None]
            made[name] = SparseTensor(of_array(indices), of_array(found), [len(found)])
        else:
            made[name] = of_array(found)
    return made


@op
def parse_example(serialized: Any, features: Any, example_names: Any = None) -> Any:
    """The features of several messages, along a new first axis."""
    array = convert(serialized, string)._array()
    if array.ndim == 0:
        return parse_single_example(serialized, features)
    examples = [Example.FromString(item) for item in array.reshape(-1)]
    made: dict[str, Any] = {}
    for name, spec in features.items():
        rows = [_parsed(name, spec, e) for e in examples]
        made[name] = (
            _sparse_rows(rows) if isinstance(spec, VarLenFeature) else of_array(np.stack(rows))
        )
    return made


def _csv_specs(records: Any, record_defaults: Any, *_args: Any, **_options: Any) -> Any:
    """What `decode_csv` gives in a graph. LookupError: as the function itself says."""
    if not isinstance(records, Tensor):
        raise LookupError
    return [TensorSpec(records.shape, _column(d)[0]) for d in record_defaults]


def _example_specs(serialized: Any, features: Any, *_args: Any, **_options: Any) -> Any:
    """What examples give in a graph. LookupError: as the function itself says."""
    fixed = all(isinstance(spec, FixedLenFeature) for spec in features.values())
    if not isinstance(serialized, Tensor) or serialized.shape.rank is None or not fixed:
        raise LookupError
    first = serialized.shape.as_list()
    return {
        name: TensorSpec([*first, *TensorShape(spec.shape).as_list()], as_dtype(spec.dtype))
        for name, spec in features.items()
    }


decode_csv.__dict__.update(host=True, infer=_csv_specs)
parse_single_example.__dict__.update(host=True, infer=_example_specs)
parse_example.__dict__.update(host=True, infer=_example_specs)


def _sparse_rows(rows: list[np.ndarray]) -> SparseTensor:
    """Rows of any length as one sparse matrix."""
    indices = [(row, column) for row, held in enumerate(rows) for column in range(len(held))]
    places = np.array(indices, np.int64).reshape(-1, 2)
    widest = max((len(held) for held in rows), default=0)
    return SparseTensor(of_array(places), of_array(np.concatenate(rows)), [len(rows), widest])


#: The numbers of dtypes in TensorFlow's TensorProto messages.
_NUMBERS = {
    "float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "string": 7,
    "complex64": 8, "int64": 9, "bool": 10, "bfloat16": 14, "uint16": 17, "complex128": 18,
    "float16": 19, "uint32": 22, "uint64": 23,
}  # fmt: skip


@op
def serialize_tensor(tensor: Any) -> Any:
    """A tensor as a TensorProto message."""
    from plait.tf._records import block, varint

    held = convert(tensor)
    array = held._array()
    dims = b"".join([block(2, varint(1 << 3) + varint(e)) for e in array.shape])
    message = varint(1 << 3) + varint(_NUMBERS[held.dtype.name]) + block(2, dims)
    if held.dtype is string:
        message += b"".join([block(8, item) for item in array.reshape(-1)])
    else:
        message += block(4, np.ascontiguousarray(array).tobytes())
    return of_array(scalar(message))


def _extent(message: bytes) -> int:
    """The extent in a dimension's message; 0 is left out of it."""
    from plait.tf._records import fields

    return {key: value for key, _, value in fields(message)}.get(1, 0)


@op
def parse_tensor(serialized: Any, out_type: Any) -> Any:
    """The tensor in a TensorProto message. Raises InvalidArgumentError for another dtype."""
    from plait.tf._records import fields

    kind = as_dtype(out_type)
    number, shape, content, texts = 0, [], b"", []
    for key, _, value in fields(convert(serialized, string)._array()[()]):
        if key == 1:
            number = value
        elif key == 2:
            shape = [_extent(d) for _, _, d in fields(value)]
        elif key == 4:
            content = value
        elif key == 8:
            texts.append(value)
        else:
            raise not_built("tf.io.parse_tensor of values that are not in tensor_content")
    if number != _NUMBERS[kind.name]:
        raise error(
            errors.InvalidArgumentError,
            f"Type mismatch between parsed tensor ({number}) and dtype ({kind.name})",
        )
    if kind is string:
        made = np.empty(len(texts), object)
        made[:] = texts
        return of_array(made.reshape(shape))
    return of_array(np.frombuffer(content, kind.core.numpy).reshape(shape).copy())


# -- pictures -------------------------------------------------------------------------------------


@op
def decode_image(
    contents: Any, channels: Any = None, dtype: Any = "uint8", expand_animations: bool = True
) -> Any:
    """A picture as (height, width, channels). Needs Pillow. Raises InvalidArgumentError."""
    import io as _io

    from plait.vision._pillow import pillow_image

    data = convert(contents, string)._array()[()]
    try:
        picture = pillow_image().open(_io.BytesIO(data))
        picture.load()
    except OSError:
        raise error(
            errors.InvalidArgumentError,
            "Unknown image file format. One of JPEG, PNG, GIF, BMP required. [Op:DecodeImage]",
        ) from None
    mode = {1: "L", 3: "RGB", 4: "RGBA"}.get(int(channels or 0))
    if mode is None:
        mode = picture.mode if picture.mode in ("L", "RGB", "RGBA") else "RGB"
    array = np.array(picture.convert(mode), np.uint8)
    array = array[..., None] if array.ndim == 2 else array
    made = of_array(array)
    if as_dtype(dtype).name == "uint8":
        return made
    from plait.tf.image import convert_image_dtype

    return convert_image_dtype(made, dtype)


def decode_jpeg(contents: Any, channels: int = 0, **kwargs: Any) -> Any:
    """A picture as (height, width, channels)."""
    return decode_image(contents, channels)


def decode_png(contents: Any, channels: int = 0, dtype: Any = "uint8", **kwargs: Any) -> Any:
    """A picture as (height, width, channels)."""
    return decode_image(contents, channels, dtype)


decode_bmp = decode_jpeg


@op
def encode_png(image: Any, compression: int = -1) -> Any:
    """A uint8 picture as the bytes of a PNG file. Needs Pillow."""
    return _encoded(image, "PNG")


@op
def encode_jpeg(image: Any, format: str = "", quality: int = 95, **kwargs: Any) -> Any:
    """A uint8 picture as the bytes of a JPEG file. Needs Pillow."""
    return _encoded(image, "JPEG", quality=quality)


def _encoded(image: Any, form: str, **options: Any) -> Any:
    import io as _io

    from plait.vision._pillow import pillow_image

    array = convert(image)._array()
    buffer = _io.BytesIO()
    picture = array[..., 0] if array.shape[-1] == 1 else array
    pillow_image().fromarray(picture).save(buffer, form, **options)
    return of_array(scalar(buffer.getvalue()))


# -- the file system ------------------------------------------------------------------------------


class GFile:
    """A file of the local disk."""

    def __init__(self, name: Any, mode: str = "r") -> None:
        try:
            self._file: Any = open(_path(name), mode, encoding=None if "b" in mode else "utf-8")  # noqa: SIM115  # closed by close()
        except FileNotFoundError:
            raise error(errors.NotFoundError, f"{name}; No such file or directory") from None

    def read(self, n: int = -1) -> Any:
        return self._file.read(n)

    def readline(self) -> Any:
        return self._file.readline()

    def readlines(self) -> list[Any]:
        return self._file.readlines()

    def write(self, text: Any) -> None:
        self._file.write(text)

    def seek(self, offset: int) -> None:
        self._file.seek(offset)

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)

    def __enter__(self) -> GFile:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class gfile:
    """Functions of the local file system."""

    GFile = GFile
    exists = staticmethod(lambda path: os.path.exists(_path(path)))
    isdir = staticmethod(lambda path: os.path.isdir(_path(path)))
    listdir = staticmethod(lambda path: os.listdir(_path(path)))
    makedirs = staticmethod(lambda path: os.makedirs(_path(path), exist_ok=True))
    mkdir = staticmethod(lambda path: os.mkdir(_path(path)))
    remove = staticmethod(lambda path: os.remove(_path(path)))
    rmtree = staticmethod(lambda path: shutil.rmtree(_path(path)))
    walk = staticmethod(lambda top, topdown=True: os.walk(_path(top), topdown))
    join = staticmethod(os.path.join)

    @staticmethod
    def copy(src: Any, dst: Any, overwrite: bool = False) -> None:
        """Raises AlreadyExistsError unless the file may be overwritten."""
        if os.path.exists(_path(dst)) and not overwrite:
            raise error(errors.AlreadyExistsError, f"file already exists: {dst}")
        shutil.copyfile(_path(src), _path(dst))

    @staticmethod
    def rename(src: Any, dst: Any, overwrite: bool = False) -> None:
        """Raises AlreadyExistsError unless the file may be overwritten."""
        if os.path.exists(_path(dst)) and not overwrite:
            raise error(errors.AlreadyExistsError, f"file already exists: {dst}")
        os.replace(_path(src), _path(dst))

    @staticmethod
    def glob(pattern: Any) -> list[str]:
        """The names of files that match a pattern, or one of several."""
        patterns = [pattern] if isinstance(pattern, (str, os.PathLike)) else pattern
        return [f for p in patterns for f in sorted(_glob.glob(_path(p)))]

    @staticmethod
    def stat(path: Any) -> Any:
        return _Stat(os.stat(_path(path)).st_size)


class _Stat(NamedTuple):
    length: int


@op
def encode_base64(input: Any, pad: bool = False) -> Any:
    """Bytes as base64 text of the alphabet for addresses, by default without padding."""

    def encoded(text: bytes) -> bytes:
        made = base64.urlsafe_b64encode(text)
        return made if pad else made.rstrip(b"=")

    return of_array(_each_string(encoded, input))


@op
def decode_base64(input: Any) -> Any:
    """The bytes of base64 text, padded or not. Raises InvalidArgumentError for other text."""

    def decoded(text: bytes) -> bytes:
        bare = text.rstrip(b"=")
        if re.fullmatch(rb"[A-Za-z0-9_-]*", bare) is None or len(bare) % 4 == 1:
            raise error(errors.InvalidArgumentError, "Invalid character found in base64.")
        return base64.urlsafe_b64decode(bare + b"=" * (-len(bare) % 4))

    return of_array(_each_string(decoded, input))


def _each_string(function: Any, value: Any) -> np.ndarray:
    """A function of each string of a tensor."""
    texts = convert(value, string)._array()
    made = np.empty(texts.shape, object)
    for place in np.ndindex(texts.shape):
        made[place] = function(texts[place])
    return made


for _function in (read_file, write_file, matching_files):
    _function.__dict__["host"] = True

__getattr__ = unbuilt(
    "tf.io",
    (
        "decode_gif",
        "decode_proto",
        "RaggedFeature",
        "parse_sequence_example",
        "parse_single_sequence_example",
        "decode_json_example",
    ),
)
