"""From a list of items to one batch, and from NumPy to tensors where nothing is batched.

Rules are PyTorch's: tensors are stacked, arrays and numbers become tensors, strings stay a list,
mappings and sequences are collated entry by entry (tuples become lists, namedtuples stay).
"""

import copy
import re
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from plait.core.ir.errors import error

from . import tensors

default_collate_err_msg_format = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)

#: The array dtypes of strings and objects, which are not collated.
np_str_obj_array_pattern = re.compile(r"[SaUO]")

CollateMap = dict[Any, Callable]


def _is_namedtuple(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def _like_mapping(original: Mapping, values: dict) -> Any:
    """`values` in a mapping of the original's type, with its further attributes where it can be."""
    try:
        if isinstance(original, MutableMapping):
            clone: Any = copy.copy(original)
            clone.update(values)
            return clone
        return type(original)(values)  # type: ignore[call-arg]  # tried; plain dict if it cannot
    except TypeError:
        return values


def _like_sequence(original: Sequence, values: list) -> Any:
    """The same for a sequence (not a tuple)."""
    try:
        if isinstance(original, MutableSequence):
            clone: Any = copy.copy(original)
            for position, value in enumerate(values):
                clone[position] = value
            return clone
        return type(original)(values)  # type: ignore[call-arg]  # tried; plain list if it cannot
    except TypeError:
        return values


def default_convert(data: Any) -> Any:
    """`data` with every NumPy array or number in it as a tensor; its containers as they are.

    Arrays of strings or objects stay. Tuples become lists, namedtuples stay.
    """
    import plait  # not at the top: the face imports this module

    if isinstance(data, np.ndarray | np.generic):
        text = isinstance(data, np.str_ | np.bytes_)
        return data if text or data.dtype.kind in "SUO" else plait.as_tensor(data)
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(data[key]) for key in data})
    if _is_namedtuple(data):
        return type(data)(*map(default_convert, data))
    if isinstance(data, tuple):
        return list(map(default_convert, data))
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _like_sequence(data, list(map(default_convert, data)))
    return data


def collate(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Collate by a table from types to functions `f(batch, collate_fn_map=...)`; see the module.

    An element's exact type is looked up first, then the types it is an instance of, in order.
    Raises TypeError for types the table lacks, RuntimeError for sequences of different lengths.
    """
    elem = batch[0]
    table = collate_fn_map or {}
    function = table.get(type(elem))
    if function is None:
        function = next((f for cls, f in table.items() if isinstance(elem, cls)), None)
    if function is not None:
        return function(batch, collate_fn_map=collate_fn_map)

    def inner(entries: Any) -> Any:
        return collate(entries, collate_fn_map=collate_fn_map)

    if isinstance(elem, Mapping):
        return _like_mapping(elem, {key: inner([item[key] for item in batch]) for key in elem})
    if _is_namedtuple(elem):
        return type(elem)(*(inner(column) for column in zip(*batch)))
    if isinstance(elem, Sequence):
        if any(len(item) != len(elem) for item in batch):
            raise error(RuntimeError, "each element in list of batch should be of equal size")
        columns = [inner(column) for column in zip(*batch)]
        return columns if isinstance(elem, tuple) else _like_sequence(elem, columns)
    raise error(TypeError, default_collate_err_msg_format.format(type(elem)))


def collate_tensor_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Stack tensors along a new first axis; RuntimeError if their sizes differ."""
    import plait  # not at the top: the face imports this module

    elem = batch[0]
    if elem.layout != plait.strided:
        raise error(
            RuntimeError,
            "Batches of sparse tensors are not currently supported by the default collate_fn; "
            "please provide a custom collate_fn to handle them appropriately.",
        )
    # One NumPy stack instead of a graph with a node per item; everything else, and every error, is
    # left to plait.stack.
    if all(tensors.is_plain(item) for item in batch) and all(
        item.shape == elem.shape and item.dtype == elem.dtype for item in batch
    ):
        stacked = np.stack([tensors.read(item) for item in batch])
        return tensors.make(stacked, tensors.dtype_name(elem))
    return plait.stack(list(batch), 0)


def collate_numpy_array_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Stack arrays into a tensor; TypeError for strings and objects."""
    import plait  # not at the top: the face imports this module

    elem = batch[0]
    if elem.dtype.kind in "SUO":
        raise error(TypeError, default_collate_err_msg_format.format(elem.dtype))
    if all(item.shape == elem.shape and item.dtype == elem.dtype for item in batch):
        return plait.from_numpy(np.stack(batch))
    return collate([plait.as_tensor(item) for item in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """NumPy numbers as one tensor of their dtype."""
    import plait  # not at the top: the face imports this module

    return plait.as_tensor(np.asarray(batch))


def collate_float_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Python floats as a float64 tensor."""
    import plait  # not at the top: the face imports this module

    return plait.tensor(batch, dtype=plait.float64)


def collate_int_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Python ints (and bools) as a tensor."""
    import plait  # not at the top: the face imports this module

    return plait.tensor(batch)


def collate_str_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Strings and bytes as they came."""
    return batch


# The tensor's entry is added on first use: its type does not exist yet when the face imports this.
default_collate_fn_map: CollateMap = {
    np.ndarray: collate_numpy_array_fn,
    # Before bool_, number, object_: str_ is also a str, float64 also a float.
    np.str_: collate_str_fn,
    np.bytes_: collate_str_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


def default_collate(batch: Any) -> Any:
    """A list of items as one batch, by `default_collate_fn_map`; see the module.

    batch: list of n items; tensors of shape (...) give one of (n, ...). Raises TypeError for items
    of other types, RuntimeError for sizes that differ, IndexError for an empty list.
    """
    import plait  # not at the top: the face imports this module

    if plait.Tensor not in default_collate_fn_map:
        default_collate_fn_map[plait.Tensor] = collate_tensor_fn
    return collate(batch, collate_fn_map=default_collate_fn_map)
