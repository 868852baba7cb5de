"""Control flow as functions, and functions over slices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plait.core.ir.errors import error
from plait.tf import nest
from plait.tf._convert import convert
from plait.tf._dispatch import op, state
from plait.tf._ops.arrays import stack, unstack
from plait.tf._shape import TensorSpec
from plait.tf._tensor import Tensor


@op
def cond(
    pred: Any = None,
    true_fn: Callable[..., Any] | None = None,
    false_fn: Callable[..., Any] | None = None,
    strict: bool = False,
    fn1: Any = None,
    fn2: Any = None,
) -> Any:
    """true_fn() where the scalar `pred` is True, false_fn() where it is not."""
    chosen, other = true_fn or fn1, false_fn or fn2
    if not callable(chosen) or not callable(other):
        raise error(TypeError, "'true_fn' and 'false_fn' must be callable.")
    if not isinstance(pred, (bool, int)) and state.values is None:
        from plait.tf._autograph.recording import chosen_value, is_open

        if is_open(tensor := convert(pred)):
            return chosen_value(tensor, chosen, other, "the result")
    test = bool(pred) if isinstance(pred, (bool, int)) else bool(convert(pred))
    return _tensors(chosen() if test else other())


def _tensors(result: Any) -> Any:
    """In a graph, tensors for what a function gives; at once, what it gives."""
    if result is None or state.values is None:
        return result
    return nest.map_structure(lambda x: convert(x) if x is not None else None, result)


@op
def case(
    pred_fn_pairs: Any, default: Any = None, exclusive: bool = False, strict: bool = False
) -> Any:
    """The first function whose condition is True, or the default."""
    pairs = pred_fn_pairs.items() if isinstance(pred_fn_pairs, dict) else pred_fn_pairs
    for test, function in pairs:
        if bool(convert(test)):
            return _tensors(function())
    if default is None:
        from plait.tf import errors

        raise error(errors.InvalidArgumentError, "None of the conditions evaluated as True")
    return _tensors(default())


@op
def switch_case(branch_index: Any, branch_fns: Any, default: Any = None) -> Any:
    """The function of a number; the default (the last) where there is none of that number."""
    functions = (
        dict(branch_fns)
        if isinstance(branch_fns, dict)
        else dict(f if isinstance(f, tuple) else (k, f) for k, f in enumerate(branch_fns))
    )
    last = functions[max(functions)] if default is None else default
    return _tensors(functions.get(int(branch_index), last)())


@op
def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    maximum_iterations: Any = None,
    return_same_structure: bool = True,
) -> Any:
    """loop_vars = body(*loop_vars), while cond(*loop_vars) is True."""
    if not loop_vars and loop_vars != 0:
        raise error(ValueError, "'loop_vars' must not be empty.")
    single = not isinstance(loop_vars, (list, tuple))
    values: Any = [loop_vars] if single else loop_vars
    values = nest.map_structure(_loop_variable, values)
    if state.values is not None:
        values = nest.map_structure(_own, values)
    if state.values is None and maximum_iterations is None and shape_invariants is None:
        done, values = _recorded_loop(cond, body, values)
        if done:
            return values[0] if single else values
    left = None if maximum_iterations is None else int(maximum_iterations)
    while (left is None or left > 0) and bool(convert(cond(*values))):
        result = body(*values)
        if not isinstance(result, (list, tuple)) or (len(values) == 1 and len(result) != 1):
            result = (result,)
        nest.assert_same_structure(list(values), list(result), check_types=False)
        values = type(values)(nest.map_structure(_loop_variable, list(result)))
        left = None if left is None else left - 1
    return values[0] if single else values


def _recorded_loop(cond: Any, body: Any, values: Any) -> tuple[bool, Any]:
    """(whether the loop is one operation of a call that is being captured, its variables)."""
    from plait.tf._autograph.loops import repeat
    from plait.tf._autograph.recording import is_open

    if not is_open(cond(*values)):
        return False, values
    box = [values]

    def turn() -> None:
        result = body(*box[0])
        if not isinstance(result, (list, tuple)) or (len(box[0]) == 1 and len(result) != 1):
            result = (result,)
        nest.assert_same_structure(list(box[0]), list(result), check_types=False)
        box[0] = type(values)(result)

    def put(held: Any) -> None:
        box[0] = held[0]

    done = repeat(lambda: cond(*box[0]), turn, lambda: (box[0],), put, ("loop_vars",), (), True)
    return done, box[0]


def _loop_variable(value: Any) -> Any:
    from plait.tf._ops.tensor_array import TensorArray

    return value if isinstance(value, TensorArray) else convert(value)


def _own(value: Any) -> Any:
    """What a loop begins with; in a session, an array of its own: others may hold that given."""
    from plait.tf._ops.tensor_array import TensorArray

    return value.copy() if isinstance(value, TensorArray) else value


@op
def map_fn(
    fn: Callable[..., Any],
    elems: Any,
    dtype: Any = None,
    parallel_iterations: Any = None,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    fn_output_signature: Any = None,
) -> Any:
    """The function of each slice along the first axis, its results stacked; ragged where a
    `RaggedTensorSpec` asks for it, or `elems` are and nothing is said."""
    columns = [list(x) if hasattr(x, "ragged_rank") else unstack(x) for x in nest.flatten(elems)]
    results = [fn(nest.pack_sequence_as(elems, row)) for row in zip(*columns)]
    signature = dtype if fn_output_signature is None else fn_output_signature
    if hasattr(elems if signature is None else signature, "ragged_rank"):
        from plait.tf.ragged import stack as ragged_stack  # loads when it is used

        return ragged_stack(results)
    return _stacked(results)


def _stacked(results: list[Any]) -> Any:
    if not results:
        raise error(ValueError, "a function is mapped over no elements")
    rows = [nest.flatten(r) for r in results]
    return nest.pack_sequence_as(results[0], [stack(list(column)) for column in zip(*rows)])


@op
def vectorized_map(
    fn: Callable[..., Any], elems: Any, fallback_to_while_loop: bool = True, warn: bool = True
) -> Any:
    """As `map_fn`."""
    return map_fn(fn, elems)


def _folded(fn: Any, elems: Any, initializer: Any, backwards: bool, keep: bool) -> Any:
    columns = [unstack(x) for x in nest.flatten(elems)]
    rows = [nest.pack_sequence_as(elems, row) for row in zip(*columns)]
    if backwards:
        rows.reverse()
    if initializer is None:
        value, rows = rows[0], rows[1:]
        kept = [value]
    else:
        value = nest.map_structure(convert, initializer)
        kept = []
    for row in rows:
        value = nest.map_structure(convert, fn(value, row))
        kept.append(value)
    if not keep:
        return value
    return _stacked(kept[::-1] if backwards else kept)


@op
def foldl(
    fn: Any,
    elems: Any,
    initializer: Any = None,
    parallel_iterations: Any = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
) -> Any:
    """value = fn(value, slice), from the first slice to the last."""
    return _folded(fn, elems, initializer, False, False)


@op
def foldr(
    fn: Any,
    elems: Any,
    initializer: Any = None,
    parallel_iterations: Any = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
) -> Any:
    """value = fn(value, slice), from the last slice to the first."""
    return _folded(fn, elems, initializer, True, False)


@op
def scan(
    fn: Any,
    elems: Any,
    initializer: Any = None,
    parallel_iterations: Any = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    reverse: bool = False,
) -> Any:
    """As `foldl`, with all values on the way stacked."""
    return _folded(fn, elems, initializer, reverse, True)


@op
def group(*inputs: Any, **kwargs: Any) -> Any:
    """Nothing: what is given has been done."""
    return None


@op
def no_op() -> Any:
    """Nothing."""
    return None


@op
def tuple_(tensors: Any, control_inputs: Any = None) -> Any:
    """The tensors themselves."""
    return [t if t is None else convert(t) for t in tensors]


@op
def py_function(func: Any = None, inp: Any = None, Tout: Any = None) -> Any:
    """A Python function of tensors, called at once; its results in the dtypes of `Tout`."""
    return _typed(func(*[convert(x) for x in inp or ()]), Tout)


@op
def numpy_function(
    func: Any = None, inp: Any = None, Tout: Any = None, stateful: bool = True
) -> Any:
    """A Python function of arrays, called at once; its results in the dtypes of `Tout`."""
    return _typed(func(*[convert(x).numpy() for x in inp or ()]), Tout)


def _typed(result: Any, types: Any) -> Any:
    if types is None or types == []:
        return result if types is None else []
    if isinstance(types, (list, tuple)):
        given = result if isinstance(result, (list, tuple)) else [result]
        return [convert(r, t) for r, t in zip(given, types)]
    (single,) = result if isinstance(result, (list, tuple)) and len(result) == 1 else (result,)
    return convert(single, types)


def _loop_spec(
    cond: Any, body: Any, loop_vars: Any, shape_invariants: Any = None, *args: Any, **kwargs: Any
) -> Any:
    """The variables of a loop keep their shapes, but for those stated to change."""
    from plait.tf._graph_arrays import ArraySpec, ArraySymbol  # it builds on this module

    shapes = nest.flatten(shape_invariants) if shape_invariants is not None else None
    made = []
    for place, value in enumerate(nest.flatten(loop_vars)):
        if isinstance(value, ArraySymbol):
            made.append(ArraySpec(value.shape, value.dtype))
            continue
        if not isinstance(value, Tensor):
            value = _loop_variable(value)
        made.append(
            TensorSpec(value.shape if shapes is None else shapes[place], value.dtype)
            if isinstance(value, Tensor)
            else value
        )
    return nest.pack_sequence_as(loop_vars, made)


def _typed_spec(
    func: Any = None, inp: Any = None, Tout: Any = None, *args: Any, **kwargs: Any
) -> Any:
    if isinstance(Tout, (list, tuple)):
        return [TensorSpec(None, t) for t in Tout]
    return None if Tout is None else TensorSpec(None, Tout)


while_loop.__dict__.update(infer=_loop_spec, closures=True)
for _function in (cond, case, switch_case, map_fn, vectorized_map, foldl, foldr, scan):
    _function.__dict__["closures"] = True
for _function in (py_function, numpy_function):
    _function.__dict__.update(infer=_typed_spec, host=True)
for _function in (group, no_op):
    _function.__dict__["infer"] = lambda *args, **kwargs: None
