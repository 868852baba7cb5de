"""Modules as functions of their parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from plait._functions.joining import stack
from plait._tensor import Tensor
from plait.core.ir.errors import error


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with other parameters and buffers (by name, in one dict or several).

    tie_weights: what is given for one name of a shared parameter stands for all its names. strict:
    exactly the module's names must be given, else RuntimeError; unknown names are else passed
    over, as PyTorch does. Writes to given buffers are seen by their owner; the module itself stays
    as it is.
    """
    dicts = parameter_and_buffer_dicts
    if isinstance(dicts, dict):
        given = dict(dicts)
    else:
        given = {}
        for part in dicts:
            twice = given.keys() & part.keys()
            if twice:
                raise error(
                    ValueError,
                    f"{sorted(twice)} appeared in multiple dictionaries; behavior of functional "
                    "call is ambiguous",
                )
            given.update(part)
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    with _swapped(module, given, tie_weights, strict):
        return module(*args, **(kwargs or {}))


@contextmanager
def _swapped(module: Any, given: dict[str, Any], tie: bool, strict: bool) -> Iterator[None]:
    """The given tensors in place of the module's own, while this lasts."""
    places = _places(module)
    unknown = [name for name in given if name not in places]
    if strict and unknown:
        raise error(RuntimeError, f"functional_call: unexpected key(s): {unknown}")
    if strict and (missing := [name for name in places if name not in given]):
        raise error(RuntimeError, f"functional_call: missing key(s): {missing}")
    if tie:
        given = _tied(places, given)
    held = []
    try:
        for name, tensor in given.items():
            if name not in places:
                continue
            table, key = places[name]
            held.append((table, key, table[key]))
            table[key] = tensor
        yield
    finally:
        for table, key, tensor in reversed(held):
            table[key] = tensor


def _places(module: Any) -> dict[str, tuple[dict[str, Any], str]]:
    """Where each parameter and buffer is kept, by its full name; shared ones under all names."""
    found: dict[str, tuple[dict[str, Any], str]] = {}
    for prefix, part in module.named_modules(remove_duplicate=False):
        for table in (part._parameters, part._buffers):
            for key, tensor in table.items():
                if tensor is not None:
                    found[f"{prefix}.{key}" if prefix else key] = (table, key)
    return found


def _tied(places: dict[str, tuple[dict, str]], given: dict[str, Any]) -> dict[str, Any]:
    names: dict[int, list[str]] = {}
    for name, (table, key) in places.items():
        names.setdefault(id(table[key]), []).append(name)
    full = dict(given)
    for shared in names.values():
        chosen = {id(given[name]): given[name] for name in shared if name in given}
        if len(chosen) > 1:
            raise error(
                ValueError,
                f"functional_call got multiple values for keys {sorted(shared)}, which are tied. "
                "Consider using tie_weights=False",
            )
        for tensor in chosen.values():
            full.update(dict.fromkeys(shared, tensor))
    return full


def replace_all_batch_norm_modules_(root: Any) -> Any:
    """Let every batch norm of a module use its batch's own statistics, and keep none."""
    for part in root.modules():
        if getattr(part, "running_mean", None) is not None and hasattr(part, "track_running_stats"):
            part.running_mean = part.running_var = part.num_batches_tracked = None
            part.track_running_stats = False
    return root


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(parameters, buffers) of several alike models, each stacked along a new first axis.

    Raises RuntimeError for none, for mixed training modes and for different classes.
    """
    if not models:
        raise error(RuntimeError, "stack_module_state: Expected at least one model, got 0.")
    if len({model.training for model in models}) > 1:
        raise error(
            RuntimeError, "stack_module_state: Expected all models to have the same training mode."
        )
    if len({type(model) for model in models}) > 1:
        raise error(
            RuntimeError, "stack_module_state: Expected all models to be of the same class."
        )
    parameters = [dict(model.named_parameters()) for model in models]
    buffers = [dict(model.named_buffers()) for model in models]
    return (
        {name: _stacked([p[name] for p in parameters]) for name in parameters[0]},
        {name: stack([b[name] for b in buffers]) for name in buffers[0]},
    )


def _stacked(tensors: list[Tensor]) -> Any:
    required = {tensor.requires_grad for tensor in tensors}
    if len(required) > 1:
        raise error(
            RuntimeError,
            "Expected params from each model to have the same .requires_grad",
        )
    return stack([tensor.detach() for tensor in tensors]).requires_grad_(required.pop())
