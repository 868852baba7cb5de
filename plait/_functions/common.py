"""What the function families share: argument conversion, `out=`, keyword aliases, registration."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from plait._functions.old_orders import positions, today
from plait._tensor import Tensor
from plait.core.functional.broadcasting import Number
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import error
from plait.core.lazy.known_views import remembered
from plait.core.lazy.replay.function import one_step
from plait.core.lazy.views import EXPANDED

#: NumPy's spellings, which PyTorch also takes.
_ALIASES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "x1": "input", "x2": "other"}

#: Functions by name: what `plait` exports, and what becomes a Tensor method.
FUNCTIONS: dict[str, Callable[..., Any]] = {}


def public(
    function: Callable[..., Any] | None = None,
    *,
    method: bool = True,
    inplace: bool = False,
    names: Iterable[str] = (),
    pure: bool = False,
    view: bool = False,
) -> Any:
    """Register a function of the face.

    method: also a Tensor method (first parameter is self). inplace: also `name_`, which writes the
    result into the first argument. names: further names. pure: what it records depends on shapes
    and dtypes alone (see `one_step`). view: it gives a view that these and where the input lies
    decide (see `remembered`). `out=` and NumPy's keyword spellings are handled here.
    """
    if function is None:
        return lambda f: public(
            f, method=method, inplace=inplace, names=names, pure=pure, view=view
        )
    plain = function
    wants_tensor = _takes_tensor(plain)
    most = positions(plain.__name__)
    own_names = frozenset(plain.__code__.co_varnames[: plain.__code__.co_argcount])
    if pure:
        plain = one_step(plain)
    if view:
        plain = functools.wraps(plain)(remembered(plain))

    @functools.wraps(plain)
    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) > most:
            args, kwargs = today(plain.__name__, args, kwargs)
        if wants_tensor and args and not isinstance(args[0], Tensor):
            raise error(
                TypeError,
                f"{plain.__name__}(): argument 'input' (position 1) must be Tensor, not "
                f"{kind_of(args[0])}",
            )
        if not kwargs:
            return plain(*args)
        out = kwargs.pop("out", None)
        for alias in _ALIASES.keys() & kwargs.keys():
            if alias not in own_names:
                kwargs[_ALIASES[alias]] = kwargs.pop(alias)
        result = plain(*args, **kwargs)
        if out is None:
            return result
        return write_out(plain.__name__, out, result, (*args, *kwargs.values()))

    for name in (plain.__name__, *names):
        FUNCTIONS[name] = call
        if method:
            setattr(Tensor, name, call)
        if inplace:
            setattr(Tensor, name + "_", _in_place(plain, name + "_"))
    return call


def _takes_tensor(function: Callable[..., Any]) -> bool:
    """Whether the first argument is `input`, declared to be a tensor and nothing else."""
    code = function.__code__
    first = code.co_varnames[0] if code.co_argcount else None
    return first == "input" and function.__annotations__.get("input") == "Tensor"


def _in_place(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    most = positions(function.__name__)

    def write(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if len(args) >= most:
            given, kwargs = today(function.__name__, (self, *args), kwargs)
            args = given[1:]
        if kwargs or not _is_constant(self) or any(isinstance(x, Tensor) for x in args):
            # The old value is taken first, so that a derivative may read it after the write.
            return self.assign_result(name, function(self.frozen(), *args, **kwargs))
        return self.assign_result(name, function(self, *args))

    write.__name__ = name
    write.__doc__ = f"In-place version of `{function.__name__}`."
    return write


def _is_constant(x: Tensor) -> bool:
    """Whether this is a base tensor that no gradient flows to or through."""
    return x._base is None and x._grad_fn is None and not x._requires_grad and x.is_dense


def attach(**members: Any) -> None:
    """Give Tensor methods and properties that are not functions of the face."""
    for name, member in members.items():
        setattr(Tensor, name, member)


def takes_out(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the face, outside of `public`, that takes `out=` as well."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not kwargs:
            return function(*args)
        out = kwargs.pop("out", None)
        if out is None:
            return function(*args, **kwargs)
        return write_out(
            function.__name__, out, function(*args, **kwargs), (*args, *kwargs.values())
        )

    return call


def write_out(name: str, out: Any, result: Any, given: Iterable[Any] = ()) -> Any:
    """Store a result in the caller's `out` tensor (a tuple of them for several results).

    given: the arguments the result is made of. Raises RuntimeError where `out` shares a part of
    their memory, as in PyTorch, though here the result is whole before it is written.
    """
    if isinstance(result, tuple):
        for target, part in zip(out, result, strict=True):
            write_out(name, target, part, given)
        return out
    if not isinstance(out, Tensor):
        raise error(TypeError, f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    for tensor in _tensors_of(given):
        if tensor._cell is out._cell and _overlap(tensor, out, name in _READ_WHILE_WRITTEN):
            raise error(
                RuntimeError,
                "unsupported operation: some elements of the input tensor and the written-to "
                f"tensor refer to a single memory location (in {name}). Please clone() the tensor "
                "before performing the operation.",
            )
    if name in _OF_ONE_DTYPE and out.dtype is not result.dtype:
        raise error(
            RuntimeError,
            f"Expected out tensor to have dtype {result.dtype}, but got {out.dtype} instead "
            f"(in {name})",
        )
    if out.shape != result.shape:
        out.resize_(result.shape)
    if any(step == 0 and extent > 1 for step, extent in zip(out.stride(), out.shape)):
        raise error(RuntimeError, EXPANDED)
    return out.assign_result(name, result)


#: Functions whose `out` must have the dtype of the result, where others cast to that of `out`.
_OF_ONE_DTYPE = frozenset(("aminmax", "complex", "gather", "multinomial"))

#: Functions whose `out` may not even be the very memory of an argument.
_READ_WHILE_WRITTEN = frozenset(
    ("cat", "concat", "concatenate", "gather", "index_select", "kthvalue", "masked_select", "take")
)


def _tensors_of(values: Iterable[Any]) -> Iterable[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors_of(value)


def _overlap(a: Tensor, b: Tensor, same_too: bool) -> bool:
    """Whether two tensors of one storage share elements, by the ranges that they lie in.

    same_too: whether tensors of the same elements count. As in PyTorch, no question is asked of
    tensors with gaps between their elements.
    """
    if not a.numel() or not b.numel():
        return False
    places = [(t.storage_offset(), t.stride()) for t in (a, b)]
    if places[0] == places[1] and a.shape == b.shape:
        return same_too
    spans = [(t.storage_offset(), t.storage_offset() + _span(t)) for t in (a, b)]
    gapless = all(_span(t) == t.numel() for t in (a, b))
    return gapless and spans[0][0] < spans[1][1] and spans[1][0] < spans[0][1]


def _span(t: Tensor) -> int:
    """Elements of the storage from a tensor's first to its last."""
    return 1 + sum((extent - 1) * step for extent, step in zip(t.shape, t.stride()))


def tensor_argument(name: str, position: str, value: Any) -> Tensor:
    """The value if it is a tensor. Raises TypeError in PyTorch's wording."""
    if not isinstance(value, Tensor):
        raise error(
            TypeError,
            f"{name}(): argument '{position}' must be Tensor, not {kind_of(value)}",
        )
    return value


def kind_of(value: Any) -> str:
    """The name of a value's type for a message, with the way from TensorFlow's face and Keras."""
    name = type(value).__name__
    if hasattr(value, "_as_torch_tensor"):
        package = type(value).__module__.split(".")[0]
        return f"{name} of {package} (torch.as_tensor(x) turns it into one)"
    return name


def operand(name: str, position: str, value: Any) -> Any:
    """A tensor or a Python number (NumPy scalars and arrays are converted)."""
    if isinstance(value, (Tensor, *Number)):
        return value
    item = getattr(value, "item", None)
    if item is not None and getattr(value, "shape", None) == ():
        return item()
    if hasattr(value, "__array__"):
        from plait._functions.creation import as_tensor

        return as_tensor(value)
    raise error(
        TypeError,
        f"{name}(): argument '{position}' must be Tensor or Number, not {type(value).__name__}",
    )


def both_operands(name: str, input: Any, other: Any) -> tuple[Any, Any]:
    """Two operands of which at least one is a tensor."""
    input, other = operand(name, "input", input), operand(name, "other", other)
    if isinstance(input, Number) and isinstance(other, Number):
        raise error(
            TypeError,
            f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}",
        )
    return input, other


def shape_argument(name: str, size: tuple[Any, ...]) -> tuple[int, ...]:
    """Sizes given as several ints or as one sequence."""
    if len(size) == 1 and not hasattr(size[0], "__index__"):
        size = tuple(size[0])
    elif len(size) == 1 and isinstance(size[0], Tensor) and size[0].ndim:
        size = tuple(size[0].tolist())
    try:
        return tuple([s.__index__() for s in size])
    except (AttributeError, TypeError):
        kinds = ", ".join(type(s).__name__ for s in size)
        raise error(
            TypeError, f"{name}(): argument 'size' must be tuple of ints, but found ({kinds})"
        ) from None


def require_dtype(name: str, value: Any) -> DType | None:
    """A dtype argument: None or a DType."""
    if value is None or isinstance(value, DType):
        return value
    if value in (float, int, bool, complex):
        from plait._promotion import number_dtype
        from plait.core.ir import dtypes

        return dtypes.float64 if value is float else number_dtype(value(0))
    raise error(
        TypeError, f"{name}(): argument 'dtype' must be torch.dtype, not {type(value).__name__}"
    )
