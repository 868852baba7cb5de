"""`tf.nest`: structures of lists, tuples and dicts (dicts in the order of their keys)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from plait.core.ir.errors import error

__all__ = ["assert_same_structure", "flatten", "is_nested", "map_structure", "pack_sequence_as"]


def is_nested(structure: Any) -> bool:
    """Whether this is a container and not a leaf."""
    return isinstance(structure, (list, tuple, Mapping))


def flatten(structure: Any, expand_composites: bool = False) -> list[Any]:
    """The leaves, depth first."""
    if isinstance(structure, Mapping):
        return [leaf for key in _keys(structure) for leaf in flatten(structure[key])]
    if isinstance(structure, (list, tuple)):
        return [leaf for part in structure for leaf in flatten(part)]
    return [structure]


def _keys(structure: Mapping[Any, Any]) -> list[Any]:
    try:
        return sorted(structure)
    except TypeError:
        return list(structure)


def pack_sequence_as(structure: Any, flat_sequence: Any, expand_composites: bool = False) -> Any:
    """Leaves in the structure of another. Raises ValueError for another number of them."""
    leaves = list(flat_sequence)
    wanted = len(flatten(structure))
    if len(leaves) != wanted:
        raise error(
            ValueError,
            f"Structure had {wanted} atoms, but flat_sequence had {len(leaves)} items.",
        )
    return _packed(structure, iter(leaves))


def _packed(structure: Any, leaves: Any) -> Any:
    if isinstance(structure, Mapping):
        made = {key: _packed(structure[key], leaves) for key in _keys(structure)}
        return type(structure)((key, made[key]) for key in structure)  # type: ignore[call-arg]  # as dicts do
    if isinstance(structure, tuple) and hasattr(structure, "_fields"):
        return type(structure)(*[_packed(part, leaves) for part in structure])
    if isinstance(structure, (list, tuple)):
        return type(structure)([_packed(part, leaves) for part in structure])
    return next(leaves)


def map_structure(func: Callable[..., Any], *structures: Any, **kwargs: Any) -> Any:
    """The function applied to leaves that have the same place."""
    if len(structures) == 1:
        return _mapped(func, structures[0])
    for other in structures[1:]:
        assert_same_structure(structures[0], other)
    lists = [flatten(s) for s in structures]
    return pack_sequence_as(structures[0], [func(*leaves) for leaves in zip(*lists)])


def _mapped(func: Callable[..., Any], structure: Any) -> Any:
    """The function applied to each leaf of one structure."""
    kind = type(structure)
    if kind is tuple or kind is list:
        return kind([_mapped(func, part) for part in structure])
    if not isinstance(structure, (list, tuple, Mapping)):
        return func(structure)
    return pack_sequence_as(structure, [func(leaf) for leaf in flatten(structure)])


def assert_same_structure(
    nest1: Any, nest2: Any, check_types: bool = True, expand_composites: bool = False
) -> None:
    """Raises ValueError or TypeError where two structures differ."""
    if is_nested(nest1) != is_nested(nest2):
        raise error(
            ValueError,
            f"The two structures don't have the same nested structure: {nest1!r} and {nest2!r}",
        )
    if not is_nested(nest1):
        return
    if isinstance(nest1, Mapping) != isinstance(nest2, Mapping) or (
        check_types and type(nest1) is not type(nest2)
    ):
        raise error(
            TypeError,
            f"The two structures don't have the same sequence type: {type(nest1)} and "
            f"{type(nest2)}",
        )
    if len(nest1) != len(nest2):
        raise error(
            ValueError,
            f"The two structures don't have the same number of elements: {len(nest1)} "
            f"and {len(nest2)}",
        )
    if isinstance(nest1, Mapping):
        if set(nest1) != set(nest2):
            raise error(ValueError, "The two dictionaries don't have the same set of keys.")
        pairs = [(nest1[key], nest2[key]) for key in nest1]
    else:
        pairs = list(zip(nest1, nest2))
    for first, second in pairs:
        assert_same_structure(first, second, check_types)
