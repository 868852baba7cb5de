"""`tf.lookup.experimental`: tables that a program adds keys to and takes keys from."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait._unbuilt import unbuilt
from plait.core.ir.errors import error
from plait.tf import errors
from plait.tf._convert import convert
from plait.tf._dtypes import as_dtype
from plait.tf._tensor import of_array
from plait.tf.lookup._tables import Table, exported, looked_up, plain_keys


class MutableHashTable(Table):
    """A table that begins empty; a value has the shape of the default.

    Raises ValueError for tensors of another dtype, InvalidArgumentError for values of another
    shape.
    """

    def __init__(
        self,
        key_dtype: Any,
        value_dtype: Any,
        default_value: Any,
        name: Any = "MutableHashTable",
        checkpoint: bool = True,
        experimental_is_anonymous: bool = False,
    ) -> None:
        self.key_dtype, self.value_dtype = as_dtype(key_dtype), as_dtype(value_dtype)
        self.name = name
        default = convert(default_value, self.value_dtype)._array()
        self.value_shape = default.shape
        self._default = default[()]
        self._table = {}

    def insert(self, keys: Any, values: Any, name: Any = None) -> None:
        """Give keys their values, new or other ones."""
        found = plain_keys(keys, self)
        held = convert(values, self.value_dtype)._array()
        expected = (*convert(keys, self.key_dtype).shape, *self.value_shape)
        if held.shape != expected:
            raise error(
                errors.InvalidArgumentError,
                f"Expected shape {list(expected)} for value, got {list(held.shape)}",
            )
        self._table.update(zip(found, held.reshape(-1, *self.value_shape)))

    def remove(self, keys: Any, name: Any = None) -> None:
        """Take keys out; those that are not there are passed over."""
        for key in plain_keys(keys, self):
            self._table.pop(key, None)

    def erase(self, keys: Any, name: Any = None) -> None:
        """As `remove`."""
        self.remove(keys)

    def lookup(self, keys: Any, dynamic_default_values: Any = None, name: Any = None) -> Any:
        """The values of keys; of those that are not there the default, or what is given for it."""
        found = looked_up(convert(keys, self.key_dtype), self)
        if dynamic_default_values is None:
            return found
        others = convert(dynamic_default_values, self.value_dtype)._array()
        known = np.array([key in self._table for key in plain_keys(keys, self)], bool)
        shape = convert(keys, self.key_dtype)._array().shape
        known = known.reshape((*shape, *[1] * len(self.value_shape)))
        return of_array(np.where(known, found._array(), others))

    def export(self, name: Any = None) -> Any:
        """(all keys, their values), in the order in which the keys came."""
        return exported(self)


class DenseHashTable(MutableHashTable):
    """As `MutableHashTable`; a program has to name two keys that it does not use.

    Raises InvalidArgumentError for one of these keys.
    """

    def __init__(
        self,
        key_dtype: Any,
        value_dtype: Any,
        default_value: Any,
        empty_key: Any,
        deleted_key: Any,
        initial_num_buckets: Any = None,
        name: Any = "MutableDenseHashTable",
        checkpoint: bool = True,
        experimental_is_anonymous: bool = False,
    ) -> None:
        super().__init__(key_dtype, value_dtype, default_value, name)
        self._marks = {
            mark: plain_keys(key, self)[0]
            for mark, key in (("empty_key", empty_key), ("deleted_key", deleted_key))
        }

    def insert(self, keys: Any, values: Any, name: Any = None) -> None:
        found = plain_keys(keys, self)
        for mark, key in self._marks.items():
            if key in found:
                raise error(
                    errors.InvalidArgumentError, f"Using the {mark} as a table key is not allowed"
                )
        super().insert(keys, values)


__getattr__ = unbuilt("tf.lookup.experimental", ("DatasetInitializer",))
