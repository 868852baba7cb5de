"""`tf.data.experimental.make_csv_dataset`: batches of the columns of CSV files, by name."""

from __future__ import annotations

import csv
import glob
from typing import Any

from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf.data._dataset import Dataset
from plait.tf.data._files import CsvDataset, opened

#: Dtypes that columns are taken for, the first that all values looked at fit.
_KINDS = ("int32", "int64", "float32", "string")


def make_csv_dataset(
    file_pattern: Any,
    batch_size: Any,
    column_names: Any = None,
    column_defaults: Any = None,
    label_name: str | None = None,
    select_columns: Any = None,
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    header: bool = True,
    num_epochs: int | None = None,
    shuffle: bool = True,
    shuffle_buffer_size: int = 10000,
    shuffle_seed: Any = None,
    prefetch_buffer_size: Any = None,
    num_parallel_reads: Any = None,
    sloppy: bool = False,
    num_rows_for_inference: int | None = 100,
    compression_type: Any = None,
    ignore_errors: bool = False,
) -> Dataset:
    """Batches of the rows of CSV files: a dict of columns, or (dict, label) with `label_name`.

    Without end for `num_epochs=None`. Dtypes are those of `column_defaults`, or are told from the
    first `num_rows_for_inference` rows. Raises ValueError for columns that are not there, and
    InvalidArgumentError for files that are not.
    """
    patterns = [file_pattern] if isinstance(file_pattern, str) else list(file_pattern)
    files = sorted(f for p in patterns for f in glob.glob(str(p)))
    if not files:
        raise error(errors.InvalidArgumentError, f"No files matched pattern: {file_pattern}")
    quoting = csv.QUOTE_MINIMAL if use_quote_delim else csv.QUOTE_NONE

    def rows() -> Any:
        with opened(files[0], compression_type) as file:
            lines = (line.decode("utf-8") for line in file)
            yield from csv.reader(lines, delimiter=field_delim, quoting=quoting)

    if column_names is None:
        if not header:
            raise error(ValueError, "Cannot infer column names without a header line.")
        column_names = next(rows())
    names = list(column_names)
    chosen = _chosen(names, select_columns)
    if label_name is not None and label_name not in [names[k] for k in chosen]:
        raise error(ValueError, "`label_name` provided must be one of the columns.")
    if column_defaults is None:
        column_defaults = _told(rows(), chosen, bool(header), na_value, num_rows_for_inference)
    elif len(column_defaults) == len(names) != len(chosen):
        column_defaults = [column_defaults[k] for k in chosen]
    made: Dataset = CsvDataset(
        files, column_defaults, compression_type, header=header, field_delim=field_delim,
        use_quote_delim=use_quote_delim, na_value=na_value, select_cols=chosen,
    )  # fmt: skip
    if ignore_errors:
        made = made.ignore_errors()
    if shuffle:
        made = made.shuffle(shuffle_buffer_size, shuffle_seed)
    kept = [names[k] for k in chosen]

    def by_name(*columns: Any) -> Any:
        features = dict(zip(kept, columns))
        if label_name is None:
            return features
        label = features.pop(label_name)
        return features, label

    return made.repeat(num_epochs).batch(batch_size, num_epochs is None).map(by_name)


def _chosen(names: list[str], select: Any) -> list[int]:
    """The numbers of the columns that are read."""
    if select is None:
        return list(range(len(names)))
    unknown = [c for c in select if isinstance(c, str) and c not in names]
    if unknown:
        raise error(ValueError, f"select_columns names columns that are not there: {unknown}")
    return sorted(names.index(c) if isinstance(c, str) else int(c) for c in select)


def _told(rows: Any, chosen: list[int], header: bool, missing: str, most: int | None) -> list[Any]:
    """A default value for each column, whose dtype fits the values that were looked at."""
    levels = [0] * len(chosen)
    for number, row in enumerate(rows):
        if header and number == 0:
            continue
        if most is not None and number >= most + header:
            break
        for place, column in enumerate(chosen):
            text = row[column]
            while text not in ("", missing) and not _fits(text, _KINDS[levels[place]]):
                levels[place] += 1
    return [[""] if _KINDS[k] == "string" else _zero(_KINDS[k]) for k in levels]


def _fits(text: str, kind: str) -> bool:
    if kind == "string":
        return True
    try:
        if kind == "float32":
            float(text)
            return True
        return abs(int(text)) < 2 ** (31 if kind == "int32" else 63)
    except ValueError:
        return False


def _zero(kind: str) -> Any:
    from plait.tf._ops.creation import zeros

    return zeros([1], kind)
