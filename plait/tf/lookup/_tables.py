"""Tables that are made whole, and what all tables have in common."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._convert import convert
from plait.tf._dispatch import op
from plait.tf._dtypes import as_dtype, int64, string
from plait.tf._tensor import of_array


class KeyValueTensorInitializer:
    """Keys and the values that stand at the same places.

    A subclass that does not call `__init__` and says its dtypes itself makes tables without keys,
    as Keras' layers do before their vocabulary is known.
    """

    keys: Any = None
    values: Any = None

    def __init__(
        self,
        keys: Any,
        values: Any,
        key_dtype: Any = None,
        value_dtype: Any = None,
        name: Any = None,
    ) -> None:
        self.keys, self.values = convert(keys, key_dtype), convert(values, value_dtype)
        self.key_dtype, self.value_dtype = self.keys.dtype, self.values.dtype


class TextFileIndex:
    """What of a line is a key or value."""

    WHOLE_LINE, LINE_NUMBER = -2, -1


def TextFileInitializer(
    filename: Any,
    key_dtype: Any,
    key_index: int,
    value_dtype: Any,
    value_index: int,
    vocab_size: Any = None,
    delimiter: str = "\t",
    name: Any = None,
    value_index_offset: int = 0,
) -> KeyValueTensorInitializer:
    """Keys and values from the lines of a file: whole lines, their numbers, or columns."""
    with open(filename, encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file]
    if vocab_size is not None:
        lines = lines[:vocab_size]

    def column(index: int, dtype: Any) -> Any:
        if index == TextFileIndex.LINE_NUMBER:
            return convert(np.arange(len(lines)) + value_index_offset, as_dtype(dtype))
        texts = (
            lines
            if index == TextFileIndex.WHOLE_LINE
            else [line.split(delimiter)[index] for line in lines]
        )
        kind = as_dtype(dtype)
        return convert(texts if kind is string else [kind.as_numpy_dtype(t) for t in texts], kind)

    return KeyValueTensorInitializer(column(key_index, key_dtype), column(value_index, value_dtype))


class Table:
    """Values of keys; a default for keys that are not there."""

    key_dtype: Any
    value_dtype: Any
    #: The shape of one value.
    value_shape: tuple[int, ...] = ()
    _table: dict[Any, Any]
    _default: Any

    def lookup(self, keys: Any, name: Any = None) -> Any:
        """The values of keys. Raises TypeError for keys of another dtype."""
        return looked_up(keys, self)

    def __getitem__(self, keys: Any) -> Any:
        return self.lookup(keys)

    def size(self, name: Any = None) -> Any:
        """The number of keys, int64."""
        return of_array(np.array(len(self._table), np.int64))

    def found(self, key: Any) -> Any:
        """The value of one key."""
        return self._table.get(key, self._default)


class StaticHashTable(Table):
    """A table of the keys and values of an initializer.

    Raises FailedPreconditionError for a key with two values.
    """

    def __init__(
        self,
        initializer: KeyValueTensorInitializer,
        default_value: Any,
        name: Any = None,
        experimental_is_anonymous: bool = False,
    ) -> None:
        self.key_dtype, self.value_dtype = initializer.key_dtype, initializer.value_dtype
        self._default = convert(default_value, self.value_dtype)._array()[()]
        self._table: dict[Any, Any] = {}
        if initializer.keys is None:
            return
        keys, values = initializer.keys._array(), initializer.values._array()
        for key, value in zip(keys.reshape(-1).tolist(), values.reshape(-1)):
            if self._table.setdefault(key, value) != value:
                raise error(
                    errors.FailedPreconditionError,
                    f"HashTable has different value for same key. Key {key!r} has "
                    f"{self._table[key]!r} and trying to add value {value!r}",
                )

    def export(self, name: Any = None) -> Any:
        """(all keys, their values)."""
        return exported(self)


class StaticVocabularyTable(Table):
    """As `StaticHashTable` with int64 values; other keys get one of `num_oov_buckets` numbers more,
    always the same."""

    def __init__(
        self,
        initializer: Any,
        num_oov_buckets: int,
        lookup_key_dtype: Any = None,
        name: Any = None,
        experimental_is_anonymous: bool = False,
    ) -> None:
        if num_oov_buckets <= 0:
            raise error(ValueError, f"num_oov_buckets must be >= 1, got {num_oov_buckets}")
        self._known = StaticHashTable(initializer, -1) if initializer is not None else None
        self._buckets = num_oov_buckets
        self.key_dtype = string if self._known is None else self._known.key_dtype
        self.value_dtype = int64
        self._size = 0 if self._known is None else len(self._known._table)

    def size(self, name: Any = None) -> Any:
        """The number of keys and buckets, int64."""
        return of_array(np.array(self._size + self._buckets, np.int64))

    def found(self, key: Any) -> Any:
        """The number of one key."""
        value = -1 if self._known is None else self._known.found(key)
        if value >= 0:
            return value
        text = key if isinstance(key, bytes) else str(key).encode()
        number = int.from_bytes(hashlib.sha256(text).digest()[:8], "little")
        return self._size + number % self._buckets


def plain_keys(keys: Any, table: Table) -> list[Any]:
    """Keys as a table holds them, in a row. Raises ValueError for tensors of another dtype."""
    return convert(keys, table.key_dtype)._array().reshape(-1).tolist()


def exported(table: Table) -> tuple[Any, Any]:
    """(the keys of a table, their values)."""
    keys = _array_of((len(table._table),), table.key_dtype)
    keys[:] = list(table._table)
    values = _array_of((len(table._table), *table.value_shape), table.value_dtype)
    for place, value in enumerate(table._table.values()):
        values[place] = value
    return of_array(keys), of_array(values)


def _array_of(shape: tuple[int, ...], kind: Any) -> np.ndarray:
    return np.empty(shape, object if kind is string else kind.core.numpy)


@op
def looked_up(keys: Any, table: Any) -> Any:
    """The values of keys in a table."""
    held = convert(keys)
    if held.dtype != table.key_dtype:
        raise error(
            TypeError,
            f"Dtype of argument `keys` must be {table.key_dtype!r}, received: {held.dtype!r}",
        )
    array = held._array()
    made = _array_of((*array.shape, *table.value_shape), table.value_dtype)
    for place, key in np.ndenumerate(array):
        made[place] = table.found(key if isinstance(key, bytes) else key.item())
    return of_array(made)


looked_up.__dict__["host"] = True
