"""`tf.strings`: functions of tensors of byte strings."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from plait._unbuilt import not_built
from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._convert import convert
from plait.tf._dispatch import op
from plait.tf._dtypes import as_dtype, float32, string
from plait.tf._tensor import of_array


def _strings(value: Any) -> Any:
    return convert(value, string)._array()


def _each(function: Callable[[bytes], Any], array: np.ndarray, kind: Any = object) -> Any:
    made = np.empty(array.shape, kind)
    for place, item in np.ndenumerate(array):
        made[place] = function(item)
    return of_array(made)


def _text(apply: Callable[[str], str], encoding: str) -> Callable[[bytes], bytes]:
    if encoding == "":
        return lambda b: apply(b.decode("latin-1")).encode("latin-1")
    return lambda b: apply(b.decode("utf-8")).encode("utf-8")


@op
def lower(input: Any, encoding: str = "") -> Any:
    """In lower case: the ASCII letters, or all with encoding="utf-8"."""
    if encoding == "":
        return _each(bytes.lower, _strings(input))
    return _each(_text(str.lower, encoding), _strings(input))


@op
def upper(input: Any, encoding: str = "") -> Any:
    """In upper case: the ASCII letters, or all with encoding="utf-8"."""
    if encoding == "":
        return _each(bytes.upper, _strings(input))
    return _each(_text(str.upper, encoding), _strings(input))


@op
def strip(input: Any) -> Any:
    """Without white space at both ends."""
    return _each(bytes.strip, _strings(input))


@op
def length(input: Any, unit: str = "BYTE") -> Any:
    """Bytes, or characters with unit="UTF8_CHAR", int32."""
    if unit == "UTF8_CHAR":
        return _each(lambda b: len(b.decode("utf-8", "replace")), _strings(input), np.int32)
    return _each(len, _strings(input), np.int32)


@op
def join(inputs: Any, separator: str = "") -> Any:
    """Strings of several tensors joined, elementwise."""
    arrays: Any = np.broadcast_arrays(*[_strings(x) for x in inputs])
    between = separator.encode()
    made = np.empty(arrays[0].shape, object)
    for place in np.ndindex(made.shape):
        made[place] = between.join([a[place] for a in arrays])
    return of_array(made)


@op
def reduce_join(inputs: Any, axis: Any = None, keepdims: bool = False, separator: str = "") -> Any:
    """Strings joined along an axis (all by default)."""
    array = _strings(inputs)
    between = separator.encode()
    if axis is None:
        made = np.empty((1,) * array.ndim if keepdims else (), object)
        made[...] = between.join(array.reshape(-1).tolist())
        return of_array(made)
    moved = np.moveaxis(array, int(axis), -1)
    made = np.empty(moved.shape[:-1], object)
    for place in np.ndindex(made.shape):
        made[place] = between.join(moved[place].tolist())
    return of_array(np.expand_dims(made, int(axis)) if keepdims else made)


@op
def regex_replace(input: Any, pattern: str, rewrite: str, replace_global: bool = True) -> Any:
    r"""Matches of a pattern replaced; \1 stands for the first group."""
    expression = re.compile(_bytes(pattern))
    new = _bytes(rewrite)
    return _each(lambda b: expression.sub(new, b, 0 if replace_global else 1), _strings(input))


@op
def regex_full_match(input: Any, pattern: str) -> Any:
    """Whether the whole string matches."""
    expression = re.compile(_bytes(pattern))
    return _each(lambda b: expression.fullmatch(b) is not None, _strings(input), np.bool_)


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8")
    return value if isinstance(value, bytes) else convert(value)._array()[()]


@op
def substr(input: Any, pos: Any, len: Any, unit: str = "BYTE") -> Any:
    """`len` bytes from place `pos` on."""
    start, count = int(pos), int(len)
    if unit == "UTF8_CHAR":
        return _each(_text(lambda s: s[start:][:count], "utf-8"), _strings(input))
    return _each(lambda b: b[start:][:count], _strings(input))


@op
def to_number(input: Any, out_type: Any = float32) -> Any:
    """The numbers that strings spell. Raises InvalidArgumentError for others."""
    kind = as_dtype(out_type)

    def number(text: bytes) -> Any:
        try:
            return int(text) if kind.is_integer else float(text)
        except ValueError:
            raise error(
                errors.InvalidArgumentError,
                f"StringToNumberOp could not correctly convert string: {text.decode()}",
            ) from None

    return _each(number, _strings(input), kind.core.numpy)


@op
def as_string(
    input: Any,
    precision: int = -1,
    scientific: bool = False,
    shortest: bool = False,
    width: int = -1,
    fill: str = "",
) -> Any:
    """Numbers as strings."""
    array = convert(input)._array()
    flags = fill + (str(width) if width > 0 else "")

    def text(item: Any) -> bytes:
        if array.dtype == np.bool_:
            return b"true" if item else b"false"
        if array.dtype.kind in "iu":
            return f"%{flags}d".__mod__(int(item)).encode()
        digits = f".{precision}" if precision >= 0 else ""
        kind = "g" if shortest else "e" if scientific else "f"
        return f"%{flags}{digits}{kind}".__mod__(float(item)).encode()

    made = np.empty(array.shape, object)
    for place, item in np.ndenumerate(array):
        made[place] = text(item)
    return of_array(made)


@op
def to_hash_bucket_fast(input: Any, num_buckets: int) -> Any:
    """A number below num_buckets for each string, always the same; not TensorFlow's number."""
    import hashlib

    def bucket(text: bytes) -> int:
        return int.from_bytes(hashlib.sha256(text).digest()[:8], "little") % num_buckets

    return _each(bucket, _strings(input), np.int64)


to_hash_bucket = to_hash_bucket_strong = to_hash_bucket_fast


@op
def format(template: str, inputs: Any, placeholder: str = "{}", summarize: int = 3) -> Any:
    """A template with tensors' texts put in."""
    given = inputs if isinstance(inputs, (list, tuple)) else [inputs]
    parts = template.split(placeholder)
    if len(parts) != len(given) + 1:
        raise error(
            ValueError,
            f"{len(parts) - 1} placeholder(s) in template does not match "
            f"{len(given)} tensor(s) provided as input.",
        )
    text = parts[0]
    for value, part in zip(given, parts[1:]):
        text += shown(value, summarize) + part
    made = np.empty((), object)
    made[()] = text.encode()
    return of_array(made)


def shown(value: Any, summarize: int = 3) -> str:
    """A tensor's elements as `tf.print` shows them."""
    array = convert(value)._array()
    if array.ndim == 0:
        return _element(array[()])
    if summarize is None or summarize < 0:
        summarize = array.size
    return _rows(array, summarize, 1)


def _element(item: Any) -> str:
    if isinstance(item, bytes):
        return item.decode("utf-8", "replace")
    if isinstance(item, (bool, np.bool_)):
        return "1" if item else "0"
    if isinstance(item, np.floating):
        return f"{float(item):.9g}" if item.dtype.itemsize < 8 else f"{float(item):.17g}"
    return str(item)


def _rows(array: np.ndarray, edge: int, depth: int) -> str:
    places = range(array.shape[0])
    cut = len(places) > 2 * edge
    kept = [*places[:edge], None, *places[-edge:]] if cut else list(places)
    if array.ndim == 1:
        return "[" + " ".join("..." if k is None else _quoted(array[k]) for k in kept) + "]"
    between = "\n" + " " * depth
    return (
        "["
        + between.join("..." if k is None else _rows(array[k], edge, depth + 1) for k in kept)
        + "]"
    )


def _quoted(item: Any) -> str:
    return f'"{_element(item)}"' if isinstance(item, bytes) else _shortest(item)


def _shortest(item: Any) -> str:
    """The fewest digits that read back as the same float."""
    if isinstance(item, np.floating):
        if 1e-5 < abs(item) < 1e9 or item == 0:
            return np.format_float_positional(item, trim="-")
        return str(item)
    return _element(item)


def _parts(input: Any, part: Any, kind: Any = object) -> Any:
    """The parts that a function gives of a string; of several strings, ragged rows of them."""
    array = _strings(input)
    rows = [list(part(text)) for text in array.reshape(-1)]
    flat = np.empty(sum(map(len, rows)), kind)
    flat[:] = [item for row in rows for item in row]
    if not array.ndim:
        return of_array(flat)
    from plait.tf.ragged import RaggedTensor  # ragged tensors load when they are used

    if array.ndim > 1:
        raise not_built("parts of strings of more than one axis")
    return RaggedTensor.from_row_lengths(of_array(flat), [len(row) for row in rows])


@op
def split(input: Any, sep: Any = None, maxsplit: int = -1) -> Any:
    """The parts of strings between separators (white space by default); of several strings, a
    ragged tensor."""
    between = _bytes(sep) if sep else None
    return _parts(input, lambda text: text.split(between, maxsplit))


@op
def bytes_split(input: Any) -> Any:
    """The bytes of strings; of several strings, a ragged tensor."""
    return _parts(input, lambda text: [text[k : k + 1] for k in range(len(text))])


@op
def unicode_split(
    input: Any, input_encoding: str, errors: str = "replace", replacement_char: int = 65533
) -> Any:
    """The characters of strings; of several strings, a ragged tensor."""
    return _parts(
        input, lambda text: [c.encode("utf-8") for c in text.decode(input_encoding, errors)]
    )


@op
def unicode_decode(
    input: Any, input_encoding: str, errors: str = "replace", replacement_char: int = 65533
) -> Any:
    """The code points of strings, int32; of several strings, a ragged tensor."""
    return _parts(input, lambda text: map(ord, text.decode(input_encoding, errors)), np.int32)


def ngrams(
    data: Any,
    ngram_width: Any,
    separator: str = " ",
    pad_values: Any = None,
    padding_width: int | None = None,
    preserve_short_sequences: bool = False,
    name: Any = None,
) -> Any:
    """Each run of `ngram_width` strings (of each width, if several) of a row as one string.

    data (N,) or ragged (rows, None); a ragged tensor for ragged rows. pad_values: what rows are
    filled up with, on the left and on the right; preserve_short_sequences: a row too short for any
    is one itself.
    """
    from plait.tf.ragged import RaggedTensor  # ragged tensors load when they are used

    widths = [ngram_width] if isinstance(ngram_width, int) else list(ngram_width)
    pads = (pad_values, pad_values) if isinstance(pad_values, (str, bytes)) else pad_values
    between = separator.encode()

    def of_row(row: Any) -> list[bytes]:
        found = []
        for width in widths:
            padded = row
            if pads is not None:
                count = width - 1 if padding_width is None else min(padding_width, width - 1)
                padded = [_bytes(pads[0])] * count + row + [_bytes(pads[1])] * count
            found += [padded[i : i + width] for i in range(len(padded) - width + 1)]
        if not found and preserve_short_sequences and row:
            found = [row]
        return [between.join(run) for run in found]

    if not isinstance(data, RaggedTensor):
        held = _strings(data)
        if held.ndim != 1:
            raise not_built("tf.strings.ngrams of a dense tensor of more than one axis")
        return of_array(np.array(of_row(held.tolist()), object))
    if data.ragged_rank > 1:
        raise not_built("tf.strings.ngrams of rows of rows")
    rows = [of_row(row.numpy().tolist()) for row in data]
    flat = np.empty(sum(map(len, rows)), object)
    flat[:] = [run for row in rows for run in row]
    return RaggedTensor.from_row_lengths(of_array(flat), list(map(len, rows)))


__all__ = [
    "as_string", "bytes_split", "format", "join", "length", "lower", "ngrams", "reduce_join",
    "regex_full_match", "regex_replace", "split", "strip", "substr", "to_hash_bucket",
    "to_hash_bucket_fast", "to_hash_bucket_strong", "to_number", "unicode_decode",
    "unicode_split", "upper",
]  # fmt: skip
