"""Data sets of files: lines of text, records, comma-separated values."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._convert import convert
from plait.tf._dtypes import DType, as_dtype, string
from plait.tf._records import TFRecordWriter, records
from plait.tf._shape import TensorSpec
from plait.tf._tensor import Tensor
from plait.tf.data import _elements as el
from plait.tf.data._dataset import Dataset


def names_of(filenames: Any) -> list[str]:
    """File names from strings, tensors or a data set of them."""
    if isinstance(filenames, Dataset):
        return [e.item().decode() for e in filenames.elements()]
    if isinstance(filenames, Tensor):
        return [item.decode() for item in np.atleast_1d(filenames._array()).tolist()]
    held = (
        [filenames]
        if isinstance(filenames, (str, bytes)) or hasattr(filenames, "__fspath__")
        else filenames
    )
    if isinstance(held, (list, tuple)):
        held = [str(h) if hasattr(h, "__fspath__") else h for h in held]
    return [item.decode() for item in np.atleast_1d(convert(held, string)._array()).tolist()]


def opened(name: str, compression: Any) -> Any:
    """A file for reading. Raises NotFoundError where there is none."""
    kind = "" if compression is None else str(compression).upper()
    try:
        if kind == "GZIP":
            return gzip.open(name, "rb")
        file = open(name, "rb")  # noqa: SIM115  # the caller closes it
    except FileNotFoundError:
        raise error(errors.NotFoundError, f"{name}; No such file or directory") from None
    if kind == "ZLIB":
        import io

        with file:
            return io.BytesIO(zlib.decompress(file.read()))
    return file


def scalar(item: bytes) -> np.ndarray:
    """A string as an array without axes."""
    made = np.empty((), object)
    made[()] = item
    return made


class TextLineDataset(Dataset):
    """The lines of text files, without their ends."""

    def __init__(
        self,
        filenames: Any,
        compression_type: Any = None,
        buffer_size: Any = None,
        num_parallel_reads: Any = None,
        name: Any = None,
    ) -> None:
        fed = el.symbols_in(filenames)
        names = [] if fed else names_of(filenames)

        def make() -> Iterator[Any]:
            for path in names_of(filenames) if fed else names:
                with opened(path, compression_type) as file:
                    for line in file:
                        yield scalar(line.rstrip(b"\n").removesuffix(b"\r"))

        super().__init__(make, TensorSpec((), string))
        self.symbols = fed


class TFRecordDataset(Dataset):
    """The records of TFRecord files. Raises DataLossError for damaged ones."""

    def __init__(
        self,
        filenames: Any,
        compression_type: Any = None,
        buffer_size: Any = None,
        num_parallel_reads: Any = None,
        name: Any = None,
    ) -> None:
        fed = el.symbols_in(filenames)
        names = [] if fed else names_of(filenames)

        def make() -> Iterator[Any]:
            for path in names_of(filenames) if fed else names:
                with opened(path, compression_type) as file:
                    for record in records(file):
                        yield scalar(record)

        super().__init__(make, TensorSpec((), string))
        self.symbols = fed


class FixedLengthRecordDataset(Dataset):
    """The records, of one length, of binary files."""

    def __init__(
        self,
        filenames: Any,
        record_bytes: Any,
        header_bytes: Any = None,
        footer_bytes: Any = None,
        buffer_size: Any = None,
        compression_type: Any = None,
        num_parallel_reads: Any = None,
        name: Any = None,
    ) -> None:
        fed = el.symbols_in(filenames)
        names = [] if fed else names_of(filenames)
        size, head, foot = int(record_bytes), int(header_bytes or 0), int(footer_bytes or 0)

        def make() -> Iterator[Any]:
            for path in names_of(filenames) if fed else names:
                with opened(path, compression_type) as file:
                    body = file.read()
                body = body[head : len(body) - foot]
                for start in range(0, len(body) - size + 1, size):
                    yield scalar(body[start : start + size])

        super().__init__(make, TensorSpec((), string))
        self.symbols = fed


class CsvDataset(Dataset):
    """Rows of CSV files: one scalar per column, of the dtypes (or with the defaults) given."""

    def __init__(
        self,
        filenames: Any,
        record_defaults: Any,
        compression_type: Any = None,
        buffer_size: Any = None,
        header: bool = False,
        field_delim: str = ",",
        use_quote_delim: bool = True,
        na_value: str = "",
        select_cols: Any = None,
        exclude_cols: Any = None,
    ) -> None:
        fed = el.symbols_in(filenames)
        names = [] if fed else names_of(filenames)
        columns = [_column(d) for d in record_defaults]
        quoting = csv.QUOTE_MINIMAL if use_quote_delim else csv.QUOTE_NONE

        def make() -> Iterator[Any]:
            for path in names_of(filenames) if fed else names:
                with opened(path, compression_type) as file:
                    lines = (line.decode("utf-8") for line in file)
                    if header:
                        next(lines, None)
                    for fields in csv.reader(lines, delimiter=field_delim, quoting=quoting):
                        kept = fields if select_cols is None else [fields[k] for k in select_cols]
                        if exclude_cols is not None:
                            kept = [f for k, f in enumerate(fields) if k not in exclude_cols]
                        if len(kept) != len(columns):
                            raise error(
                                errors.InvalidArgumentError,
                                f"Expect {len(columns)} fields but have {len(kept)} in record",
                            )
                        yield tuple([field(text, *c, na_value) for text, c in zip(kept, columns)])

        super().__init__(make, tuple([TensorSpec((), kind) for kind, _ in columns]))
        self.symbols = fed


def _column(default: Any) -> tuple[DType, Any]:
    """(dtype, default value or None where a value is required)."""
    if isinstance(default, (DType, type)):
        return as_dtype(default), None
    made = convert(default)
    array = np.atleast_1d(made._array())
    return made.dtype, array[0] if array.size else None


def field(text: str, kind: DType, default: Any, missing: str = "") -> np.ndarray:
    """A field as a scalar of a dtype. Raises InvalidArgumentError where it is none."""
    if text == missing or text == "":
        if default is None:
            raise error(errors.InvalidArgumentError, "Field is required but missing in record!")
        return scalar(default) if kind is string else np.array(default, kind.core.numpy)
    if kind is string:
        return scalar(text.encode("utf-8"))
    try:
        return np.array(int(text) if kind.is_integer else float(text), kind.core.numpy)
    except ValueError:
        raise error(
            errors.InvalidArgumentError, f"Field in record is not a valid {kind.name}: {text}"
        ) from None


__all__ = [
    "CsvDataset", "FixedLengthRecordDataset", "TFRecordDataset", "TFRecordWriter",
    "TextLineDataset",
]  # fmt: skip
