"""Elements of data sets: structures of NumPy arrays inside, of tensors where users see them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.tf import nest
from plait.tf._convert import convert
from plait.tf._dispatch import symbols
from plait.tf._ops.creation import convert_to_tensor
from plait.tf._shape import TensorShape, TensorSpec
from plait.tf._tensor import Tensor, of_array


def to_arrays(value: Any) -> Any:
    """The structure with arrays for leaves. Lists are made tensors of, as TensorFlow does."""
    if isinstance(value, dict):
        return type(value)((key, to_arrays(v)) for key, v in value.items())
    if isinstance(value, tuple):
        parts = [to_arrays(v) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, Tensor):
        return value._array()
    if is_dataset(value) or is_ragged(value):
        return value
    if value is None:
        raise error(TypeError, "a function of a data set gave None; it must give tensors")
    return convert_to_tensor(value)._array()


def results(value: Any) -> Any:
    """What the function of `map` gives, as arrays; a list is a tuple there."""
    return to_arrays(tuple(value) if type(value) is list else value)


def to_tensors(value: Any) -> Any:
    """The structure with tensors for leaves."""
    return nest.map_structure(lambda x: of_array(x) if isinstance(x, np.ndarray) else x, value)


def to_numpy(value: Any) -> Any:
    """The structure with NumPy arrays and scalars for leaves, as users see them."""
    return nest.map_structure(
        lambda x: x if not isinstance(x, np.ndarray) else x[()] if x.ndim == 0 else x.copy(), value
    )


def symbols_in(value: Any) -> tuple[Any, ...]:
    """The tensors of a graph in a structure."""
    if symbols["find"] is None:
        return ()
    from plait.tf._graph import Symbol, leaves

    return tuple([x for x in leaves(value) if isinstance(x, Symbol)])


def static_spec(value: Any) -> Any:
    """The specs of a structure of tensors, those of a graph among them."""

    def spec(x: Any) -> TensorSpec:
        made = x if hasattr(x, "shape") and hasattr(x, "dtype") else convert(x)
        return TensorSpec(made.shape, "string" if made.dtype == object else made.dtype)

    return nest.map_structure(spec, value)


def is_ragged(value: Any) -> bool:
    """Whether this is a ragged tensor, which is an element as it is."""
    module = sys.modules.get("plait.tf._ragged")
    return module is not None and isinstance(value, module.RaggedTensor)


def is_dataset(value: Any) -> bool:
    from plait.tf.data._dataset import Dataset

    return isinstance(value, Dataset)


class Mapped:
    """A function of elements. A pipeline of many is captured once, as TensorFlow does from the
    first: what it does besides tensor operations is not done again."""

    #: Elements before a program pays.
    _enough = 500

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._calls = 0
        self._program: Any = None
        #: Functions of blocks by the kind of elements; None where there can be none.
        self._blocks: dict[Any, Any] = {}

    def __call__(self, element: Any) -> Any:
        self._calls += 1
        if self._calls < self._enough:
            return call(self._function, element)
        if self._program is None:
            from plait.tf._function import Function

            self._program = Function(self._function)
        leaves = nest.flatten(element)
        if all(isinstance(x, np.ndarray) and x.dtype != object for x in leaves):
            return call(self._program, element)
        return call(self._function, element)

    @property
    def is_long(self) -> bool:
        """Whether there were so many elements that programs pay."""
        return self._calls >= self._enough

    def block(self, elements: list[Any]) -> list[Any] | None:
        """The results for many elements at once; None where they are to be computed one by one."""
        kinds = {_kind_of(element) for element in elements}
        if len(kinds) != 1:
            return None
        kind = kinds.pop()
        if kind not in self._blocks:
            from plait.tf.data._blocks import block_of  # it builds on this module

            self._blocks[kind] = block_of(self._function) if kind is not None else None
        function = self._blocks[kind]
        if function is None:
            return None
        try:
            return function(elements)
        except Exception:  # of the user's function, too: element by element it raises at its place
            self._blocks[kind] = None
            return None


def _kind_of(element: Any) -> Any:
    """Structure, shapes and dtypes of an element; None where it holds other things than arrays."""
    leaves = nest.flatten(element)
    if not all(isinstance(x, np.ndarray) and x.dtype != object for x in leaves):
        return None
    return repr(nest.map_structure(lambda x: None, element)), *[(x.shape, x.dtype) for x in leaves]


def call(function: Callable[..., Any], element: Any) -> Any:
    """The function of an element: tuples are handed over as several arguments."""
    tensors = to_tensors(element)
    if type(tensors) is tuple:
        return function(*tensors)
    return function(tensors)


def slices_of(tensors: Any) -> tuple[Any, int]:
    """(the structure as arrays, their common first extent). Raises ValueError where it differs."""
    arrays = nest.map_structure(lambda x: np.asarray(convert(x)._array()), columns(tensors))
    leaves = nest.flatten(arrays)
    if not leaves:
        raise error(ValueError, "Invalid `element`. `element` should not be empty.")
    for leaf in leaves:
        if leaf.ndim == 0:
            raise error(ValueError, "Unbatching a tensor is only supported for rank >= 1")
    sizes = {leaf.shape[0] for leaf in leaves}
    if len(sizes) > 1:
        raise error(
            ValueError,
            "Dimensions "
            + " and ".join(map(str, sorted(sizes)))
            + " are not compatible: all components of a data set have one first extent",
        )
    return arrays, sizes.pop()


def columns(value: Any) -> Any:
    """Lists are tensors, not structures, in what data sets are made of."""
    if isinstance(value, dict):
        return {key: columns(v) for key, v in value.items()}
    if isinstance(value, tuple):
        parts = [columns(v) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, list):
        return convert_to_tensor(value)
    if hasattr(value, "to_numpy") and hasattr(value, "columns"):
        return {key: np.asarray(value[key]) for key in value.columns}  # a table of pandas
    return value


def row(arrays: Any, place: int) -> Any:
    """Element number `place` of a structure of arrays."""
    return nest.map_structure(lambda a: _at(a, place), arrays)


def _at(array: np.ndarray, place: int) -> np.ndarray:
    if array.ndim > 1:
        return array[place]
    if array.dtype == object:
        made = np.empty((), object)
        made[()] = array[place]
        return made
    return array[place, ...]


def stacked(elements: list[Any]) -> Any:
    """Elements of one structure and shape as one. Raises InvalidArgumentError for others."""
    first = elements[0]
    if isinstance(first, np.ndarray):
        return _stack(elements)
    if type(first) is tuple and all(isinstance(part, np.ndarray) for part in first):
        return tuple([_stack(column) for column in zip(*elements)])
    columns = zip(*[nest.flatten(e) for e in elements])
    return nest.pack_sequence_as(first, [_stack(column) for column in columns])


def _stack(parts: Any) -> Any:
    shape = parts[0].shape
    for part in parts:
        if part.shape != shape:
            from plait.tf import errors

            raise error(
                errors.InvalidArgumentError,
                "Cannot batch tensors with different shapes in component 0. First element had "
                f"shape {list(shape)} and element had shape {list(part.shape)}.",
            )
    if shape:
        return np.concatenate(parts).reshape((len(parts), *shape))
    return np.array(parts) if parts[0].dtype != object else _strings(parts)


def _strings(parts: Any) -> np.ndarray:
    made = np.empty(len(parts), object)
    for place, part in enumerate(parts):
        made[place] = part[()]
    return made


def padded(elements: list[Any], shapes: Any, values: Any) -> Any:
    """Elements as one, each padded at its end to a common shape."""
    flat = [nest.flatten(e) for e in elements]
    count = len(flat[0])
    wanted = _spread(shapes, elements[0], count)
    fills = _spread(values, elements[0], count)
    columns = []
    for place, column in enumerate(zip(*flat)):
        columns.append(_padded_column(column, wanted[place], fills[place]))
    return nest.pack_sequence_as(elements[0], columns)


def _spread(given: Any, structure: Any, count: int) -> list[Any]:
    """One entry per leaf of a structure."""
    if given is None or isinstance(
        given, (int, float, str, bytes, TensorShape, np.ndarray, Tensor)
    ):
        return [given] * count
    if isinstance(structure, dict):
        return [given[key] for key in sorted(structure)]
    if isinstance(structure, tuple):
        return list(given)
    return [given] * count


def _padded_column(parts: tuple[np.ndarray, ...], shape: Any, fill: Any) -> np.ndarray:
    from plait.tf import errors

    greatest = [max(p.shape[a] for p in parts) for a in range(parts[0].ndim)]
    if shape is not None:
        for axis, extent in enumerate(TensorShape([None if e == -1 else e for e in shape])):
            if extent is not None:
                if extent < greatest[axis]:
                    raise error(
                        errors.DataLossError,
                        f"Attempted to pad to a smaller size than the input element: {extent} < "
                        f"{greatest[axis]}",
                    )
                greatest[axis] = extent
    kind = parts[0].dtype
    if fill is None:
        fill = b"" if kind.kind == "O" else 0
    elif isinstance(fill, Tensor):
        fill = fill.numpy()
    if isinstance(fill, str):
        fill = fill.encode()
    made = np.full((len(parts), *greatest), fill, kind)
    for place, part in enumerate(parts):
        held = part if part.ndim else part[()]  # of a string itself, not an array of it
        made[(place, *(slice(e) for e in part.shape))] = held
    return made


def spec_of(element: Any) -> Any:
    """The structure with `TensorSpec`s for leaves."""
    from plait.tf.data._base import DatasetSpec

    def spec(x: Any) -> Any:
        if is_dataset(x):
            return DatasetSpec(x.element_spec)
        if is_ragged(x):
            return x.spec()
        return TensorSpec(x.shape, x.dtype if x.dtype != object else "string")

    return nest.map_structure(spec, element)
